//! Who shares the messages of a topic.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use arcstr::ArcStr;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::assignment::assign;
use super::line::{Entry, Line, Sent, SubscriberId};
use super::locked;
use super::recall::Recall;
use super::refusal::{GroupLabel, Refusal};
use super::wakes::Wakes;
use crate::streamer::{Position, Settlement};

/// Subscribers that share the messages of a topic, with what they have not acknowledged.
pub(crate) struct Group {
    /// `None` for the group of one subscriber.
    name: Option<String>,
    pub(super) options: GroupOptions,
    streams: Arc<[ArcStr]>,
    /// Tells the publisher that waits that there may be room.
    room: Arc<Notify>,
    pub(super) state: Mutex<State>,
}

/// How a group behaves.
#[derive(Clone, Copy)]
pub(crate) struct GroupOptions {
    /// The most messages that it holds, waiting and in flight.
    pub(crate) capacity: NonZeroUsize,
    pub(crate) ending: Ending,
    /// Whether a released delivery comes again.
    pub(crate) redeliver: bool,
    /// Whether what was given out may be recalled.
    pub(crate) recalls: bool,
}

/// What becomes of a group when its last subscriber leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It stays, with what it holds.
    Stays,
    /// It is gone, and nothing is published to it.
    Leaves,
    /// It drops what waits, and publishing to its topic is an error.
    Refuses,
}

/// What a new subscriber brings along.
#[derive(Clone, Copy)]
pub(crate) struct Membership {
    pub(crate) max_in_flight: NonZeroUsize,
    /// The handle that ends it.
    pub(crate) handle: u64,
}

/// How many messages a group has room for.
pub(super) enum Room {
    For(usize),
    /// The group has left.
    Gone,
    Never(Refusal),
}

/// What a subscriber has to do next.
pub(super) enum Next {
    Deliver {
        stream: usize,
        sent: Sent,
    },
    /// Until it is woken, or until then.
    Wait(Option<Instant>),
    End,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) lines: Vec<Line>,
    subscribers: Vec<Subscriber>,
    last_subscriber: SubscriberId,
    /// How many messages are waiting or in flight.
    pub(super) held: usize,
    publisher_waits: bool,
    ended: bool,
    pub(super) recall: Recall,
}

struct Subscriber {
    id: SubscriberId,
    membership: Membership,
    in_flight: usize,
    /// There while it has nothing to do.
    waker: Option<Waker>,
}

impl Group {
    pub(crate) fn new(
        name: Option<String>,
        options: GroupOptions,
        streams: Arc<[ArcStr]>,
        room: Arc<Notify>,
    ) -> Self {
        let state = State {
            lines: streams.iter().map(|_| Line::default()).collect(),
            ..State::default()
        };
        Group {
            name,
            options,
            streams,
            room,
            state: Mutex::new(state),
        }
    }

    /// Whether it is the shared group of this name.
    pub(super) fn is_named(&self, name: Option<&str>) -> bool {
        name.is_some() && self.name.as_deref() == name
    }

    pub(super) fn streams(&self) -> &[ArcStr] {
        &self.streams
    }

    /// How many messages it has room for, at most `wanted`. A publisher that finds none is told
    /// when that changes.
    pub(super) fn room(&self, wanted: usize) -> Room {
        let mut state = locked(&self.state);
        if state.ended {
            return match self.options.ending {
                Ending::Refuses => Room::Never(Refusal::Ended),
                Ending::Stays | Ending::Leaves => Room::Gone,
            };
        }
        let room = self.options.capacity.get().saturating_sub(state.held);
        if room == 0 {
            if state.subscribers.is_empty() {
                return Room::Never(Refusal::Abandoned(self.label()));
            }
            state.publisher_waits = true;
        }
        Room::For(room.min(wanted))
    }

    /// How many messages it holds, waiting and in flight.
    pub(super) fn held(&self) -> usize {
        locked(&self.state).held
    }

    /// How many messages it could take now.
    pub(crate) fn free(&self) -> usize {
        let held = locked(&self.state).held;
        self.options.capacity.get().saturating_sub(held)
    }

    /// As [`free`](Group::free). Whoever finds that it is none is told when that
    /// changes.
    pub(crate) fn free_or_tell(&self) -> usize {
        let mut state = locked(&self.state);
        let free = self.options.capacity.get().saturating_sub(state.held);
        state.publisher_waits |= free == 0;
        free
    }

    /// Whether it takes nothing any more and leaves nothing behind.
    pub(super) fn is_gone(&self) -> bool {
        self.options.ending == Ending::Leaves && locked(&self.state).ended
    }

    pub(super) fn label(&self) -> GroupLabel {
        GroupLabel {
            name: self.name.clone(),
            capacity: self.options.capacity.get(),
        }
    }

    /// Adds messages to its lines, in the order of their arrival.
    pub(crate) fn push(&self, entries: impl Iterator<Item = (usize, Entry)>) {
        let mut wakes = Wakes::default();
        let mut state = locked(&self.state);
        if state.ended {
            entries.for_each(drop);
            return;
        }
        for (stream, entry) in entries {
            state.lines[stream].push(entry);
            state.held += 1;
            state.rouse(stream, &mut wakes);
        }
        drop(state);
        wakes.wake();
    }

    pub(super) fn join(&self, membership: Membership) -> SubscriberId {
        let mut wakes = Wakes::default();
        let mut state = locked(&self.state);
        state.last_subscriber += 1;
        let id = state.last_subscriber;
        state.subscribers.push(Subscriber {
            id,
            membership,
            in_flight: 0,
            waker: None,
        });
        state.assign(&mut wakes);
        drop(state);
        wakes.wake();
        id
    }

    pub(super) fn leave(&self, id: SubscriberId) {
        self.part_with(|subscriber| subscriber.id == id);
    }

    /// Ends what was subscribed through a handle.
    pub(super) fn leave_all(&self, handle: u64) {
        self.part_with(|subscriber| subscriber.membership.handle == handle);
    }

    fn part_with(&self, leaves: impl Fn(&Subscriber) -> bool) {
        let mut wakes = Wakes::default();
        let mut dropped = Vec::new();
        let mut state = locked(&self.state);
        let before = state.subscribers.len();
        for gone in state.subscribers.extract_if(.., |other| leaves(other)) {
            wakes.add(gone.waker);
        }
        if state.subscribers.len() == before {
            return;
        }
        state.assign(&mut wakes);
        let last = state.subscribers.is_empty();
        if last && self.options.ending != Ending::Stays {
            state.ended = true;
            dropped.extend(state.lines.iter_mut().map(Line::clear));
            state.held -= dropped.iter().map(VecDeque::len).sum::<usize>();
        }
        let notify = last && std::mem::take(&mut state.publisher_waits);
        drop(state);
        wakes.wake();
        if notify {
            self.room.notify_one();
        }
    }

    /// What the subscriber has to do next; where that is nothing, `waker` is kept.
    pub(super) fn next(&self, id: SubscriberId, waker: &Waker) -> Next {
        let mut state = locked(&self.state);
        let State {
            lines, subscribers, ..
        } = &mut *state;
        let Some(subscriber) = subscribers.iter_mut().find(|other| other.id == id) else {
            return Next::End;
        };
        let mut held_until = None;
        if !subscriber.is_full() {
            let (stream, until) = first_line(lines, id);
            held_until = until;
            if let Some(stream) = stream
                && let Some(sent) = lines[stream].send()
            {
                subscriber.in_flight += 1;
                return Next::Deliver { stream, sent };
            }
        }
        subscriber.waker = Some(waker.clone());
        Next::Wait(held_until)
    }

    pub(super) fn settle(&self, stream: usize, position: &Position, settlement: Settlement) {
        let mut wakes = Wakes::default();
        let mut done = None;
        let mut notify = false;
        let mut state = locked(&self.state);
        let line = &mut state.lines[stream];
        let Some(mut entry) = line.take_back(position) else {
            return;
        };
        let holder = line.holder;
        let was_handed_over = line.is_handed_over();
        line.hand_over();
        let mut news = !was_handed_over && line.is_handed_over();
        match settlement {
            Settlement::Released { delay, attempts }
                if self.options.redeliver
                    && !state.ended
                    && !state.recall.is_on()
                    && !state.lines[stream].is_revoked =>
            {
                entry.attempts = attempts;
                state.lines[stream].release(entry, delay);
                news = true;
            }
            _ => {
                done = Some(entry);
                state.held -= 1;
                notify = std::mem::take(&mut state.publisher_waits);
            }
        }
        state.relieve(holder, &mut wakes);
        if news {
            state.rouse(stream, &mut wakes);
        }
        drop(state);
        wakes.wake();
        if notify {
            self.room.notify_one();
        }
        if settlement == Settlement::Acknowledged
            && let Some(ticket) = done.and_then(|entry| entry.ticket)
        {
            ticket.acknowledge();
        }
    }
}

impl State {
    /// Wakes the owner of a line that has news for it.
    fn rouse(&mut self, stream: usize, wakes: &mut Wakes) {
        let line = &self.lines[stream];
        if let Some(owner) = line.owner
            && line.is_handed_over()
            && let Some(subscriber) = self.subscribers.iter_mut().find(|other| other.id == owner)
            && !subscriber.is_full()
        {
            wakes.add(subscriber.waker.take());
        }
    }

    /// One delivery fewer is in flight at the subscriber, if it is still there.
    fn relieve(&mut self, id: Option<SubscriberId>, wakes: &mut Wakes) {
        let mut subscribers = self.subscribers.iter_mut();
        if let Some(subscriber) = subscribers.find(|other| Some(other.id) == id) {
            if subscriber.is_full() {
                wakes.add(subscriber.waker.take());
            }
            subscriber.in_flight -= 1;
        }
    }

    /// Shares the lines out anew, and wakes everybody to it.
    fn assign(&mut self, wakes: &mut Wakes) {
        let subscribers: Vec<_> = self.subscribers.iter().map(|other| other.id).collect();
        assign(&mut self.lines, &subscribers);
        for subscriber in &mut self.subscribers {
            wakes.add(subscriber.waker.take());
        }
    }
}

impl Subscriber {
    fn is_full(&self) -> bool {
        self.in_flight >= self.membership.max_in_flight.get()
    }
}

/// The line whose next message arrived first, and until when another one is held back.
fn first_line(lines: &mut [Line], owner: SubscriberId) -> (Option<usize>, Option<Instant>) {
    let mut first: Option<(u64, usize)> = None;
    let mut held_until: Option<Instant> = None;
    for (stream, line) in lines.iter_mut().enumerate() {
        if line.owner != Some(owner) || !line.is_handed_over() {
            continue;
        }
        let Some(arrival) = line.next() else {
            continue;
        };
        if let Some(until) = line.held() {
            held_until = Some(held_until.map_or(until, |other| other.min(until)));
        } else if first.is_none_or(|(other, _)| arrival < other) {
            first = Some((arrival, stream));
        }
    }
    (first.map(|(_, stream)| stream), held_until)
}
