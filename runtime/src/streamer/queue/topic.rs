//! What is published, given to every group in one order.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::slice;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arcstr::ArcStr;
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use super::group::{Group, GroupOptions, Membership, Room};
use super::line::Entry;
use super::locked;
use super::receipt::Pending;
use super::refusal::Refusal;
use super::subscription::Subscription;
use crate::event::word;
use crate::streamer::{Outgoing, Position};

/// A topic: its groups, and the order of its messages.
pub(crate) struct Topic {
    streams: Arc<[ArcStr]>,
    state: Mutex<State>,
    /// Publishers that found no room wait for it one after another.
    turn: Semaphore,
    /// There may be room for the publisher whose turn it is.
    room: Arc<Notify>,
}

struct State {
    groups: Vec<Arc<Group>>,
    arrivals: u64,
    keyless: usize,
    /// The next position in each stream.
    positions: Vec<u64>,
    /// Where the messages of the batch at hand go; kept for its room.
    places: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    arrival: u64,
    stream: usize,
    position: u64,
}

/// All messages before this one were published; it and the later ones were not.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) first: usize,
    pub(crate) why: Refusal,
}

impl Topic {
    /// A topic with numbered streams.
    pub(crate) fn new(streams: NonZeroUsize) -> Self {
        let numbers = 0..streams.get();
        Topic::with_streams(numbers.map(|number| word(&number.to_string())).collect())
    }

    pub(crate) fn with_streams(streams: Arc<[ArcStr]>) -> Self {
        let state = State {
            groups: Vec::new(),
            arrivals: 0,
            keyless: 0,
            positions: vec![0; streams.len()],
            places: Vec::new(),
        };
        Topic {
            streams,
            state: Mutex::new(state),
            turn: Semaphore::new(1),
            room: Arc::default(),
        }
    }

    /// Joins the group of this name, or a new one. What is published from now on reaches it.
    pub(crate) fn subscribe(
        &self,
        group: Option<String>,
        options: GroupOptions,
        membership: Membership,
    ) -> Subscription {
        let mut state = locked(&self.state);
        state.groups.retain(|group| !group.is_gone());
        let mut groups = state.groups.iter();
        let known = groups.find(|known| known.is_named(group.as_deref()));
        let group = known.cloned().unwrap_or_else(|| {
            let room = Arc::clone(&self.room);
            let new = Arc::new(Group::new(group, options, &self.streams, room));
            state.groups.push(Arc::clone(&new));
            new
        });
        Subscription::new(group, membership)
    }

    /// How many messages its groups hold, waiting and in flight.
    pub(crate) fn held(&self) -> usize {
        let state = locked(&self.state);
        state.groups.iter().map(|group| group.held()).sum()
    }

    /// Ends what was subscribed through a handle.
    pub(crate) fn leave_all(&self, handle: u64) {
        let groups = locked(&self.state).groups.clone();
        for group in groups {
            group.leave_all(handle);
        }
    }

    /// Publishes messages to all groups or none, in order, and reports those that are published.
    /// Waits for room, no longer than `patience`, and no longer than until `closed`.
    pub(crate) async fn publish(
        &self,
        batch: &mut [Outgoing],
        receipt: Option<&Arc<Pending>>,
        patience: Duration,
        closed: impl Future<Output = ()>,
    ) -> Result<(), Refused> {
        let mut done = 0;
        if self.turn.available_permits() > 0 {
            done = self
                .push(batch, receipt)
                .map_err(|why| Refused { first: 0, why })?;
        }
        if done == batch.len() {
            return Ok(());
        }
        let pushed = tokio::select! {
            biased;
            pushed = self.push_in_turn(batch, &mut done, receipt) => pushed,
            () = closed => Err(Refusal::Closed),
            () = sleep(patience) => Err(self.fullest()),
        };
        pushed.map_err(|why| Refused { first: done, why })
    }

    async fn push_in_turn(
        &self,
        batch: &mut [Outgoing],
        done: &mut usize,
        receipt: Option<&Arc<Pending>>,
    ) -> Result<(), Refusal> {
        // The semaphore is never closed, so this is always a permit.
        let _turn = self.turn.acquire().await;
        while *done < batch.len() {
            match self.push(&mut batch[*done..], receipt)? {
                0 => self.room.notified().await,
                pushed => *done += pushed,
            }
        }
        Ok(())
    }

    /// As [`publish`](Topic::publish), if there is room for it and nobody waits for room.
    pub(crate) fn publish_at_once(&self, outgoing: &mut Outgoing) -> bool {
        let batch = slice::from_mut(outgoing);
        self.turn.available_permits() > 0 && self.push(batch, None).is_ok_and(|pushed| pushed == 1)
    }

    /// Publishes as many messages as all groups have room for, and says how many.
    fn push(
        &self,
        batch: &mut [Outgoing],
        receipt: Option<&Arc<Pending>>,
    ) -> Result<usize, Refusal> {
        let mut state = locked(&self.state);
        let state = &mut *state;
        let mut room = batch.len();
        let mut gone = false;
        for group in &state.groups {
            match group.room(room) {
                Room::For(fewer) => room = fewer,
                Room::Gone => gone = true,
                Room::Never(why) => return Err(why),
            }
        }
        if gone {
            state.groups.retain(|group| !group.is_gone());
        }
        let batch = &mut batch[..room];
        state.place(batch);
        for group in &state.groups {
            group.push(state.places.iter().zip(&*batch).map(|(place, outgoing)| {
                let entry = Entry {
                    arrival: place.arrival,
                    position: Position::Number(place.position),
                    message: outgoing.message().clone(),
                    attempts: 0,
                    ticket: receipt.map(Pending::ticket),
                };
                (place.stream, entry)
            }));
        }
        let unheard = state.groups.is_empty();
        for outgoing in batch {
            if unheard {
                outgoing.report_unheard();
            } else {
                outgoing.report(Ok(()));
            }
        }
        Ok(room)
    }

    fn fullest(&self) -> Refusal {
        let state = locked(&self.state);
        let fullest = state.groups.iter().min_by_key(|group| group.free());
        fullest.map_or(Refusal::Ended, |group| Refusal::Full(group.label()))
    }
}

impl State {
    /// Finds a place for each message of a batch.
    fn place(&mut self, batch: &[Outgoing]) {
        self.places.clear();
        for outgoing in batch {
            let streams = self.positions.len();
            let stream = outgoing.message().key().map_or_else(
                || {
                    self.keyless = (self.keyless + 1) % streams;
                    self.keyless
                },
                |key| stream_of(key, streams),
            );
            self.places.push(Place {
                arrival: self.arrivals,
                stream,
                position: self.positions[stream],
            });
            self.arrivals += 1;
            self.positions[stream] += 1;
        }
    }
}

fn stream_of(key: &[u8], streams: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let rest = hasher.finish() % streams as u64;
    usize::try_from(rest).unwrap_or_default()
}
