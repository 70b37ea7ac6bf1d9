//! A message on its way to a handler, and its acknowledgement.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arcstr::ArcStr;
use serde::Serialize;

use crate::event::Message;

/// A message that a streamer hands over, to be settled exactly once.
///
/// A delivery that is dropped unsettled (a task that died, a shutdown) is released: it comes
/// again. So nothing is lost by forgetting.
pub struct Delivery {
    message: Message,
    stream: ArcStr,
    position: Position,
    attempts: u32,
    acknowledge: Option<Arc<dyn Acknowledge>>,
}

impl Delivery {
    /// A delivery at `position` of `stream`, settled through `acknowledge`.
    ///
    /// A stream is one ordered run: a partition, a session, a connection. Its name and the
    /// position together are unique within the topic.
    pub fn new(
        message: Message,
        stream: ArcStr,
        position: Position,
        acknowledge: Arc<dyn Acknowledge>,
    ) -> Self {
        Delivery {
            message,
            stream,
            position,
            attempts: 0,
            acknowledge: Some(acknowledge),
        }
    }

    /// Says how many attempts at it were made before it was released: what
    /// [`Settlement::Released`] told.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// How many attempts at it were begun, here or where it was before.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether it is still to be handled here; if not, it is to be released.
    pub(crate) fn may_begin(&self) -> bool {
        let acknowledge = self.acknowledge.as_ref();
        acknowledge.is_none_or(|it| it.may_begin(&self.stream, &self.position))
    }

    /// Counts an attempt, and gives its number; the first is 1.
    pub(crate) fn begin_attempt(&mut self) -> u32 {
        self.attempts = self.attempts.saturating_add(1);
        self.attempts
    }

    /// Takes back the attempt that was begun last: nothing has come of it.
    pub(crate) fn forget_attempt(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
    }

    /// What is delivered.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The stream that it came in.
    pub fn stream(&self) -> &ArcStr {
        &self.stream
    }

    /// Its place in the stream.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Says that it is done: handled, or safe among the dead letters. It does not come again.
    pub fn acknowledge(mut self) {
        self.settle(Settlement::Acknowledged);
    }

    /// Gives it back: it comes again, to this or another subscriber of the group, no sooner
    /// than after `delay` where the streamer can wait.
    pub fn release(mut self, delay: Duration) {
        let attempts = self.attempts;
        self.settle(Settlement::Released { delay, attempts });
    }

    fn settle(&mut self, settlement: Settlement) {
        if let Some(acknowledge) = self.acknowledge.take() {
            acknowledge.settle(&self.stream, &self.position, settlement);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.settle(Settlement::Released {
            delay: Duration::ZERO,
            attempts: self.attempts,
        });
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("stream", &self.stream)
            .field("position", &self.position)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

/// The streamer's ear for what became of its deliveries.
pub trait Acknowledge: Send + Sync + 'static {
    /// Called exactly once for each delivery, from any task, in any order, possibly while the
    /// subscription is already gone. Must not block: queue what has to be sent. An
    /// acknowledgement that cannot be sent is no error, for the delivery comes again.
    ///
    /// The streamer commits a position only when all before it in the stream are acknowledged.
    fn settle(&self, stream: &str, position: &Position, settlement: Settlement);

    /// Whether a delivery may be begun: asked before each attempt, from any task. A streamer whose
    /// stream is another instance's by now says false, and the delivery is released. Must not
    /// block.
    fn may_begin(&self, stream: &str, position: &Position) -> bool {
        let _ = (stream, position);
        true
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Done; it must not come again.
    Acknowledged,
    /// Not done; it must come again, no sooner than after the delay where the streamer can wait.
    Released {
        /// How long to hold it back.
        delay: Duration,
        /// How many attempts at it were begun: a streamer that can keeps the number and gives it
        /// back with [`Delivery::with_attempts`], so that a poison event is not tried for ever by
        /// one instance after another.
        attempts: u32,
    },
}

/// A place in a stream: a number where the streamer counts, else text of its own making.
///
/// Numbers grow along the stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Position {
    /// An offset or a sequence number.
    Number(u64),
    /// A token.
    Token(ArcStr),
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Number(number) => number.fmt(f),
            Position::Token(token) => token.fmt(f),
        }
    }
}

/// Where a delivery came from. `Display` gives `streamer/topic/stream@position`.
///
/// It is an extractor: a handler that takes an `Origin` is given its event's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub(crate) streamer: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) stream: ArcStr,
    pub(crate) position: Position,
}

impl Origin {
    /// The streamer's declared name.
    pub fn streamer(&self) -> &str {
        self.streamer
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        self.topic
    }

    /// The ordered run inside the topic: a partition, a session, a connection.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// The place in the stream.
    pub fn position(&self) -> &Position {
        &self.position
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin {
            streamer,
            topic,
            stream,
            position,
        } = self;
        write!(f, "{streamer}/{topic}/{stream}@{position}")
    }
}
