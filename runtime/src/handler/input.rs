//! The first argument of a handler: an event, or any message at all.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::Extract;
use crate::dispatch::{Context, Hears};
use crate::error::{Result, words_of};
use crate::event::{
    Envelope, EnvelopeError, Event, Message, ReadError, TopicName, Written, printable,
};

/// What a handler can take as its first argument: an event by value, or [`RawEvent`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no event, so a handler cannot take it as its first argument",
    label = "neither an event nor `RawEvent`",
    note = "put `#[event]` on the type, or take `RawEvent` to hear every message of the topic"
)]
pub trait Input: Sized + Send {
    /// What it takes off the topic.
    const HEARS: Hears;

    /// Where the event is streamed to; `None` for what may come from anywhere.
    const TOPICS: Option<&'static [TopicName]>;

    /// Reads it from the message.
    ///
    /// # Errors
    /// As [`Event::read`].
    fn read(message: &Message) -> Result<Self, ReadError>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> Input for E {
    const HEARS: Hears = Hears::Event {
        name: E::NAME,
        former_names: E::FORMER_NAMES,
        version: E::VERSION,
    };
    const TOPICS: Option<&'static [TopicName]> = Some(E::TOPICS);

    fn read(message: &Message) -> Result<Self, ReadError> {
        E::read(Written::in_message(message)?)
    }
}

/// What the `validate` of a handler says of an event.
///
/// # Errors
/// [`ReadError::Invalid`].
pub fn validate<E, R: Display>(
    event: &E,
    check: impl FnOnce(&E) -> Result<(), R>,
    name: &'static str,
) -> Result<(), ReadError> {
    let checked = catch_unwind(AssertUnwindSafe(|| check(event)));
    let reason = match checked {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(reason)) => printable(reason),
        Err(panic) => printable(format!("it panicked: {}", words_of(&*panic))),
    };
    Err(ReadError::Invalid { by: name, reason })
}

/// A message as it came: for topics that carry what has no Rust type.
///
/// As the first argument of a handler it hears every message of the topic, CloudEvent or not; as
/// a later one it is the message behind the event. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct RawEvent(Message);

impl RawEvent {
    /// The envelope, if the message is a CloudEvent.
    pub fn envelope(&self) -> Option<&Envelope> {
        match &self.0 {
            Message::Event(envelope) => Some(envelope),
            Message::Foreign(_) => None,
        }
    }

    /// The payload's bytes.
    pub fn payload(&self) -> &Bytes {
        match &self.0 {
            Message::Event(envelope) => envelope.payload(),
            Message::Foreign(foreign) => foreign.payload(),
        }
    }

    /// The payload's media type, if the message says it.
    pub fn content_type(&self) -> Option<&str> {
        match &self.0 {
            Message::Event(envelope) => envelope.content_type(),
            Message::Foreign(foreign) => foreign.content_type(),
        }
    }

    /// The headers of a message that is no CloudEvent, as they came; of one that is, its
    /// attributes are in the [`envelope`](Self::envelope).
    pub fn header(&self, name: &str) -> Option<&Bytes> {
        match &self.0 {
            Message::Event(_) => None,
            Message::Foreign(foreign) => foreign.header(name),
        }
    }

    /// Why a message that claims to be a CloudEvent is none.
    pub fn fault(&self) -> Option<&EnvelopeError> {
        match &self.0 {
            Message::Event(_) => None,
            Message::Foreign(foreign) => foreign.fault(),
        }
    }

    /// The whole message.
    pub fn message(&self) -> &Message {
        &self.0
    }
}

impl Input for RawEvent {
    const HEARS: Hears = Hears::Everything;
    const TOPICS: Option<&'static [TopicName]> = None;

    fn read(message: &Message) -> Result<Self, ReadError> {
        Ok(RawEvent(message.clone()))
    }
}

impl Extract for RawEvent {
    async fn extract(context: &Context) -> Result<Self> {
        Ok(RawEvent(context.message().clone()))
    }
}
