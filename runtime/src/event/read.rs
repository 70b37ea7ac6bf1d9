//! From a payload, in whatever version it was written, to an event of today.

use bytes::Bytes;

use super::envelope::check::MediaType;
use super::{Envelope, EnvelopeError, Event};

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
    /// It claims to be a CloudEvent and is none.
    #[error("the message claims to be a CloudEvent and is none: {0}")]
    Envelope(EnvelopeError),
    /// Not JSON.
    #[error("the payload is declared as `{0}`, and only JSON can be read")]
    ContentType(String),
    /// JSON, but not of this shape.
    #[error("the payload is no `{event}` of version {version}: {source}")]
    Payload {
        /// The event's name.
        event: &'static str,
        /// The version it was read as.
        version: u32,
        /// What the decoder says, with line and column.
        source: serde_json::Error,
    },
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
    if let Some(content_type) = written.content_type
        && !is_json(content_type)
    {
        return Err(ReadError::ContentType(content_type.to_owned()));
    }
    serde_json::from_slice(written.payload).map_err(|source| ReadError::Payload {
        event: E::NAME,
        version,
        source,
    })
}

/// The version in one of our own `dataschema`s.
fn schema_version(schema: &str) -> Option<u32> {
    let (_, version) = schema
        .strip_prefix("urn:fanfare:event:")?
        .rsplit_once(':')?;
    version.parse().ok()
}

/// Whether a media type is JSON; the usual one is known at sight.
fn is_json(content_type: &str) -> bool {
    content_type == "application/json"
        || MediaType::parse(content_type).is_some_and(|media_type| media_type.is_json())
}
