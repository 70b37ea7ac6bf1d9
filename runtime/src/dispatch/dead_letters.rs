//! Where a delivery goes that could not be handled.

use std::sync::Arc;

use bytes::Bytes;

use crate::event::{AttributeValue, Envelope, EnvelopeError, Foreign, Message};
use crate::streamer::{Outgoing, PublishAny, StreamError};

// What stands beside a dead letter: extensions of an event, headers of anything else.
const REASON: &str = "deadletterreason";
const HANDLER: &str = "deadletterhandler";
const ORIGIN: &str = "deadletterorigin";
const ATTEMPTS: &str = "deadletterattempts";

/// The most characters that are kept of a reason: it travels in a header.
const LONGEST_REASON: usize = 1_000;

/// Where the dead letters of a subscription go.
pub(crate) enum DeadLetters {
    /// To a topic.
    Topic {
        streamer: Arc<dyn PublishAny>,
        topic: String,
        /// `streamer/topic`, for the log.
        name: String,
    },
    /// To the log alone: the service's own events, while there is no store that could keep them.
    Log,
}

impl DeadLetters {
    /// Where, in words.
    pub(crate) fn place(&self) -> &str {
        match self {
            DeadLetters::Topic { name, .. } => name,
            DeadLetters::Log => "the log, with the next line",
        }
    }

    /// Keeps it; an error means that it is kept nowhere yet.
    pub(crate) async fn keep(&self, letter: Message) -> Result<(), StreamError> {
        match self {
            DeadLetters::Topic {
                streamer, topic, ..
            } => {
                let mut batch = [Outgoing::new(letter)];
                streamer.publish(topic, &mut batch).await;
                let [outgoing] = batch;
                outgoing.into_result()
            }
            DeadLetters::Log => {
                let payload = String::from_utf8_lossy(letter.payload());
                tracing::error!(%payload, "dead letter");
                Ok(())
            }
        }
    }
}

/// Why a delivery became a dead letter.
pub(super) struct Verdict {
    pub(super) reason: String,
    pub(super) handler: &'static str,
    pub(super) origin: String,
    pub(super) attempts: u32,
}

impl Verdict {
    /// The message as it came, bytes and all, with the verdict beside it.
    pub(super) fn on(&self, message: &Message) -> Message {
        match message {
            Message::Event(envelope) => {
                // What has no room for the verdict is kept without it: the bytes matter more.
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

/// What may stand in a header and in a line of the log: no control characters, no noncharacters,
/// and not without end.
pub(super) fn printable(text: &impl ToString) -> String {
    let text = text.to_string();
    let shown = |c: char| {
        let code = u32::from(c);
        let noncharacter = (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE;
        if c.is_control() || noncharacter {
            ' '
        } else {
            c
        }
    };
    text.chars().take(LONGEST_REASON).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_reason_is_one_bounded_line() {
        assert_eq!(printable(&"a\nb\u{0}c\u{FFFF}ä"), "a b c ä");
        assert_eq!(printable(&"ä".repeat(5_000)).chars().count(), 1_000);
    }
}
