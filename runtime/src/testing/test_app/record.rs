//! What is noted while the app runs.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::streamer::NotingStreamer;
use super::{Attempt, DeadLetter};
use crate::dispatch::{About, Observer};
use crate::event::{Message, TopicName};
use crate::publisher::Witness;
use crate::streamer::Origin;

/// Everything that happens, in its order. It grows as long as the test runs.
pub(super) struct Record {
    start: Instant,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// What was tried and is not settled.
    unfinished: HashMap<(&'static str, Origin), Unfinished>,
    attempts: usize,
}

/// Something that has happened.
#[derive(Clone)]
pub(super) enum Entry {
    /// The service has announced it, and every target has it.
    Announced(Duration, Message),
    /// Somebody has published it to a topic.
    Streamed(Duration, Place, Message),
    Attempted(Attempt),
    GaveUp(DeadLetter),
}

/// A topic, which need not be one that the code mentions.
#[derive(Clone)]
pub(super) struct Place {
    set: &'static str,
    pub(super) streamer: &'static str,
    pub(super) topic: String,
}

impl Place {
    pub(super) fn is(&self, topic: &TopicName) -> bool {
        (self.set, self.streamer, self.topic.as_str()) == (topic.set, topic.streamer, topic.topic)
    }
}

/// What a handler is not done with.
#[derive(Clone)]
pub(super) struct Unfinished {
    pub(super) handler: &'static str,
    pub(super) message: Message,
    pub(super) attempt: u32,
    pub(super) began: Duration,
    /// When and why the attempt failed; the next one has not begun.
    pub(super) failed: Option<(Duration, String)>,
    /// There is no next one, and its dead letter is not kept yet.
    pub(super) given_up: bool,
}

impl Record {
    pub(super) fn new() -> Self {
        Record {
            start: Instant::now(),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Since the start.
    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Of every entry what `pick` takes, in their order.
    pub(super) fn pick<T>(&self, pick: impl Fn(&Entry) -> Option<T>) -> Vec<T> {
        self.state().entries.iter().filter_map(pick).collect()
    }

    /// The last entries, and how many there were before them.
    pub(super) fn last(&self, most: usize) -> (usize, Vec<Entry>) {
        let state = self.state();
        let before = state.entries.len().saturating_sub(most);
        (before, state.entries[before..].to_vec())
    }

    /// What was tried and is not done with, the longest ago first.
    pub(super) fn unfinished(&self) -> Vec<Unfinished> {
        let mut unfinished: Vec<_> = self.state().unfinished.values().cloned().collect();
        unfinished.sort_by_key(|unfinished| (unfinished.began, unfinished.handler));
        unfinished
    }

    /// How many attempts have ended.
    pub(super) fn attempts(&self) -> usize {
        self.state().attempts
    }

    /// Waits for the next change. From the first poll, or from when it is enabled, it misses none.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(super) fn streamed(&self, streamer: &NotingStreamer, topic: &str, message: &Message) {
        let place = Place {
            set: streamer.set,
            streamer: streamer.name,
            topic: topic.to_owned(),
        };
        let entry = Entry::Streamed(self.now(), place, message.clone());
        self.state().entries.push(entry);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for Record {
    fn announced(&self, event: &Message) {
        let entry = Entry::Announced(self.now(), event.clone());
        self.state().entries.push(entry);
    }
}

impl Observer for Record {
    fn attempting(&self, about: &About<'_>, attempt: u32) {
        let unfinished = Unfinished {
            handler: about.handler,
            message: about.message.clone(),
            attempt,
            began: self.now(),
            failed: None,
            given_up: false,
        };
        self.state().unfinished.insert(key(about), unfinished);
    }

    fn took_back(&self, about: &About<'_>) {
        self.state().unfinished.remove(&key(about));
    }

    fn attempted(&self, about: &About<'_>, attempt: u32, failed: Option<&str>) {
        let ended = self.now();
        let mut state = self.state();
        let mut began = ended;
        if let Some(unfinished) = state.unfinished.get_mut(&key(about)) {
            began = unfinished.began;
            unfinished.failed = failed.map(|reason| (ended, reason.to_owned()));
        }
        state.attempts += 1;
        state.entries.push(Entry::Attempted(Attempt {
            handler: about.handler,
            message: about.message.clone(),
            origin: about.origin.clone(),
            number: attempt,
            began,
            ended,
            outcome: failed.map_or(Ok(()), |reason| Err(reason.to_owned())),
        }));
        drop(state);
        // Of one that is tried for ever, nothing else is told.
        self.changed.notify_waiters();
    }

    fn gave_up(&self, about: &About<'_>, attempts: u32, reason: &str) {
        let letter = DeadLetter {
            handler: about.handler,
            message: about.message.clone(),
            origin: about.origin.clone(),
            attempts,
            reason: reason.to_owned(),
            at: self.now(),
        };
        let mut state = self.state();
        if let Some(unfinished) = state.unfinished.get_mut(&key(about)) {
            unfinished.given_up = true;
        }
        state.entries.push(Entry::GaveUp(letter));
    }

    fn settled(&self, handler: &'static str, origin: &Origin) {
        let key = (handler, origin.clone());
        self.state().unfinished.remove(&key);
        self.changed.notify_waiters();
    }
}

fn key(about: &About<'_>) -> (&'static str, Origin) {
    (about.handler, about.origin.clone())
}

/// Waits until `done` has an answer. It is asked after each change.
pub(super) async fn when<T>(record: &Record, done: impl Fn() -> Option<T>) -> T {
    loop {
        let mut changed = std::pin::pin!(record.changed());
        // Before the look, or the last change could slip through between the two.
        Pin::as_mut(&mut changed).enable();
        if let Some(answer) = done() {
            return answer;
        }
        changed.await;
    }
}
