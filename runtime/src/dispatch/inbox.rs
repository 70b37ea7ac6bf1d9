//! What a handler that deduplicates has succeeded with.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arcstr::ArcStr;
use lru::LruCache;
use tokio::sync::Notify;

use crate::event::Message;
use crate::store::{Mark, Store, StoreError};

/// How many events are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// An event's `source` and `id`, which name it in the whole world, as 128 bits that nobody outside
/// can foresee: names come from there, and may be of any length.
type Name = [u64; 2];

/// What one handler has succeeded with, and what it is busy with.
pub(crate) struct Inbox {
    state: Mutex<State>,
    marks: Marks,
    /// Somebody is no longer busy with one.
    released: Notify,
}

struct State {
    hashers: [RandomState; 2],
    handled: LruCache<Name, ()>,
    busy: HashSet<Name>,
}

/// Whether an event is to be handled.
pub(super) enum Seen {
    /// It is; by whoever has the claim.
    New(Claim),
    /// Somebody is busy with it.
    Busy,
    /// It has been handled.
    Handled,
}

/// The right to handle an event. Dropped, it goes to the next who asks.
pub(super) struct Claim {
    inbox: Arc<Inbox>,
    /// None for what is no CloudEvent.
    name: Option<Name>,
    /// What the store remembers it by, if there is one.
    mark: Option<Mark>,
}

/// How a handler is remembered.
pub(crate) struct Marks {
    /// Where marks outlive the process, if there is one.
    pub(crate) store: Option<Arc<dyn Store>>,
    /// The handler, as `<service>.<handler>`.
    pub(crate) handler: ArcStr,
}

impl Inbox {
    pub(crate) fn new(marks: Marks) -> Self {
        Inbox {
            marks,
            state: Mutex::new(State {
                hashers: Default::default(),
                handled: LruCache::new(REMEMBERED),
                busy: HashSet::new(),
            }),
            released: Notify::new(),
        }
    }

    /// Claims an event, unless somebody is busy with it or it has been handled.
    pub(super) fn look(self: &Arc<Self>, message: &Message) -> Seen {
        let inbox = Arc::clone(self);
        let Some(event) = message.event() else {
            return Seen::New(Claim {
                inbox,
                name: None,
                mark: None,
            });
        };
        let mut state = self.state();
        let hashers = state.hashers.each_ref();
        let name = hashers.map(|hasher| hasher.hash_one((event.source(), event.id())));
        if state.handled.contains(&name) {
            return Seen::Handled;
        }
        if !state.busy.insert(name) {
            return Seen::Busy;
        }
        drop(state);
        let Marks { store, handler } = &self.marks;
        let mark = store.as_ref().map(|_| Mark::of(handler, event));
        let name = Some(name);
        Seen::New(Claim { inbox, name, mark })
    }

    /// As [`look`](Inbox::look), but waits while somebody is busy with it. `None` if this process
    /// has handled it.
    pub(super) async fn claim(self: &Arc<Self>, message: &Message) -> Option<Claim> {
        loop {
            let mut released = pin!(self.released.notified());
            // Before the look, or the release could slip through between the two.
            released.as_mut().enable();
            match self.look(message) {
                Seen::New(claim) => return Some(claim),
                Seen::Handled => return None,
                Seen::Busy => released.await,
            }
        }
    }

    /// What marks call the handler.
    pub(crate) fn handler(&self) -> ArcStr {
        self.marks.handler.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// What is written with what the handler announces.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.mark.clone()
    }

    /// Whether the store, if there is one, knows that the event has been handled.
    pub(super) async fn is_marked(&self) -> Result<bool, StoreError> {
        match (&self.mark, &self.inbox.marks.store) {
            (Some(mark), Some(store)) => store.is_handled(mark).await,
            _ => Ok(false),
        }
    }

    /// Remembers that the event has been handled.
    pub(super) fn keep(self) {
        if let Some(name) = self.name {
            self.inbox.state().handled.put(name, ());
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(name) = self.name {
            self.inbox.state().busy.remove(&name);
            self.inbox.released.notify_waiters();
        }
    }
}
