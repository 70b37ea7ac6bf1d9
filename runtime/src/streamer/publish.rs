//! Publishing: the streamer's side.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;

use super::Streamer;
use crate::event::Message;

/// A streamer that events can be published to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be published to",
    label = "streamed to one that only delivers",
    note = "name a streamer in `stream_to` that implements `fanfare::streamer::Publish`"
)]
pub trait Publish: Streamer {
    /// Publishes a batch to `topic`, in the order of the slice, and reports each message by
    /// itself with [`Outgoing::report`].
    ///
    /// `Ok` promises that the streamer has the message as safely as it ever keeps one: what it
    /// calls confirmed. A message that nobody takes and that the streamer does not keep is reported
    /// with [`Outgoing::report_unheard`], where the streamer can tell. A message that is not
    /// reported counts as failed. One that fails stops no other, except that a later one of the
    /// same key must not overtake it.
    ///
    /// Called from many tasks at once, before [`close`](Streamer::close) only. Waits while the
    /// streamer has no room, and no longer than its own time limit. May be dropped half way (at
    /// a shutdown): what was reported by then stands, the rest may or may not have been sent.
    fn publish(&self, topic: &str, batch: &mut [Outgoing]) -> impl Future<Output = ()> + Send;

    /// As [`publish`](Publish::publish) of one message for which nothing is to be waited for: true
    /// says that it is reported; false, that nothing has been done, and `publish` is called instead.
    /// Must not block. To leave it out costs a future for each message, and nothing else.
    fn publish_at_once(&self, topic: &str, outgoing: &mut Outgoing) -> bool {
        let _ = (topic, outgoing);
        false
    }
}

/// A message to publish, and what became of it.
#[derive(Debug)]
pub struct Outgoing {
    message: Message,
    report: Option<Result<(), StreamError>>,
    unheard: bool,
}

impl Outgoing {
    /// A message of which nothing is reported yet.
    pub fn new(message: Message) -> Self {
        Outgoing {
            message,
            report: None,
            unheard: false,
        }
    }

    /// What to publish; cheap to clone.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Says what became of the message; the last word counts.
    pub fn report(&mut self, report: Result<(), StreamError>) {
        self.report = Some(report);
        self.unheard = false;
    }

    /// Says that the message was published as it should be, but nobody takes it and it is not
    /// kept: as `Ok`, and the runtime sees to what must not get lost. An event that nobody hears
    /// is fine; a dead letter that nobody hears goes to the log.
    pub fn report_unheard(&mut self) {
        self.report = Some(Ok(()));
        self.unheard = true;
    }

    /// Whether the last word was that nobody takes it and it is not kept.
    pub fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// What was reported; an error where nothing was.
    pub fn into_result(self) -> Result<(), StreamError> {
        self.report.unwrap_or_else(|| {
            Err(StreamError::new(
                "the streamer did not say whether it has the event",
            ))
        })
    }
}

/// What went wrong in a streamer, in words for the operator.
#[derive(Debug)]
pub struct StreamError {
    error: Box<dyn StdError + Send + Sync>,
    refusal: bool,
}

impl StreamError {
    /// From an error of the client library, or from a sentence.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        StreamError {
            error: error.into(),
            refusal: false,
        }
    }

    /// That the broker refuses the message for good, however often it is sent: it is too large,
    /// say. With a store it becomes a dead letter there, and those behind it go on; anything else
    /// is sent again until it is confirmed.
    pub fn refused(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        StreamError {
            refusal: true,
            ..StreamError::new(error)
        }
    }

    /// Whether the message is refused for good.
    pub fn is_refusal(&self) -> bool {
        self.refusal
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        let mut cause = self.error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for StreamError {}
