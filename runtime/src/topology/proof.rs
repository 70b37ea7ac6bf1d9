//! What generated code proves at compile time: bounds, each by itself, and facts about names.

use super::Target;
use crate::event::{Event, Follows, ReadError, Topic, TopicName, Written, read_current};
use crate::handler::{Extract, ExtractBatch, Input};
use crate::streamer::{Durable, Groups, OrderedByKey};

/// The first argument of a handler can be one.
pub const fn is_input<T: Input>() {}

/// A later argument of a handler can be one.
pub const fn is_extractor<T: Extract>() {}

/// A later argument of a handler of batches can be one.
pub const fn is_batch_extractor<T: ExtractBatch>() {}

/// The streamer keeps events across a crash.
pub const fn is_durable<S: Durable>(_: Topic<S>) {}

/// The streamer keeps the order of each key.
pub const fn is_ordered<S: OrderedByKey>(_: Topic<S>) {}

/// The streamer can share events within a group.
pub const fn has_groups<S: Groups>(_: Topic<S>) {}

/// The event is streamed to where the handler listens.
///
/// # Panics
/// Where it is not; in a constant, so that the program does not compile.
#[track_caller]
pub const fn is_heard(
    topics: Option<&'static [TopicName]>,
    topic: TopicName,
    handler: &str,
    event: &str,
) {
    let Some(topics) = topics else { return };
    let mut at = 0;
    while at < topics.len() {
        if topics[at].is(&topic) {
            return;
        }
        at += 1;
    }
    let sentence = Sentence::new()
        .with(&[
            "the handler `",
            handler,
            "` listens on `",
            topic.streamer,
            "/",
            topic.topic,
        ])
        .with(&["`, and the event `", event, "` is never streamed there"])
        .with_topics(topics);
    panic!("{}", sentence.text());
}

/// The topics that one attribute names differ from each other, and each has a name.
///
/// # Panics
/// Where they do not; in a constant, so that the program does not compile.
#[track_caller]
pub const fn is_new(topics: &[TopicName], at: usize) {
    let topic = topics[at];
    let mut before = 0;
    while before < at {
        assert!(
            !topics[before].is(&topic),
            "this topic is named twice; take one out"
        );
        before += 1;
    }
    let name = topic.topic.as_bytes();
    assert!(
        !name.is_empty(),
        "the topic's name is empty; give it a name"
    );
    let mut byte = 0;
    while byte < name.len() {
        assert!(
            name[byte] > b' ' && name[byte] != 0x7F,
            "the topic's name has white space or a control character in it; leave it out"
        );
        byte += 1;
    }
}

/// The dead letters of a handler do not come back to it.
///
/// # Panics
/// Where they do; in a constant, so that the program does not compile.
#[track_caller]
pub const fn is_elsewhere(dead_letters: Option<Target>, source: TopicName) {
    if let Some(target) = dead_letters
        && target.topic.is(&source)
    {
        panic!(
            "the handler listens on the topic that its dead letters go to, so each would come back to it without end; name another topic"
        );
    }
}

/// How to read an event that has a version before it.
///
/// # Panics
/// Where the two are no successive versions of one event; in a constant, so that the program does
/// not compile.
#[track_caller]
pub const fn read_through<New, Old>(
    new: &str,
    old: &str,
) -> fn(Written<'_>) -> Result<New, ReadError>
where
    New: Event + Follows<Old>,
    Old: Event,
{
    if !is_name_of::<New>(Old::NAME) {
        let sentence = Sentence::new()
            .with(&[
                "`",
                old,
                "` is no version of `",
                new,
                "`: it is the event `",
                Old::NAME,
            ])
            .with(&["` on the wire, and this one is `", New::NAME])
            .with(&["`; give both one `name = \"...\"`, or `"])
            .with(&[new, "` a `renamed_from = \"", Old::NAME, "\"`"]);
        panic!("{}", sentence.text());
    }
    let mut at = 0;
    while at < Old::FORMER_NAMES.len() {
        let former = Old::FORMER_NAMES[at];
        if !is_name_of::<New>(former) {
            let sentence = Sentence::new()
                .with(&["`", old, "` was called `", former, "` before"])
                .with(&[" and is heard by that name; so that `", new, "` is too"])
                .with(&[", give it `renamed_from = \"", former, "\"` as well"]);
            panic!("{}", sentence.text());
        }
        at += 1;
    }
    if Old::VERSION + 1 != New::VERSION {
        let sentence = Sentence::new()
            .with(&["`", new, "` is version "])
            .with_number(New::VERSION)
            .with(&[" and the one before it, `", old, "`, is version "])
            .with_number(Old::VERSION)
            .with(&["; no version is skipped: `previous` is the version right before"]);
        panic!("{}", sentence.text());
    }
    |written| match written.version {
        Some(version) if version < New::VERSION => Old::read(written).map(New::upgrade),
        _ => read_current(written),
    }
}

/// Whether it is what an event is called, or was.
const fn is_name_of<E: Event>(name: &str) -> bool {
    let mut at = 0;
    while at < E::FORMER_NAMES.len() {
        if crate::event::same(E::FORMER_NAMES[at], name) {
            return true;
        }
        at += 1;
    }
    crate::event::same(E::NAME, name)
}

/// A text put together in a constant, where there is no `format!`. What is too long is cut off.
struct Sentence {
    bytes: [u8; 1000],
    length: usize,
}

impl Sentence {
    const fn new() -> Self {
        Sentence {
            bytes: [0; 1000],
            length: 0,
        }
    }

    const fn with(mut self, parts: &[&str]) -> Self {
        let mut part = 0;
        while part < parts.len() {
            let text = parts[part].as_bytes();
            if self.length + text.len() <= self.bytes.len() {
                let mut at = 0;
                while at < text.len() {
                    self.bytes[self.length] = text[at];
                    self.length += 1;
                    at += 1;
                }
            }
            part += 1;
        }
        self
    }

    const fn with_number(self, number: u32) -> Self {
        let digit = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"][(number % 10) as usize];
        if number < 10 {
            self.with(&[digit])
        } else {
            self.with_number(number / 10).with(&[digit])
        }
    }

    const fn with_topics(mut self, topics: &[TopicName]) -> Self {
        if topics.is_empty() {
            return self.with(&["; it has no `stream_to`: add one, or leave `streamed_from` out"]);
        }
        self = self.with(&["; it is streamed to "]);
        let mut at = 0;
        while at < topics.len() {
            let separator = if at == 0 { "`" } else { ", `" };
            self = self.with(&[separator, topics[at].streamer, "/", topics[at].topic, "`"]);
            at += 1;
        }
        self.with(&[": listen there, or add this topic to its `stream_to`; what comes here by other ways, such as dead letters, is heard as `RawEvent`"])
    }

    const fn text(&self) -> &str {
        match core::str::from_utf8(self.bytes.split_at(self.length).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}
