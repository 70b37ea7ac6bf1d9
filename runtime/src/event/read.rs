//! From a payload, in whatever version it was written, to an event of today.

use bytes::Bytes;

use super::envelope::check::MediaType;
use super::{Envelope, EnvelopeError, Event, Message};
use crate::codec::{Codec, CodecError};

/// A payload as it was written.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// The version that its `dataschema` names; `None` where it names none of ours, which is
    /// read as the version that the reader knows.
    pub version: Option<u32>,
    /// The media type; `None` means JSON.
    pub content_type: Option<&'a str>,
    /// The bytes.
    pub payload: &'a Bytes,
}

impl<'a> Written<'a> {
    pub(crate) fn in_envelope(envelope: &'a Envelope) -> Self {
        Written {
            version: envelope.schema().and_then(schema_version),
            content_type: envelope.content_type(),
            payload: envelope.payload(),
        }
    }

    /// What is no CloudEvent, and claims to be none, is a payload too.
    pub(crate) fn in_message(message: &'a Message) -> Result<Self, ReadError> {
        match message {
            Message::Event(envelope) => Ok(Written::in_envelope(envelope)),
            Message::Foreign(foreign) => match foreign.fault() {
                Some(fault) => Err(ReadError::Envelope(fault.clone())),
                None => Ok(Written {
                    version: None,
                    content_type: foreign.content_type(),
                    payload: foreign.payload(),
                }),
            },
        }
    }
}

/// Why a payload could not be read as an event.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Written by newer code.
    #[error(
        "the event is `{event}` in version {written}, and this program knows it up to version {known}: deploy the newer version here too"
    )]
    Newer {
        /// The event's name.
        event: &'static str,
        /// The version on the wire.
        written: u32,
        /// The newest version that the handler knows.
        known: u32,
    },
    /// A version that there never was.
    #[error("the event is `{event}` in version {written}, and its first version is {first}")]
    NoSuchVersion {
        /// The event's name.
        event: &'static str,
        /// The version on the wire.
        written: u32,
        /// The oldest version that the handler knows.
        first: u32,
    },
    /// The handler's own `validate` refuses it.
    #[error("the event is not valid: `{by}` says: {reason}")]
    Invalid {
        /// The function, as it is named there.
        by: &'static str,
        /// What it says.
        reason: String,
    },
    /// The JSON Schema that the handler names refuses it.
    #[error("the event is not valid by the JSON Schema {schema}: {reason}")]
    Schema {
        /// Which one.
        schema: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// It claims to be a CloudEvent and is none.
    #[error("the message claims to be a CloudEvent and is none: {0}")]
    Envelope(EnvelopeError),
    /// It is in Avro, and cannot be read by what the schema registry says of it.
    #[cfg(feature = "avro")]
    #[error("the payload cannot be read as Avro: {0}")]
    Avro(String),
    /// In no codec that this program has.
    #[error("the payload is declared as `{0}`, and this program reads {codecs}", codecs = codecs())]
    ContentType(String),
    /// Not of this shape.
    #[error("the payload is no `{event}` of version {version}: {source}")]
    Payload {
        /// The event's name.
        event: &'static str,
        /// The version it was read as.
        version: u32,
        /// What the decoder says, with the field; of JSON with line and column.
        source: CodecError,
    },
}

fn codecs() -> String {
    let codecs: Vec<_> = Codec::ALL.iter().map(Codec::to_string).collect();
    codecs.join(", ")
}

/// Reads a payload of the version of `E` itself; what is older is not for it.
///
/// # Errors
/// As [`Event::read`].
pub fn read_current<E: Event>(written: Written<'_>) -> Result<E, ReadError> {
    let version = written.version.unwrap_or(E::VERSION);
    if version > E::VERSION {
        return Err(ReadError::Newer {
            event: E::NAME,
            written: version,
            known: E::VERSION,
        });
    }
    if version < E::VERSION {
        return Err(ReadError::NoSuchVersion {
            event: E::NAME,
            written: version,
            first: E::VERSION,
        });
    }
    let read = declared_codec(written.content_type)?.read(written.payload);
    read.map_err(|source| ReadError::Payload {
        event: E::NAME,
        version,
        source,
    })
}

/// The version in one of our own `dataschema`s.
fn schema_version(schema: &str) -> Option<u32> {
    let named = schema.strip_prefix("urn:fanfare:event:")?;
    // Nearly all have one digit.
    if let [.., b':', digit @ b'0'..=b'9'] = named.as_bytes() {
        return Some(u32::from(digit - b'0'));
    }
    let (_, version) = named.rsplit_once(':')?;
    version.parse().ok()
}

/// The one that reads what is declared as this; what is not declared is JSON.
pub(crate) fn declared_codec(content_type: Option<&str>) -> Result<Codec, ReadError> {
    match content_type {
        None => Ok(Codec::Json),
        Some(content_type) => {
            codec_of(content_type).ok_or_else(|| ReadError::ContentType(content_type.to_owned()))
        }
    }
}

/// The one that reads a media type; the usual one is known at sight.
pub(crate) fn codec_of(content_type: &str) -> Option<Codec> {
    if content_type == Codec::Json.content_type() {
        return Some(Codec::Json);
    }
    let media_type = MediaType::parse(content_type)?;
    if media_type.is_json() {
        return Some(Codec::Json);
    }
    let reads = |codec: &&Codec| {
        let mut subtypes = codec.subtypes().iter();
        subtypes.any(|subtype| media_type.is("application", subtype))
    };
    Codec::ALL.iter().find(reads).copied()
}
