//! Order under concurrency: one after another within a lane, lanes beside each other.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::call::Failed;
use crate::event::Message;
use crate::streamer::Delivery;

/// A delivery in its lane: its key's, or its stream's where it has no key.
pub(super) struct Job {
    pub(super) delivery: Delivery,
    lane: Lane,
    /// Whether it is handled by itself, by a handler that takes several.
    pub(super) alone: bool,
    /// How the last attempt failed, if nothing has come of that yet.
    pub(super) failed: Option<Box<Failed>>,
}

/// A hash. Two keys of one hash share a lane, which costs a little time and no order.
pub(super) type Lane = u64;

/// Not to be foreseen by whoever chooses the keys: all of them in one lane would wait for each other.
static LANES: LazyLock<FixedState> =
    LazyLock::new(|| FixedState::with_seed(RandomState::new().hash_one("lanes")));

/// The lane of a message, by its key or its stream.
pub(super) fn lane(message: &Message, stream: &str) -> Lane {
    LANES.hash_one(message.key().unwrap_or(stream.as_bytes()))
}

impl Job {
    pub(super) fn new(delivery: Delivery) -> Self {
        Job {
            lane: lane(delivery.message(), delivery.stream()),
            // One that was tried before may be what brought its batch down.
            alone: delivery.attempts() > 0,
            failed: None,
            delivery,
        }
    }

    pub(super) fn lane(&self) -> Lane {
        self.lane
    }
}

/// Who waits for an earlier one of its lane. No more wait than the subscription has in flight.
#[derive(Default)]
pub(super) struct Lanes(HashMap<Lane, VecDeque<Job>, BuildHasherDefault<Hashed>>);

/// Hashes what is a hash.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a lane is a number")
    }
}

impl Lanes {
    /// Gives the job back if its lane is free, which it then is no more.
    pub(super) fn enter(&mut self, job: Job) -> Option<Job> {
        if let Some(waiting) = self.0.get_mut(&job.lane) {
            waiting.push_back(job);
            return None;
        }
        self.0.insert(job.lane, VecDeque::new());
        Some(job)
    }

    /// The next one of a lane whose first is over.
    pub(super) fn next(&mut self, lane: Lane) -> Option<Job> {
        let next = self.0.get_mut(&lane)?.pop_front();
        if next.is_none() {
            self.0.remove(&lane);
        }
        next
    }

    /// The next one of a lane that may go with its first, if it is one that is not handled alone.
    pub(super) fn next_along(&mut self, lane: Lane) -> Option<Job> {
        self.0.get_mut(&lane)?.pop_front_if(|job| !job.alone)
    }

    /// Whether nobody waits in a lane.
    pub(super) fn is_clear(&self, lane: Lane) -> bool {
        self.0.get(&lane).is_none_or(VecDeque::is_empty)
    }

    /// Puts a job before all that wait in its lane.
    pub(super) fn put_first(&mut self, job: Job) {
        self.0.entry(job.lane).or_default().push_front(job);
    }
}
