//! Why an event was not published.

use std::fmt;
use std::sync::Arc;

use crate::codec::{Codec, CodecError};
use crate::event::EnvelopeError;
use crate::store::StoreError;
use crate::streamer::StreamError;

/// Why an event was not published, or not everywhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Nobody would have heard it.
    #[error(
        "`{event}` goes nowhere: it has no target, and this service has no handler for it. Write `#[event(stream_to = streamer!(...))]`, or a handler without `streamed_from`"
    )]
    NoTarget {
        /// The event's name.
        event: &'static str,
    },
    /// It could not be written.
    #[error("`{event}` cannot be written as {codec}: {source}")]
    Encode {
        /// The event's name.
        event: &'static str,
        /// What the encoder says.
        source: CodecError,
        /// How it was to be written.
        codec: Codec,
    },
    /// Its key, or its name, is nothing that can travel.
    #[error("`{event}` makes no CloudEvent: {source}")]
    Envelope {
        /// The event's name.
        event: &'static str,
        /// The rule it breaks.
        source: EnvelopeError,
    },
    /// Some of its targets do not have it; those that are not named do.
    #[error("`{event}` was not published to {}", Listed(.targets))]
    Targets {
        /// The event's name.
        event: &'static str,
        /// The targets that do not have it.
        targets: Vec<TargetError>,
    },
    /// The store does not have it; after a connection that broke, it may have it all the same.
    #[error("`{event}` was not stored: {source}")]
    Store {
        /// The event's name.
        event: &'static str,
        /// What the store says.
        source: Arc<StoreError>,
    },
    /// The publisher was a handler's, and the handler is over.
    #[error(
        "`{event}` was published through the publisher of a handler that has already ended: await it before the handler returns, or take `Running::publisher()` for what outlives one"
    )]
    HandlerEnded {
        /// The event's name.
        event: &'static str,
    },
    /// The publisher was a handler's, which had marked its event as handled: what it published until
    /// then is in that transaction, and this would be in none.
    #[error(
        "`{event}` was published after `mark_handled`: publish it before, or `within` the same transaction"
    )]
    AfterMark {
        /// The event's name.
        event: &'static str,
    },
    /// The app is shut down.
    #[error("`{event}` was not published: the app is shut down")]
    ShutDown {
        /// The event's name.
        event: &'static str,
    },
}

/// Why the event of a handler was not marked as handled: see
/// [`Within::mark_handled`](super::Within::mark_handled).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarkError {
    /// It has been handled: the mark is there, from another delivery of the event. Pass it on with
    /// `?`, and the event is acknowledged as repeated.
    ///
    /// A second mark in one transaction says so as well, and there `?` rolls back the first, too: the
    /// attempt has then failed. So mark once.
    #[error("the event has been handled before: its mark is there")]
    Handled,
    /// There is no event.
    #[error(
        "only in a handler there is an event to mark as handled: take the publisher as its argument"
    )]
    NoHandler,
    /// The handler does not deduplicate, so nobody would look for a mark.
    #[error("the handler does not look for marks: write `#[event_handler(..., deduplicate)]`")]
    NotDeduplicated,
    /// What is handled is no CloudEvent, and has no id to remember it by.
    #[error("what is handled is no CloudEvent: it has no id to remember it by")]
    NoId,
    /// The handler is over.
    #[error("the handler has already ended: await this before it returns")]
    HandlerEnded,
    /// The mark could not be written.
    #[error("the event could not be marked as handled: {0}")]
    Store(StoreError),
}

/// A target that does not have the event, and why.
#[derive(Debug)]
pub struct TargetError {
    /// `streamer/topic`, or a handler of this service.
    pub target: String,
    /// What the streamer says.
    pub error: StreamError,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.error)
    }
}

struct Listed<'a>(&'a [TargetError]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, error) in self.0.iter().enumerate() {
            let separator = if nth == 0 { "" } else { "; nor to " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}
