//! The protocol bindings.

use arcstr::ArcStr;
use bytes::Bytes;

use super::binary;
use super::structured;
use crate::event::envelope::{check::MediaType, excerpt};
use crate::event::{Envelope, EnvelopeError, Foreign, Message};

/// How one protocol carries `CloudEvents`: what its protocol binding says, as data.
///
/// The bindings there are: [`HTTP`], [`KAFKA`], [`NATS`], [`AMQP`].
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// What stands before an attribute's name in the name of its header: the one that is
    /// written, and then others that are read as well.
    pub(super) prefixes: &'static [&'static str],
    /// The header with the media type of the message. (Where the protocol has a property for
    /// that, the streamer treats the property as this header.)
    pub(super) content_type: &'static str,
    /// Whether that header is `datacontenttype` in binary mode; if not, that is a header like
    /// any other attribute.
    pub(super) has_datacontenttype_there: bool,
    /// Whether headers are as in HTTP, names in any case and values in percent-encoded ASCII; if
    /// not, names are exact and values UTF-8.
    pub(super) is_like_http: bool,
    /// Whether messages have a key beside their headers, which is then `partitionkey`.
    pub(super) is_keyed: bool,
}

/// The HTTP protocol binding 1.0.2: headers `ce-id`, `ce-source`, ... in percent-encoded ASCII
/// (section 3.1.3), names in any case, the media type in `content-type`.
pub const HTTP: Binding = Binding {
    prefixes: &["ce-"],
    content_type: "content-type",
    has_datacontenttype_there: true,
    is_like_http: true,
    is_keyed: false,
};

/// The Kafka protocol binding 1.0.2: headers `ce_id`, `ce_source`, ... in UTF-8 (section 3.2.3),
/// the media type in `content-type`, and `partitionkey` as the record's key as well (section 3.1).
pub const KAFKA: Binding = Binding {
    prefixes: &["ce_"],
    content_type: "content-type",
    has_datacontenttype_there: true,
    is_like_http: false,
    is_keyed: true,
};

/// The NATS protocol binding in its present draft, 1.0.3: headers `ce-id`, `ce-source`, ... in
/// percent-encoded ASCII as over HTTP (section 3.1.3), `datacontenttype` among them as
/// `ce-datacontenttype`; the media type of an event in structured mode in `content-type` (section 3).
/// (Version 1.0.2 is from before NATS had headers, and knows structured mode alone.)
pub const NATS: Binding = Binding {
    prefixes: &["ce-"],
    content_type: "content-type",
    has_datacontenttype_there: false,
    is_like_http: true,
    is_keyed: false,
};

/// The AMQP protocol binding 1.0.2, on AMQP 0.9.1 as `RabbitMQ` maps AMQP 1.0 to it: application
/// properties are the message's headers, `cloudEvents_id`, `cloudEvents_source`, ... in UTF-8, and
/// `cloudEvents:id` and so on is read as well (section 3.1.3); the media type is the property
/// `content-type`, a header here (section 3.1.1). Beyond the specification, `partitionkey` is the
/// routing key too.
pub const AMQP: Binding = Binding {
    prefixes: &["cloudEvents_", "cloudEvents:"],
    content_type: "content-type",
    has_datacontenttype_there: true,
    is_like_http: false,
    is_keyed: true,
};

/// A message in the form in which a protocol carries it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// The headers. Those of an event are UTF-8, and over HTTP ASCII; others are any bytes.
    pub headers: Vec<(ArcStr, Bytes)>,
    /// The key, on protocols that have one.
    pub key: Option<Bytes>,
    /// The body.
    pub payload: Bytes,
}

impl Binding {
    /// Writes an event in binary mode: attributes as headers, the payload as it is.
    ///
    /// An event without payload has an empty one here. A client library that takes headers one
    /// by one is better served by [`for_each_header`](Binding::for_each_header).
    pub fn write(&self, envelope: &Envelope) -> Wire {
        let mut headers = Vec::with_capacity(12);
        self.for_each_header(envelope, |name, value| {
            headers.push((ArcStr::from(name), Bytes::copy_from_slice(value.as_bytes())));
        });
        Wire {
            headers,
            key: self.key(envelope),
            payload: envelope.payload().clone(),
        }
    }

    /// Names and values of the headers that an event has in binary mode, one after the other,
    /// without an allocation for each.
    pub fn for_each_header(&self, envelope: &Envelope, each: impl FnMut(&str, &str)) {
        binary::write(self, envelope, each);
    }

    /// Writes an event in structured mode: all of it as one JSON text, and a single header.
    pub fn write_structured(&self, envelope: &Envelope) -> Wire {
        let media_type = Bytes::from_static(structured::CONTENT_TYPE.as_bytes());
        Wire {
            headers: vec![(self.content_type.into(), media_type)],
            key: self.key(envelope),
            payload: structured::to_json(envelope),
        }
    }

    /// Writes a message of either kind: an event in binary mode, anything else as it came.
    pub fn write_message(&self, message: &Message) -> Wire {
        match message {
            Message::Event(envelope) => self.write(envelope),
            Message::Foreign(foreign) => self.write_foreign(foreign),
        }
    }

    fn write_foreign(&self, foreign: &Foreign) -> Wire {
        let mut headers: Vec<_> = foreign
            .headers()
            .map(|(name, value)| (name.into(), value.clone()))
            .collect();
        let has_type = foreign
            .headers()
            .any(|(name, _)| self.is_content_type(name));
        if let Some(media_type) = foreign.content_type()
            && !has_type
        {
            headers.push((
                self.content_type.into(),
                Bytes::copy_from_slice(media_type.as_bytes()),
            ));
        }
        Wire {
            headers,
            key: foreign.key().filter(|_| self.is_keyed).cloned(),
            payload: foreign.payload().clone(),
        }
    }

    fn key(&self, envelope: &Envelope) -> Option<Bytes> {
        let key = envelope.key().filter(|_| self.is_keyed)?;
        Some(Bytes::copy_from_slice(key.as_bytes()))
    }

    /// Reads a message in either mode.
    ///
    /// A message whose media type begins with `application/cloudevents` is an event in structured
    /// mode; otherwise one that has the headers of an event is an event in binary mode. What
    /// claims to be an event in one of these ways but is none, and what claims nothing, comes
    /// back as [`Foreign`] with every byte in place; in the first case
    /// [`fault`](Foreign::fault) says why. A batch of events is such a fault.
    ///
    /// On a protocol with keys, an event that has no `partitionkey` gets the message's key, if
    /// that is text; the event's own wins. Memory is bounded by a small multiple of the message.
    pub fn read<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: impl IntoIterator<Item = (N, V)>,
        key: Option<Bytes>,
        payload: Bytes,
    ) -> Message {
        let mut list: Vec<(N, V)> = Vec::with_capacity(12);
        list.extend(headers);
        let headers = list;
        let content_type = self.content_type(&headers);
        let read = match Mode::of(content_type) {
            Mode::Structured => structured::from_json(&payload),
            Mode::Refused(fault) => Err(fault),
            Mode::Binary if binary::claims(self, &headers) => {
                binary::read(self, &headers, &payload)
            }
            Mode::Binary => return self.foreign(&headers, key, payload).into(),
        };
        match read {
            Ok(mut envelope) => {
                if let Some(key) = key {
                    envelope.adopt_key(&key);
                }
                envelope.into()
            }
            Err(fault) => self
                .foreign(&headers, key, payload)
                .with_fault(fault)
                .into(),
        }
    }

    fn foreign<N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: &[(N, V)],
        key: Option<Bytes>,
        payload: Bytes,
    ) -> Foreign {
        let mut foreign = Foreign::new(payload);
        for (name, value) in headers {
            foreign = foreign.with_header(name.as_ref(), Bytes::copy_from_slice(value.as_ref()));
        }
        if let Some(content_type) = self.content_type(headers) {
            foreign = foreign.with_content_type(content_type);
        }
        match key {
            Some(key) => foreign.with_key(key),
            None => foreign,
        }
    }

    /// The media type that the message's own header names, if it is text.
    fn content_type<'h, N: AsRef<str>, V: AsRef<[u8]>>(
        &self,
        headers: &'h [(N, V)],
    ) -> Option<&'h str> {
        let (_, value) = headers
            .iter()
            .find(|(name, _)| self.is_content_type(name.as_ref()))?;
        str::from_utf8(value.as_ref()).ok()
    }

    /// What the header of an attribute is called, as it is written.
    pub(crate) fn header(&self, attribute: &str) -> String {
        if attribute == "datacontenttype" && self.has_datacontenttype_there {
            return self.content_type.to_owned();
        }
        let prefix = self.prefixes.first().copied().unwrap_or_default();
        format!("{prefix}{attribute}")
    }

    /// In any case, even where names are exact: producers differ on this one.
    pub(super) fn is_content_type(&self, header: &str) -> bool {
        header.eq_ignore_ascii_case(self.content_type)
    }
}

/// What the media type says of how an event is carried (HTTP section 3, Kafka section 3).
enum Mode {
    Binary,
    Structured,
    Refused(EnvelopeError),
}

impl Mode {
    fn of(content_type: Option<&str>) -> Mode {
        const CLAIM: &str = "application/cloudevents";
        let text = content_type.unwrap_or_default();
        if !text
            .get(..CLAIM.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(CLAIM))
        {
            return Mode::Binary;
        }
        let media_type = MediaType::parse(text);
        let is = |subtype| {
            media_type
                .as_ref()
                .is_some_and(|media_type| media_type.is("application", subtype))
        };
        // JSON is the format that every implementation has, and NATS names no other.
        if is("cloudevents+json") || is("cloudevents") {
            Mode::Structured
        } else if is("cloudevents-batch+json") {
            Mode::Refused(EnvelopeError::Batch)
        } else {
            Mode::Refused(EnvelopeError::Format(excerpt(text)))
        }
    }
}
