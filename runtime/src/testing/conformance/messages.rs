//! What is published, and whether it came.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::Failure;
use super::failure::Clock;
use crate::event::{Envelope, EnvelopeParts, EventId, Message};
use crate::streamer::Delivery;

/// An event that says `text`, of the key.
pub(super) fn event(key: Option<&str>, text: &str) -> Message {
    let parts = EnvelopeParts {
        id: EventId::new(),
        source: "/conformance".into(),
        kind: "conformance.event".into(),
        subject: None,
        time: None,
        content_type: Some("text/plain".into()),
        schema: None,
        key: key.map(Into::into),
        extensions: Vec::new(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
    };
    Envelope::announce(parts).into()
}

/// An event for each text, each with a key of its own.
pub(super) fn events(texts: &[String]) -> impl Iterator<Item = Message> {
    texts.iter().map(|text| event(Some(text), text))
}

/// `name 0`, `name 1`, and so on.
pub(super) fn texts(name: &str, numbers: Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{name} {number}")).collect()
}

/// What a delivery says, short enough to be shown.
pub(super) fn text(delivery: &Delivery) -> String {
    let payload = delivery.message().payload();
    let shown = payload.get(..100).unwrap_or(payload);
    String::from_utf8_lossy(shown).into_owned()
}

/// How often each expected text came, and what came beside.
pub(super) struct Tally {
    counts: BTreeMap<String, usize>,
    missing: usize,
    unexpected: Vec<String>,
}

impl Tally {
    pub(super) fn of(expected: &[String]) -> Self {
        let counts = expected.iter().map(|text| (text.clone(), 0));
        Tally {
            counts: counts.collect(),
            missing: expected.len(),
            unexpected: Vec::new(),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.missing > 0
    }

    pub(super) fn count(&mut self, text: &str) {
        match self.counts.get_mut(text) {
            Some(count) => {
                self.missing -= usize::from(*count == 0);
                *count += 1;
            }
            None => self.unexpected.push(text.to_owned()),
        }
    }

    pub(super) fn expected(&self) -> String {
        format!("{} events, each once", self.counts.len())
    }

    /// What came, by its difference to what was expected.
    pub(super) fn came(&self) -> String {
        let with = |is: fn(usize) -> bool| {
            let texts = self.counts.iter().filter(move |(_, count)| is(**count));
            excerpt(texts.map(|(text, _)| text))
        };
        let parts = [
            ("missing", with(|count| count == 0)),
            ("more than once", with(|count| count > 1)),
            ("unexpected", excerpt(&self.unexpected)),
        ];
        let parts = parts.into_iter().filter(|(_, texts)| !texts.is_empty());
        let parts: Vec<_> = parts
            .map(|(what, texts)| format!("{what}: {texts}"))
            .collect();
        if parts.is_empty() {
            return "all of them".to_owned();
        }
        parts.join("; ")
    }

    /// Whether each came once and nothing beside.
    pub(super) fn check(&self, clock: &Clock) -> Result<(), Failure> {
        self.check_at_most(1, clock)
    }

    /// Whether each came, no more than so many times, and nothing beside.
    pub(super) fn check_at_most(&self, times: usize, clock: &Clock) -> Result<(), Failure> {
        let within = self
            .counts
            .values()
            .all(|count| (1..=times).contains(count));
        if within && self.unexpected.is_empty() {
            return Ok(());
        }
        let expected = match times {
            1 => self.expected(),
            _ => format!("{} events, each at most {times} times", self.counts.len()),
        };
        Err(clock.fail(expected, self.came()))
    }
}

/// The first few, and how many more there are.
fn excerpt<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let mut texts = texts.into_iter();
    let mut shown: Vec<_> = texts
        .by_ref()
        .take(5)
        .map(|text| format!("`{text}`"))
        .collect();
    let more = texts.count();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}
