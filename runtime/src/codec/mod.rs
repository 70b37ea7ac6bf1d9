//! How payloads are written: what an event is as bytes.
//!
//! JSON is always there. The others are features, and an event names the one it is written in:
//!
//! ```
//! # #[cfg(feature = "cbor")]
//! # mod example {
//! use fanfare::prelude::*;
//!
//! #[event(codec = "cbor")]
//! pub struct ReadingTaken {
//!     pub celsius: f64,
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! `datacontenttype` says on the wire which it is. A handler reads every one that its program was
//! built with, whatever its event names: so an event can change from one to another, when those who
//! hear it are built with the new one.
//!
//! JSON has no number for NaN and the infinities, and CBOR is written as JSON would be: they become
//! `null`, which an `f64` is not read from. A field that may be one of them is an `Option<f64>`.
//!
//! A streamer can name one too, for all events that name none: `#[streamer(codec = "cbor")]`. What an
//! event names holds on every streamer. In the store, and for the service's own handlers, an event is in
//! the codec that it names, or in JSON; in a streamer's codec it is written when it is streamed.
//!
//! # Avro
//!
//! With the feature `avro`, `codec = "avro"` writes Avro, by a schema that a
//! [schema registry](crate::registry) knows: see there.

#[cfg(feature = "avro")]
pub(crate) mod avro;
#[cfg(feature = "cbor")]
mod cbor;
mod json;
#[cfg(feature = "messagepack")]
mod messagepack;
mod plain;

use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use self::plain::Plain;

/// How a payload is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// JSON (RFC 8259): `application/json`.
    Json,
    /// `MessagePack`, with the names of fields: `application/vnd.msgpack`.
    #[cfg(feature = "messagepack")]
    MessagePack,
    /// CBOR (RFC 8949), with the names of fields: `application/cbor`.
    #[cfg(feature = "cbor")]
    Cbor,
    /// Avro in Confluent's wire format, by a schema of a [registry](crate::registry):
    /// `application/avro`.
    #[cfg(feature = "avro")]
    Avro,
}

impl Codec {
    /// All that this program has.
    pub const ALL: &[Codec] = &[
        Codec::Json,
        #[cfg(feature = "messagepack")]
        Codec::MessagePack,
        #[cfg(feature = "cbor")]
        Codec::Cbor,
        #[cfg(feature = "avro")]
        Codec::Avro,
    ];

    /// The media type that it writes.
    pub const fn content_type(self) -> &'static str {
        match self {
            Codec::Json => "application/json",
            #[cfg(feature = "messagepack")]
            Codec::MessagePack => "application/vnd.msgpack",
            #[cfg(feature = "cbor")]
            Codec::Cbor => "application/cbor",
            #[cfg(feature = "avro")]
            Codec::Avro => "application/avro",
        }
    }

    /// What stands behind `application/` in the media types that it reads.
    pub(crate) const fn subtypes(self) -> &'static [&'static str] {
        match self {
            Codec::Json => &["json"],
            #[cfg(feature = "messagepack")]
            Codec::MessagePack => &["vnd.msgpack", "msgpack", "x-msgpack"],
            #[cfg(feature = "cbor")]
            Codec::Cbor => &["cbor"],
            #[cfg(feature = "avro")]
            Codec::Avro => &["avro", "x-avro", "vnd.apache.avro", "vnd.confluent.avro"],
        }
    }

    pub(crate) fn write<T: Serialize>(self, value: &T) -> Result<Bytes, CodecError> {
        match self {
            Codec::Json => json::write(value),
            #[cfg(feature = "messagepack")]
            Codec::MessagePack => messagepack::write(value).map(Bytes::from),
            #[cfg(feature = "cbor")]
            Codec::Cbor => cbor::write(value).map(Bytes::from),
            #[cfg(feature = "avro")]
            Codec::Avro => Err(CodecError::new(WITHOUT_A_SCHEMA)),
        }
    }

    /// The whole of it is one value: what stands behind is an error.
    pub(crate) fn read<T: DeserializeOwned>(self, payload: &[u8]) -> Result<T, CodecError> {
        match self {
            Codec::Json => json::read(payload),
            #[cfg(feature = "messagepack")]
            Codec::MessagePack => messagepack::read(payload),
            #[cfg(feature = "cbor")]
            Codec::Cbor => cbor::read(payload),
            #[cfg(feature = "avro")]
            Codec::Avro => Err(CodecError::new(WITHOUT_A_SCHEMA)),
        }
    }

    /// What an event in this codec is within the service: in its store, and for its own handlers.
    pub(crate) const fn at_home(self) -> Codec {
        match self {
            #[cfg(feature = "avro")]
            Codec::Avro => Codec::Json,
            other => other,
        }
    }
}

/// Avro is read before it is read as an event: see `dispatch`.
#[cfg(feature = "avro")]
const WITHOUT_A_SCHEMA: &str = "Avro takes a schema: give the app a schema registry with `App::schema_registry` (a `TestApp` asks none: events are JSON there, and `deliver_avro` takes one with its schema)";

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::Json => "JSON",
            #[cfg(feature = "messagepack")]
            Codec::MessagePack => "MessagePack",
            #[cfg(feature = "cbor")]
            Codec::Cbor => "CBOR",
            #[cfg(feature = "avro")]
            Codec::Avro => "Avro",
        })
    }
}

/// What an encoder or a decoder says.
#[derive(Debug)]
pub struct CodecError(Box<dyn StdError + Send + Sync>);

impl CodecError {
    fn new(said: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        CodecError(said.into())
    }

    /// Names the field: what was refused is read once more, with an eye on where that is.
    #[cold]
    fn in_field<'de, T, D>(refusal: &impl fmt::Display, again: D) -> Self
    where
        T: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        let read: Result<T, _> = serde_path_to_error::deserialize(again);
        let path = read.err().map(|error| error.path().to_string());
        CodecError::new(match path.as_deref() {
            None | Some(".") => refusal.to_string(),
            Some(path) => format!("field `{path:.200}`: {refusal}"),
        })
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for CodecError {}

/// What `codec = "..."` of an event names; a constant, so that one that the program was built
/// without does not compile.
#[doc(hidden)]
pub mod named {
    use super::Codec;

    pub const fn json() -> Codec {
        Codec::Json
    }

    #[cfg(feature = "messagepack")]
    pub const fn messagepack() -> Codec {
        Codec::MessagePack
    }

    /// # Panics
    /// Always.
    #[cfg(not(feature = "messagepack"))]
    #[track_caller]
    pub const fn messagepack() -> Codec {
        panic!(
            "fanfare is built without MessagePack; add its feature in Cargo.toml: `features = [\"messagepack\"]`"
        )
    }

    /// What `avro_schema = ...` of an event gives.
    #[cfg(feature = "avro")]
    pub const fn avro_schema(schema: &'static str) -> Option<&'static str> {
        Some(schema)
    }

    /// # Panics
    /// Always.
    #[cfg(not(feature = "avro"))]
    #[track_caller]
    pub const fn avro_schema(_schema: &'static str) -> Option<&'static str> {
        panic!(
            "fanfare is built without Avro; add its feature in Cargo.toml: `features = [\"avro\"]`"
        )
    }

    #[cfg(feature = "avro")]
    pub const fn avro() -> Codec {
        Codec::Avro
    }

    /// # Panics
    /// Always.
    #[cfg(not(feature = "avro"))]
    #[track_caller]
    pub const fn avro() -> Codec {
        panic!(
            "fanfare is built without Avro; add its feature in Cargo.toml: `features = [\"avro\"]`"
        )
    }

    #[cfg(feature = "cbor")]
    pub const fn cbor() -> Codec {
        Codec::Cbor
    }

    /// # Panics
    /// Always.
    #[cfg(not(feature = "cbor"))]
    #[track_caller]
    pub const fn cbor() -> Codec {
        panic!(
            "fanfare is built without CBOR; add its feature in Cargo.toml: `features = [\"cbor\"]`"
        )
    }
}
