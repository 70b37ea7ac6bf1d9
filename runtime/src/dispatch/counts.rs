//! How often what happened, for each subscription.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::event::TopicName;

/// What became of the deliveries of one handler from one topic, since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The handler.
    pub handler: &'static str,
    /// Where it listens; `None` for the service's own events.
    pub topic: Option<TopicName>,
    /// Handled, and acknowledged.
    pub handled: u64,
    /// Events of other names, which nobody asked this handler for; acknowledged.
    pub ignored: u64,
    /// Delivered again after the handler had succeeded with them, and acknowledged without: where
    /// it deduplicates.
    pub repeated: u64,
    /// Past their `expirytime` before they could be handled, and acknowledged.
    pub expired: u64,
    /// Attempts that failed, by an error or a panic, or because the event could not be read.
    pub failed_attempts: u64,
    /// Given up, kept among the dead letters (or in the log, where nobody hears them), and
    /// acknowledged.
    pub dead_lettered: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.topic {
            Some(topic) => write!(f, "{} from {topic}: ", self.handler)?,
            None => write!(f, "{} from this service: ", self.handler)?,
        }
        write!(
            f,
            "{} handled, {} ignored, {} failed attempts, {} dead-lettered",
            self.handled, self.ignored, self.failed_attempts, self.dead_lettered
        )?;
        for (count, what) in [(self.repeated, "repeated"), (self.expired, "expired")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// [`Counts`] while they are counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    handled: AtomicU64,
    ignored: AtomicU64,
    repeated: AtomicU64,
    expired: AtomicU64,
    failed_attempts: AtomicU64,
    dead_lettered: AtomicU64,
}

impl Counters {
    pub(crate) fn handled(&self) {
        self.handled.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ignored(&self) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn repeated(&self) {
        self.repeated.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn expired(&self) {
        self.expired.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed_attempt(&self) {
        self.failed_attempts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dead_lettered(&self) {
        self.dead_lettered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, handler: &'static str, topic: Option<TopicName>) -> Counts {
        Counts {
            handler,
            topic,
            handled: self.handled.load(Ordering::Relaxed),
            ignored: self.ignored.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            failed_attempts: self.failed_attempts.load(Ordering::Relaxed),
            dead_lettered: self.dead_lettered.load(Ordering::Relaxed),
        }
    }
}
