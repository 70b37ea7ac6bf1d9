//! What is published, and whether it came.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::Failure;
use super::failure::Clock;
use crate::event::{Envelope, EnvelopeParts, EventId, Foreign, Message};
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
    /// How often one of them came.
    most: usize,
    unexpected: Vec<String>,
}

impl Tally {
    pub(super) fn of(expected: &[String]) -> Self {
        let counts = expected.iter().map(|text| (text.clone(), 0));
        Tally {
            counts: counts.collect(),
            missing: expected.len(),
            most: 0,
            unexpected: Vec::new(),
        }
    }

    /// Whether any is missing; and no longer, once it is plain that others come for ever.
    pub(super) fn is_waiting(&self) -> bool {
        self.missing > 0 && self.most.max(self.unexpected.len()) < 100
    }

    /// Whether nothing came that should not have.
    pub(super) fn is_clean(&self) -> bool {
        self.most <= 1 && self.unexpected.is_empty()
    }

    pub(super) fn count(&mut self, text: &str) {
        match self.counts.get_mut(text) {
            Some(count) => {
                self.missing -= usize::from(*count == 0);
                *count += 1;
                self.most = self.most.max(*count);
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

/// The headers that came of those that were sent; the protocol may have added others.
pub(super) fn known_headers<'a>(sent: &Foreign, came: &'a Message) -> Vec<(&'a str, &'a Bytes)> {
    let came = match came {
        Message::Foreign(came) => Some(came.headers()),
        Message::Event(_) => None,
    };
    let came = came.into_iter().flatten();
    came.filter(|(name, _)| sent.header(name).is_some())
        .collect()
}

/// Where two messages differ, in words; nothing where they are the same.
pub(super) fn difference(sent: &Message, came: &Message) -> Option<String> {
    match (sent, came) {
        (Message::Event(sent), Message::Event(came)) => event_difference(sent, came),
        (Message::Foreign(_), Message::Foreign(_)) => {
            payload_difference(sent.payload(), came.payload())
        }
        (Message::Event(_), Message::Foreign(came)) => {
            Some(format!("no CloudEvent ({:?})", came.fault()))
        }
        (Message::Foreign(_), Message::Event(came)) => {
            Some(format!("the CloudEvent `{}`", came.kind()))
        }
    }
}

fn event_difference(sent: &Envelope, came: &Envelope) -> Option<String> {
    if sent == came {
        return None;
    }
    let attributes = attributes(sent).into_iter().zip(attributes(came));
    let mut different = attributes.filter(|((_, sent), (_, came))| sent != came);
    let attribute = different
        .next()
        .map(|((name, sent), (_, came))| format!("`{name}` as {came} instead of {sent}"));
    attribute.or_else(|| payload_difference(sent.payload(), came.payload()))
}

fn attributes(event: &Envelope) -> [(&'static str, String); 9] {
    let extensions: Vec<_> = event
        .extensions()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    [
        ("id", event.id().to_string()),
        ("source", event.source().to_owned()),
        ("type", event.kind().to_owned()),
        ("subject", format!("{:?}", event.subject())),
        ("time", format!("{:?}", event.time())),
        ("datacontenttype", format!("{:?}", event.content_type())),
        ("dataschema", format!("{:?}", event.schema())),
        ("partitionkey", format!("{:?}", event.key())),
        ("extensions", extensions.join(", ")),
    ]
}

/// The first byte that differs, since a payload may be too large to be shown.
fn payload_difference(sent: &[u8], came: &[u8]) -> Option<String> {
    if sent == came {
        return None;
    }
    let at = sent.iter().zip(came).position(|(sent, came)| sent != came);
    let at = at.unwrap_or(sent.len().min(came.len()));
    let (sent, came) = (sent.len(), came.len());
    Some(format!(
        "a payload of {came} bytes instead of {sent}, different from byte {at} on"
    ))
}
