//! Events, and the envelope they travel in.

pub mod cloudevents;
mod envelope;
mod id;
mod message;
pub(crate) mod read;
mod topic;
mod word;

use std::fmt::Display;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::Codec;

pub use envelope::{AttributeValue, Envelope, EnvelopeError};
pub use id::EventId;
pub use message::{Foreign, Message};
pub use read::{ReadError, Written};
pub use topic::{Topic, TopicName};

pub(crate) use envelope::EnvelopeParts;
pub(crate) use envelope::check::{printable, text};
#[cfg(feature = "json-schema")]
pub(crate) use envelope::excerpt;
pub(crate) use envelope::time::Rfc3339;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use envelope::time::parse as parse_time;
pub(crate) use read::{codec_of, read_current};
pub(crate) use topic::same;
pub(crate) use word::word;

/// Something that happened, with a name, a version and a payload.
///
/// Written by `#[event]`, not by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event",
    label = "not annotated with `#[event]`",
    note = "put `#[event]` on the struct or enum"
)]
pub trait Event: Payload + Send + Sync + Sized + 'static {
    /// The name on the wire: the CloudEvents `type`. All versions of an event share it, or one that
    /// it had before.
    const NAME: &'static str;

    /// The names that it had before, under which it is still heard.
    const FORMER_NAMES: &'static [&'static str] = &[];

    /// The version of the payload's shape; the first is 1.
    const VERSION: u32;

    /// The CloudEvents `dataschema`: `urn:fanfare:event:<name>:<version>`.
    const SCHEMA: &'static str;

    /// How its payload is written, if its streamer says nothing else, or it says so itself.
    const CODEC: Codec = Codec::Json;

    /// Where it is streamed to.
    const TOPICS: &'static [TopicName];

    /// How long after it was announced it loses its worth, if it ever does.
    const EXPIRES_AFTER: Option<Duration> = None;

    /// The key that orders it among its like, if it has one.
    fn key(&self) -> Option<String>;

    /// Reads the payload of this version, or of an older one and brings it up to this one.
    ///
    /// # Errors
    /// A payload that does not decode, or is of a newer version than this type knows.
    fn read(written: Written<'_>) -> Result<Self, ReadError>;
}

/// What an event, and everything in it, has to be to travel: serde's `Serialize` and `Deserialize`
/// and schemars' `JsonSchema`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel: it, or a field of it, is not `Serialize`, `Deserialize` and `JsonSchema`",
    label = "cannot travel",
    note = "put `#[payload]` on it, which derives the three"
)]
pub trait Payload: Serialize + DeserializeOwned + JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema> Payload for T {}

/// What may be the `key` of an event: anything that `Display` writes the same way each time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of an event, because it does not implement `Display`",
    label = "the field that `key = ...` names",
    note = "name a field that is a number, a text, a `Uuid` or anything else with `Display`"
)]
pub trait Key {
    /// The key as text.
    fn to_key(&self) -> String;
}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> Key for T {
    fn to_key(&self) -> String {
        self.to_string()
    }
}

/// `Self` is the next version of the event `Previous`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` follows `{Previous}`, but there is no `From<{Previous}>` for it",
    label = "cannot be upgraded to `{Self}`",
    note = "write `impl From<{Previous}> for {Self}`, which brings an event of the previous version up to this one"
)]
pub trait Follows<Previous>: Sized {
    /// The event in its next version.
    fn upgrade(previous: Previous) -> Self;
}

#[diagnostic::do_not_recommend]
impl<Previous, T: From<Previous>> Follows<Previous> for T {
    fn upgrade(previous: Previous) -> Self {
        T::from(previous)
    }
}
