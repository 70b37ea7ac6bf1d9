//! Where a delivery goes that could not be handled.

use std::sync::Arc;
use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;

use crate::event::{AttributeValue, Envelope, EnvelopeError, Foreign, Message, text};
use crate::store::{DeadLetter, Store};
use crate::streamer::{Outgoing, PublishAny, StreamError};

// What stands beside a dead letter: extensions of an event, headers of anything else.
pub(super) const REASON: &str = "deadletterreason";
const HANDLER: &str = "deadletterhandler";
const ORIGIN: &str = "deadletterorigin";
const ATTEMPTS: &str = "deadletterattempts";

/// All that stands beside a dead letter.
pub(crate) const BESIDE: [&str; 4] = [REASON, HANDLER, ORIGIN, ATTEMPTS];

/// The most bytes of a payload that go to the log.
const MOST_LOGGED: usize = 64 * 1024;

/// Where the dead letters of a subscription go.
pub(crate) enum DeadLetters {
    /// To a topic.
    Topic {
        streamer: Arc<dyn PublishAny>,
        topic: String,
        /// `streamer/topic`, for the log.
        name: String,
    },
    /// To the store.
    Store {
        store: Arc<dyn Store>,
        /// The handler, as `<service>.<handler>`.
        handler: String,
    },
    /// To the log alone: the service's own events, while there is no store that could keep them.
    Log,
}

impl DeadLetters {
    /// Where, in words.
    pub(crate) fn place(&self) -> &str {
        match self {
            DeadLetters::Topic { name, .. } => name,
            DeadLetters::Store { .. } => "the store",
            DeadLetters::Log => "the log, with the next line",
        }
    }

    /// Keeps it; an error means that it is kept nowhere yet. What a topic's streamer does not
    /// keep, because nobody hears it, goes to the log.
    pub(super) async fn keep(
        &self,
        message: &Message,
        obituary: &Obituary,
    ) -> Result<(), StreamError> {
        match self {
            DeadLetters::Log => log(&obituary.on(message), &obituary.reason),
            DeadLetters::Store { store, handler } => {
                let letter = DeadLetter {
                    handler: handler.clone(),
                    reason: obituary.reason.clone(),
                    origin: obituary.origin.clone(),
                    attempts: obituary.attempts,
                    time: SystemTime::now(),
                    message: message.clone(),
                };
                store.bury(&letter).await.map_err(StreamError::new)?;
            }
            DeadLetters::Topic {
                streamer,
                topic,
                name,
            } => {
                let letter = obituary.on(message);
                let mut batch = [Outgoing::new(letter.clone())];
                streamer.publish(topic, &mut batch).await;
                let [outgoing] = batch;
                let unheard = outgoing.is_unheard();
                outgoing.into_result()?;
                if unheard {
                    tracing::error!(
                        "nobody listens on {name}: the dead letter is in the next line only"
                    );
                    log(&letter, &obituary.reason);
                }
            }
        }
        Ok(())
    }
}

/// Writes a dead letter to the log, so that it can be recovered: its payload as it is where that
/// is one line of text, else in base64.
fn log(letter: &Message, reason: &str) {
    let id = letter.event().map(|event| format!("{:.200}", event.id()));
    let payload = letter.payload();
    let length = payload.len();
    let in_one_line = |whole: &&str| text("payload", whole).is_ok();
    let (logged, encoding, payload) = match str::from_utf8(payload).ok().filter(in_one_line) {
        Some(whole) => {
            let logged = whole.floor_char_boundary(MOST_LOGGED);
            (logged, "", whole[..logged].to_owned())
        }
        None => {
            let logged = length.min(MOST_LOGGED);
            (
                logged,
                ", in base64",
                BASE64_STANDARD.encode(&payload[..logged]),
            )
        }
    };
    if logged < length {
        tracing::error!(id, reason, %payload, "dead letter, the first {logged} of {length} bytes{encoding}");
    } else {
        tracing::error!(id, reason, %payload, "dead letter{encoding}");
    }
}

/// What is said of a dead letter.
pub(super) struct Obituary {
    pub(super) reason: String,
    pub(super) handler: &'static str,
    pub(super) origin: String,
    pub(super) attempts: u32,
}

impl Obituary {
    /// The message as it came, bytes and all, with this beside it.
    pub(super) fn on(&self, message: &Message) -> Message {
        match message {
            Message::Event(envelope) => {
                // What has no room for it is kept without: the bytes matter more.
                let letter = self.in_extensions(envelope.clone());
                Message::Event(letter.unwrap_or_else(|_| envelope.clone()))
            }
            Message::Foreign(foreign) => Message::Foreign(self.in_headers(foreign.clone())),
        }
    }

    fn in_extensions(&self, envelope: Envelope) -> Result<Envelope, EnvelopeError> {
        let attempts = i32::try_from(self.attempts).unwrap_or(i32::MAX);
        envelope
            .with_extension(REASON, self.reason.as_str())?
            .with_extension(HANDLER, self.handler)?
            .with_extension(ORIGIN, self.origin.as_str())?
            .with_extension(ATTEMPTS, AttributeValue::Integer(attempts))
    }

    fn in_headers(&self, foreign: Foreign) -> Foreign {
        foreign
            .with_header(REASON, self.reason.clone().into())
            .with_header(HANDLER, Bytes::from_static(self.handler.as_bytes()))
            .with_header(ORIGIN, self.origin.clone().into())
            .with_header(ATTEMPTS, self.attempts.to_string().into())
    }
}
