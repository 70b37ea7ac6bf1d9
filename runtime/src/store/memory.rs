//! A store in the memory of the process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use super::{
    Appended, DeadLetter, Entry, Mark, Ownership, Page, Query, Start, Store, StoreFuture, Which,
};
use crate::event::Envelope;

/// A store in the memory of the process: best effort, for tests.
///
/// It promises what the others do, but for a crash: with the process, everything is gone. A clone
/// is another handle to the same memory, as another instance's would be. It grows with what is
/// published, until [`prune_events`](Store::prune_events) is called.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    events: BTreeMap<u64, (SystemTime, Envelope)>,
    cursors: BTreeMap<String, u64>,
    owned: BTreeSet<String>,
    marks: HashMap<Mark, SystemTime>,
    last_letter: u64,
    dead_letters: BTreeMap<u64, DeadLetter>,
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is done at once, with nothing to wait for.
    fn done<'a, T: Send + 'a>(&self, work: impl FnOnce(&mut State) -> T) -> StoreFuture<'a, T> {
        let done = work(&mut self.state());
        Box::pin(ready(Ok(done)))
    }
}

impl Store for MemoryStore {
    fn append<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Appended> {
        self.done(|state| {
            let now = SystemTime::now();
            if let Some(mark) = &entry.mark {
                if state.marks.contains_key(mark) {
                    return Appended::Repeated;
                }
                state.marks.insert(mark.clone(), now);
            }
            for event in &entry.events {
                state.last += 1;
                state.events.insert(state.last, (now, event.clone()));
            }
            Appended::New
        })
    }

    fn read<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        self.done(|state| {
            let after = state.events.range(query.after.saturating_add(1)..);
            let asked = after.filter(|(_, (_, event))| query.of.holds(event));
            let events: Vec<_> = asked
                .take(query.max)
                .map(|(at, (_, event))| (*at, event.clone()))
                .collect();
            let up_to = match events.last() {
                _ if query.max == 0 => query.after,
                Some((last, _)) if events.len() == query.max => *last,
                _ => state.last.max(query.after),
            };
            Page { events, up_to }
        })
    }

    fn end(&self) -> StoreFuture<'_, u64> {
        self.done(|state| state.last)
    }

    fn cursor<'a>(&'a self, name: &'a str, start: Start) -> StoreFuture<'a, u64> {
        self.done(|state| {
            let start = match start {
                Start::Beginning => 0,
                Start::Now => state.last,
            };
            *state.cursors.entry(name.to_owned()).or_insert(start)
        })
    }

    fn advance<'a>(&'a self, name: &'a str, from: u64, to: u64) -> StoreFuture<'a, bool> {
        self.done(|state| match state.cursors.get_mut(name) {
            Some(at) if *at == from => {
                *at = to;
                true
            }
            _ => false,
        })
    }

    fn rewind<'a>(&'a self, name: &'a str, to: u64) -> StoreFuture<'a, bool> {
        self.done(|state| match state.cursors.get_mut(name) {
            Some(at) => {
                *at = to;
                true
            }
            None => false,
        })
    }

    fn cursors(&self) -> StoreFuture<'_, Vec<(String, u64)>> {
        self.done(|state| state.cursors.clone().into_iter().collect())
    }

    fn forget_cursor<'a>(&'a self, name: &'a str) -> StoreFuture<'a, bool> {
        self.done(|state| state.cursors.remove(name).is_some())
    }

    fn own<'a>(&'a self, cursor: &'a str) -> StoreFuture<'a, Option<Ownership>> {
        self.done(|state| {
            let is_free = state.owned.insert(cursor.to_owned());
            is_free.then(|| {
                let guard = Owned {
                    store: self.clone(),
                    cursor: cursor.to_owned(),
                };
                Ownership::new(guard, CancellationToken::new())
            })
        })
    }

    fn is_handled<'a>(&'a self, mark: &'a Mark) -> StoreFuture<'a, bool> {
        self.done(|state| state.marks.contains_key(mark))
    }

    fn bury<'a>(&'a self, letter: &'a DeadLetter) -> StoreFuture<'a, u64> {
        self.done(|state| {
            state.last_letter += 1;
            state.dead_letters.insert(state.last_letter, letter.clone());
            state.last_letter
        })
    }

    fn dead_letters(&self, after: u64, max: usize) -> StoreFuture<'_, Vec<(u64, DeadLetter)>> {
        self.done(|state| {
            let after = state.dead_letters.range(after.saturating_add(1)..);
            let letters = after.take(max);
            letters
                .map(|(number, letter)| (*number, letter.clone()))
                .collect()
        })
    }

    fn dead_letter(&self, number: u64) -> StoreFuture<'_, Option<DeadLetter>> {
        self.done(|state| state.dead_letters.get(&number).cloned())
    }

    fn drop_dead_letter(&self, number: u64) -> StoreFuture<'_, bool> {
        self.done(|state| state.dead_letters.remove(&number).is_some())
    }

    fn prune_marks(&self, before: SystemTime) -> StoreFuture<'_, u64> {
        self.done(|state| {
            let marks = state.marks.len();
            state.marks.retain(|_, made| *made >= before);
            (marks - state.marks.len()) as u64
        })
    }

    fn prune_events(&self, before: SystemTime) -> StoreFuture<'_, u64> {
        self.done(|state| {
            let passed = state.cursors.values().min().copied().unwrap_or_default();
            let events = state.events.len();
            let kept =
                |at: &u64, (made, _): &mut (SystemTime, Envelope)| *at > passed || *made >= before;
            state.events.retain(kept);
            (events - state.events.len()) as u64
        })
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

impl Which {
    fn holds(&self, event: &Envelope) -> bool {
        match self {
            Which::All => true,
            Which::Named(names) => names.iter().any(|name| name == event.kind()),
            Which::Keyed(key) => event.key() == Some(key),
        }
    }
}

/// A cursor that somebody works with.
struct Owned {
    store: MemoryStore,
    cursor: String,
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.store.state().owned.remove(&self.cursor);
    }
}
