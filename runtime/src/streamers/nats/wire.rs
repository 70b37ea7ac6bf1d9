//! Messages as NATS carries them.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use crate::event::cloudevents::{NATS, structured};
use crate::event::{Envelope, Message};
use crate::streamer::StreamError;

/// A message to publish.
pub(super) struct Outbound {
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

impl Outbound {
    /// An error is a refusal: no header of NATS can hold what a header of it holds.
    pub(super) fn of(
        message: &Message,
        topic: &str,
        structured: bool,
    ) -> Result<Outbound, StreamError> {
        match message {
            Message::Event(event) if structured => Outbound::structured(event, topic),
            Message::Event(event) => Ok(Outbound::binary(event, topic)),
            Message::Foreign(_) => Outbound::as_it_is(message),
        }
    }

    fn binary(event: &Envelope, topic: &str) -> Outbound {
        let mut headers = HeaderMap::new();
        let id = id(event, topic, |name, value| {
            // In percent-encoded ASCII, so it is a value of a header.
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(header_name(name), value);
            }
        });
        headers.insert(NATS_MESSAGE_ID, id);
        Outbound {
            headers,
            payload: event.payload().clone(),
        }
    }

    fn structured(event: &Envelope, topic: &str) -> Result<Outbound, StreamError> {
        let wire = NATS.write_structured(event);
        let mut headers = checked(&wire.headers)?;
        headers.insert(NATS_MESSAGE_ID, id(event, topic, |_, _| ()));
        Ok(Outbound {
            headers,
            payload: wire.payload,
        })
    }

    fn as_it_is(message: &Message) -> Result<Outbound, StreamError> {
        let wire = NATS.write_message(message);
        Ok(Outbound {
            headers: checked(&wire.headers)?,
            payload: wire.payload,
        })
    }
}

/// What `JetStream` knows a message by that it was given already: the event's id, and a number that
/// stands for the topic and everything that is said of the event. An id is unique for its source
/// only, a stream may capture several topics, and a dead letter has the id of its event.
fn id(event: &Envelope, topic: &str, mut each: impl FnMut(&str, &str)) -> String {
    let mut hasher = DefaultHasher::new();
    topic.hash(&mut hasher);
    let mut id = String::with_capacity(64);
    NATS.for_each_header(event, |name, value| {
        (name, value).hash(&mut hasher);
        if name == "ce-id" {
            id.push_str(value);
        }
        each(name, value);
    });
    let number = hasher.finish();
    let _ = write!(id, "-{number:016x}"); // a String takes all
    id
}

/// The attributes that nearly every event has cost no allocation.
fn header_name(name: &str) -> HeaderName {
    macro_rules! known {
        ($($known:literal)*) => {
            match name {
                $($known => const { HeaderName::from_static($known) },)*
                _ => HeaderName::from_str(name).unwrap_or(NATS_MESSAGE_ID),
            }
        };
    }
    known!(
        "ce-specversion" "ce-id" "ce-source" "ce-type" "ce-subject" "ce-time" "ce-datacontenttype"
        "ce-dataschema" "ce-partitionkey" "ce-traceparent" "ce-correlationid" "ce-causationid"
    )
}

fn checked<N: AsRef<str>>(headers: &[(N, Bytes)]) -> Result<HeaderMap, StreamError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = name.as_ref();
        if is_natss_own(name) {
            continue;
        }
        let refused = |why: &str| {
            let name: String = name.chars().take(100).collect();
            StreamError::refused(format!("NATS cannot carry the header {name:?}: {why}"))
        };
        let text = str::from_utf8(value).map_err(|_| refused("its value is no text"))?;
        let value = HeaderValue::from_str(text).map_err(|_| refused("its value has two lines"))?;
        let name = HeaderName::from_str(name).map_err(|_| refused("its name is no name of one"))?;
        map.append(name, value);
    }
    Ok(map)
}

/// What the server acts on or adds is no part of a message.
fn is_natss_own(header: &str) -> bool {
    const PREFIX: &str = "nats-";
    header
        .get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Reads a message. Headers come in the order of their names, since the client library forgets
/// theirs.
pub(super) fn read(headers: Option<&HeaderMap>, payload: Bytes) -> Message {
    let Some(headers) = headers else {
        return read_bare(payload);
    };
    let mut named: Vec<(&str, &[HeaderValue])> = headers
        .iter()
        .map(|(name, values)| (name.as_ref(), &values[..]))
        .filter(|(name, _)| !is_natss_own(name))
        .collect();
    if named.is_empty() {
        return read_bare(payload);
    }
    named.sort_unstable_by_key(|(name, _)| *name);
    let each = named
        .into_iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value.as_str())));
    NATS.read(each, None, payload)
}

/// A message without headers is an event in structured mode, if it is one at all: the binding has
/// had no other way before NATS had headers.
fn read_bare(payload: Bytes) -> Message {
    if payload.trim_ascii_start().starts_with(b"{")
        && contains(&payload, b"\"specversion\"")
        && let Ok(event) = structured::from_json(&payload)
    {
        return event.into();
    }
    NATS.read::<&str, &str>([], None, payload)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
