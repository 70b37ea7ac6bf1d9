//! What a test sees of what has happened.

use std::fmt;
use std::time::Duration;

use crate::event::Message;
use crate::streamer::Origin;

/// One attempt of a handler at one event. `Display` gives it in one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The handler.
    pub handler: &'static str,
    /// What it was given.
    pub message: Message,
    /// Where that came from.
    pub origin: Origin,
    /// Which attempt at this event it was; the first is 1.
    pub number: u32,
    /// When it began, since the start of the app.
    pub began: Duration,
    /// When it ended. Until the next attempt begins, the event pauses.
    pub ended: Duration,
    /// The reason for which it failed, if it did: as it is in the log and in a dead letter.
    pub outcome: Result<(), String>,
}

/// Something that was given up. `Display` gives it in one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The handler that could not handle it.
    pub handler: &'static str,
    /// The message as the handler was given it. What a topic gets has the reason beside it: see
    /// [`published_to`](super::TestApp::published_to).
    pub message: Message,
    /// Where it came from.
    pub origin: Origin,
    /// How many attempts there were.
    pub attempts: u32,
    /// The reason for which the last one failed.
    pub reason: String,
    /// When it was given up, since the start of the app.
    pub at: Duration,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (handler, number, message) = (self.handler, self.number, Named(&self.message));
        match &self.outcome {
            Ok(()) => write!(f, "`{handler}` handled {message} in attempt {number}"),
            Err(reason) => write!(
                f,
                "`{handler}` failed in attempt {number} at {message}: {reason}"
            ),
        }
    }
}

impl fmt::Display for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (handler, attempts, message) = (self.handler, self.attempts, Named(&self.message));
        let times = if attempts == 1 { "attempt" } else { "attempts" };
        write!(
            f,
            "`{handler}` gave up {message} after {attempts} {times}: {}",
            self.reason
        )
    }
}

/// What tells a message from others: `PostCreated` and its id; of no CloudEvent, its first bytes.
pub(super) struct Named<'a>(pub(super) &'a Message);

/// The most bytes of a payload that are shown.
const EXCERPT: usize = 80;

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Message::Event(event) => write!(f, "`{:.200}` {:.200}", event.kind(), event.id()),
            Message::Foreign(_) => write!(f, "no CloudEvent ({})", Excerpt(self.0)),
        }
    }
}

/// The beginning of a payload, in one line.
pub(super) struct Excerpt<'a>(pub(super) &'a Message);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = self.0.payload();
        let shown = &payload[..payload.len().min(EXCERPT)];
        match str::from_utf8(shown) {
            Ok(text) if !text.contains(char::is_control) => f.write_str(text)?,
            _ => write!(f, "{}", shown.escape_ascii())?,
        }
        if shown.len() < payload.len() {
            write!(f, "... of {} bytes", payload.len())?;
        }
        Ok(())
    }
}

/// A time since the start, to the millisecond.
pub(super) struct At(pub(super) Duration);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:.3}s", self.0.as_secs_f64()))
    }
}
