//! How a handler is tried, and how much it is given at a time.

use std::num::NonZeroUsize;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use serde::{Deserialize, Serialize};

use crate::error::Verdict;

/// How a handler is tried, and how much it is given at a time: what `#[event_handler]` says.
///
/// | what | attribute | default |
/// |---|---|---|
/// | attempts at an event | `retry(attempts = 5)` | 5 |
/// | pauses between them | `retry(backoff = "100ms..30s")` | 100 ms, doubling up to 30 s; jitter adds up to the pause once more |
/// | what happens meanwhile | `retry = in_order` or `requeue` | `in_order`: later events of its key wait |
/// | time for one attempt | `timeout = "10s"` | no limit |
/// | events handled at a time | `concurrency = 1` | 1; more keep the order of each key, and of each stream where there is no key |
/// | deliveries not acknowledged | `in_flight = 256` | 256: the bound on memory |
/// | events given to one call | `batch(max = 100, within = "1s")` | one; see [below](#batches) |
/// | an event that is delivered again | `deduplicate` | it is handled again; see [below](#deduplication) |
///
/// After the last attempt the event goes to the dead letters. What cannot be read goes there at
/// once: another attempt would end the same.
///
/// # Batches
///
/// A handler with `batch(...)` takes `Vec<E>`: up to `max` events, as many as came `within` that
/// time of the first, or more while it was busy. Events of one key keep their order within a batch
/// and from one to the next; `concurrency` is then how many batches are handled at a time.
/// `timeout` is for the call. It answers with `Result<()>` for all events, or with
/// `Vec<Result<()>>`, one outcome for each in their order.
///
/// What failed is tried again by its policy, each event by itself, so that one that always fails
/// takes no other to the dead letters. While `in_order`, an event that stands in the batch behind one
/// of its key that is tried again counts as not handled, whatever its own outcome, and is handled
/// again after it. What each event announced is published after the call, one event after another.
///
/// # Deduplication
///
/// Brokers deliver at least once. With `deduplicate`, an event (by `source` and `id`) that the
/// handler has succeeded with, and whose announcements are published, is acknowledged and not
/// handled again; of several deliveries of one event at once, one is handled and the others wait
/// for it. It is remembered only after handling, so a crash repeats an event rather than lose it.
/// What is no CloudEvent has no id, and is handled each time.
///
/// Without a store it is best effort: each instance remembers by itself, in memory, the last 10,000
/// events of each handler. With a [`store`](crate::store) the mark is written in one transaction
/// with what the handler published, and all instances share it; of two that handle one event at the
/// same time, what one published is kept, and the other's is counted as repeated. What a handler
/// writes to the store's database itself happens exactly once, too, where it marks the event in the
/// same transaction: [`Within::mark_handled`](crate::Within::mark_handled). Whatever else it does
/// may happen twice, in a crash or in two instances at once. An attempt that fails is not followed by
/// another where the event turns out to be handled. Marks are removed after 30 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The most attempts at one event, the first among them; at least 1.
    pub attempts: u32,
    /// The pause after the first failure; each next one is twice as long.
    pub shortest_pause: Duration,
    /// The longest pause, before the jitter.
    pub longest_pause: Duration,
    /// What happens to others while an event pauses.
    pub order: RetryOrder,
    /// The longest that one attempt may take.
    pub timeout: Option<Duration>,
    /// The most attempts under way at a time.
    pub concurrency: NonZeroUsize,
    /// The most deliveries that are not settled.
    pub in_flight: NonZeroUsize,
    /// How events are gathered, if the handler takes several at a time.
    pub batch: Option<BatchPolicy>,
    /// Whether an event that it has succeeded with is not handled again.
    pub deduplicate: bool,
}

/// How the events of a batch are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPolicy {
    /// The most events in one.
    pub max: NonZeroUsize,
    /// How long the first one waits for others.
    pub within: Duration,
}

/// What happens to the other events of its key while an event waits for its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryOrder {
    /// They wait too, so that order holds.
    InOrder,
    /// They overtake it.
    Requeue,
}

impl Policy {
    /// What a handler gets where it says nothing.
    pub const DEFAULT: Policy = Policy {
        attempts: 5,
        shortest_pause: Duration::from_millis(100),
        longest_pause: Duration::from_secs(30),
        order: RetryOrder::InOrder,
        timeout: None,
        concurrency: NonZeroUsize::MIN,
        in_flight: NonZeroUsize::new(256).expect("not zero"),
        batch: None,
        deduplicate: false,
    };

    /// How long to wait after this attempt failed; `None` if it was the last.
    pub(crate) fn pause(&self, attempt: u32, verdict: Verdict) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        match verdict {
            Verdict::Reject => None,
            Verdict::RetryAfter(pause) => Some(pause),
            Verdict::ByPolicy => {
                // By then every pause is the longest.
                let before = (attempt - 1).min(64) as usize;
                let mut pauses = self.endless_pauses();
                Some(pauses.nth(before).unwrap_or(self.longest_pause))
            }
        }
    }

    /// Pauses without an end, for what must not be given up.
    pub(crate) fn endless_pauses(&self) -> ExponentialBackoff {
        self.growing().without_max_times().build()
    }

    fn growing(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.shortest_pause)
            .with_max_delay(self.longest_pause)
            .with_jitter()
    }
}
