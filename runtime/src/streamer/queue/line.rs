//! One stream of a group: what waits in it and what is in flight, both in order.

use std::collections::VecDeque;
use std::time::Duration;

use arcstr::ArcStr;
use tokio::time::Instant;

use super::receipt::Ticket;
use crate::event::Message;
use crate::streamer::Position;

/// A message in a group.
pub(crate) struct Entry {
    /// Its number among all messages of the topic.
    pub(crate) arrival: u64,
    pub(crate) position: Position,
    pub(crate) message: Message,
    /// How many attempts at it were begun.
    pub(crate) attempts: u32,
    /// Tells a receipt what becomes of it.
    pub(crate) ticket: Option<Ticket>,
}

/// What goes to a subscriber of an entry.
pub(super) struct Sent {
    pub(super) position: Position,
    pub(super) message: Message,
    pub(super) attempts: u32,
}

/// A subscriber of a group.
pub(super) type SubscriberId = u64;

/// One stream of a group.
pub(super) struct Line {
    pub(super) name: ArcStr,
    /// Whose it is.
    pub(super) tenure: Tenure,
    waiting: VecDeque<Entry>,
    in_flight: VecDeque<Entry>,
    held_until: Option<Instant>,
    /// Who is to get what waits.
    pub(super) owner: Option<SubscriberId>,
    /// Who has what is in flight: the owner, or a former one.
    pub(super) holder: Option<SubscriberId>,
}

/// Whether the streamer still has a stream, where streams come and go.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(any(feature = "kafka", feature = "amqp")),
    allow(dead_code, reason = "elsewhere streams stay")
)]
pub(super) enum Tenure {
    Ours,
    /// It is to go: nothing is begun any more, and what was begun may still be acknowledged.
    Leaving,
    /// It has gone while something of it was in flight, whose acknowledgements count no more.
    Gone,
}

impl Line {
    pub(super) fn new(name: ArcStr) -> Self {
        Line {
            name,
            tenure: Tenure::Ours,
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            held_until: None,
            owner: None,
            holder: None,
        }
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.waiting.push_back(entry);
    }

    /// Whether the owner may have what waits: not while a former one has some in flight, or two
    /// subscribers would work on one key at once; nor while something of a former tenure is.
    pub(super) fn is_handed_over(&self) -> bool {
        self.tenure == Tenure::Ours && (self.holder.is_none() || self.holder == self.owner)
    }

    #[cfg(feature = "amqp")]
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The arrival of what comes next.
    pub(super) fn next(&self) -> Option<u64> {
        self.waiting.front().map(|entry| entry.arrival)
    }

    /// Until when a released delivery holds the line back.
    pub(super) fn held(&mut self) -> Option<Instant> {
        let until = self.held_until?;
        if Instant::now() < until {
            return Some(until);
        }
        self.held_until = None;
        None
    }

    /// Sends what comes next on its way to the owner.
    pub(super) fn send(&mut self) -> Option<Sent> {
        let entry = self.waiting.pop_front()?;
        let sent = Sent {
            position: entry.position.clone(),
            message: entry.message.clone(),
            attempts: entry.attempts,
        };
        self.holder = self.owner;
        insert(&mut self.in_flight, entry);
        Some(sent)
    }

    /// The arrival of what is in flight at this position.
    pub(super) fn arrival(&self, position: &Position) -> Option<u64> {
        let mut in_flight = self.in_flight.iter();
        let entry = in_flight.find(|entry| entry.position == *position)?;
        Some(entry.arrival)
    }

    /// Takes what is in flight at this position.
    pub(super) fn take_back(&mut self, position: &Position) -> Option<Entry> {
        let at = self
            .in_flight
            .iter()
            .position(|entry| entry.position == *position)?;
        self.in_flight.remove(at)
    }

    /// Forgets the holder when nothing is in flight any more.
    pub(super) fn hand_over(&mut self) {
        if self.in_flight.is_empty() {
            self.holder = None;
            if self.tenure == Tenure::Gone {
                self.tenure = Tenure::Ours;
            }
        }
    }

    /// Puts a released one back in its place, and holds the whole line back for as long.
    pub(super) fn release(&mut self, entry: Entry, delay: Duration) {
        insert(&mut self.waiting, entry);
        if delay > Duration::ZERO {
            let now = Instant::now();
            let until = now.checked_add(delay).unwrap_or(now + FOREVER);
            self.held_until = self.held_until.max(Some(until));
        }
    }

    /// Ends the tenure. Takes all that waits.
    #[cfg(any(feature = "kafka", feature = "amqp"))]
    pub(super) fn end(&mut self, tenure: Tenure) -> VecDeque<Entry> {
        let is_over = tenure == Tenure::Gone && self.in_flight.is_empty();
        self.tenure = if is_over { Tenure::Ours } else { tenure };
        self.held_until = None;
        self.clear()
    }

    /// Takes all that waits.
    pub(super) fn clear(&mut self) -> VecDeque<Entry> {
        std::mem::take(&mut self.waiting)
    }
}

/// What a delay that the clock cannot count is shortened to.
const FOREVER: Duration = Duration::from_hours(24 * 365);

fn insert(entries: &mut VecDeque<Entry>, entry: Entry) {
    if entries
        .back()
        .is_none_or(|last| last.arrival < entry.arrival)
    {
        return entries.push_back(entry);
    }
    let at = entries.partition_point(|other| other.arrival < entry.arrival);
    entries.insert(at, entry);
}
