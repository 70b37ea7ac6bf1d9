//! What a streamer carries.

use std::sync::Arc;

use arcstr::ArcStr;
use bytes::Bytes;

use super::{Envelope, EnvelopeError};

/// What a streamer carries: an event, or something else that travels beside events.
///
/// Cloning copies neither headers nor payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A valid `CloudEvent`.
    Event(Envelope),
    /// Anything else, exactly as it came.
    Foreign(Foreign),
}

impl Message {
    /// The payload of either.
    pub fn payload(&self) -> &Bytes {
        match self {
            Message::Event(event) => event.payload(),
            Message::Foreign(foreign) => foreign.payload(),
        }
    }

    /// The media type that the payload is said to have.
    pub fn content_type(&self) -> Option<&str> {
        match self {
            Message::Event(event) => event.content_type(),
            Message::Foreign(foreign) => foreign.content_type(),
        }
    }

    /// The key within which order is kept.
    pub fn key(&self) -> Option<&[u8]> {
        match self {
            Message::Event(event) => event.key().map(str::as_bytes),
            Message::Foreign(foreign) => foreign.key().map(|key| &key[..]),
        }
    }

    /// The same message in another codec.
    #[cfg(feature = "avro")]
    pub(crate) fn recoded(&self, content_type: ArcStr, payload: Bytes) -> Message {
        match self {
            Message::Event(event) => Message::Event(event.recoded(content_type, payload)),
            Message::Foreign(foreign) => {
                let around = Arc::clone(&foreign.around);
                Message::Foreign(Foreign { around, payload }.with_content_type(content_type))
            }
        }
    }

    /// The event, if it is one.
    pub(crate) fn into_event(self) -> Option<Envelope> {
        match self {
            Message::Event(event) => Some(event),
            Message::Foreign(_) => None,
        }
    }

    /// Takes the key that travelled beside it: an event does unless it names its own.
    #[cfg(feature = "kafka")]
    pub(crate) fn adopt_key(&mut self, key: &[u8]) {
        match self {
            Message::Event(event) => event.adopt_key(key),
            Message::Foreign(foreign) => foreign.edit().key = Some(Bytes::copy_from_slice(key)),
        }
    }

    /// The envelope, if it is a CloudEvent.
    pub fn event(&self) -> Option<&Envelope> {
        match self {
            Message::Event(event) => Some(event),
            Message::Foreign(_) => None,
        }
    }
}

impl From<Envelope> for Message {
    fn from(envelope: Envelope) -> Message {
        Message::Event(envelope)
    }
}

impl From<Foreign> for Message {
    fn from(foreign: Foreign) -> Message {
        Message::Foreign(foreign)
    }
}

/// A message that is no `CloudEvent`, kept as it came: every header in its order, and every byte.
///
/// ```
/// use bytes::Bytes;
/// use fanfare::event::Foreign;
///
/// let message = Foreign::new(Bytes::from_static(b"21.5"))
///     .with_header("sensor", Bytes::from_static(b"cellar"))
///     .with_content_type("text/plain");
///
/// assert_eq!(message.header("sensor").map(|value| &value[..]), Some(&b"cellar"[..]));
/// assert!(message.fault().is_none());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    around: Arc<Around>,
    payload: Bytes,
}

/// What stands around the payload.
#[derive(Clone, Debug, Default, PartialEq)]
struct Around {
    headers: Vec<(ArcStr, Bytes)>,
    content_type: Option<ArcStr>,
    key: Option<Bytes>,
    fault: Option<EnvelopeError>,
}

impl Foreign {
    /// A message of these bytes, with nothing around them.
    pub fn new(payload: Bytes) -> Foreign {
        Foreign {
            around: Arc::default(),
            payload,
        }
    }

    /// With one more header, after those it has. Names may repeat, and values be any bytes.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<ArcStr>, value: Bytes) -> Foreign {
        self.edit().headers.push((name.into(), value));
        self
    }

    /// With this media type, whether the protocol says it in a header or elsewhere.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<ArcStr>) -> Foreign {
        self.edit().content_type = Some(content_type.into());
        self
    }

    /// With this key, which may be any bytes.
    #[must_use]
    pub fn with_key(mut self, key: Bytes) -> Foreign {
        self.edit().key = Some(key);
        self
    }

    /// With the reason for which it is no event, although it claims to be one.
    #[must_use]
    pub fn with_fault(mut self, fault: EnvelopeError) -> Foreign {
        self.edit().fault = Some(fault);
        self
    }

    fn edit(&mut self) -> &mut Around {
        Arc::make_mut(&mut self.around)
    }

    /// All headers, in the order in which they came. Where the protocol has the media type in a
    /// header, that one is among them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.around
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// The first header of this name, which is compared exactly.
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        self.headers()
            .find_map(|(other, value)| (other == name).then_some(value))
    }

    /// The media type that the payload is said to have.
    pub fn content_type(&self) -> Option<&str> {
        self.around.content_type.as_deref()
    }

    /// The key that travelled beside the payload.
    pub fn key(&self) -> Option<&Bytes> {
        self.around.key.as_ref()
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Why a message that claims to be a `CloudEvent` is none; nothing where it claims no such
    /// thing.
    pub fn fault(&self) -> Option<&EnvelopeError> {
        self.around.fault.as_ref()
    }
}
