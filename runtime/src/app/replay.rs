//! Dead letters of the store, once more.

#[cfg(feature = "cli")]
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::running::Running;
#[cfg(feature = "cli")]
use super::{App, start};
use crate::dispatch::{Counters, DeadLetters};
use crate::error::Result;
use crate::store::{DeadLetter, Store, StoreError};
use crate::streamer::Outgoing;
use crate::topology::{Subscription, Target};

/// What became of a dead letter that was [replayed](Running::replay_dead_letter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Its handler has handled it.
    Handled,
    /// Its handler deduplicates, and had handled the event before.
    Repeated,
    /// The topic that had refused it has it.
    Streamed,
}

/// Why a dead letter was not [replayed](Running::replay_dead_letter).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The app has no store.
    #[error(
        "the app `{0}` has no store: add `.store(...)`; without one, dead letters are events of their topics"
    )]
    NoStore(String),
    /// There is no such letter.
    #[error("there is no dead letter {0}: it was replayed or dropped, or never there")]
    NotFound(u64),
    /// This program has neither the handler nor the topic that the letter is of.
    #[error("`{0}` is no handler of this program, and no topic that it streams to")]
    NobodyTakesIt(String),
    /// It is being replayed just now.
    #[error("the dead letter {0} is being replayed just now: what becomes of it is told there")]
    Busy(u64),
    /// It failed again. The letter stays as it is.
    #[error("it failed again: {0}")]
    Failed(String),
    /// The store failed. Where it did so after the handling, the letter is still there.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Running {
    /// Gives a dead letter of the store to its handler once more, and removes it when that
    /// succeeds. One that a topic refused is streamed there once more.
    ///
    /// It is one attempt, in the handler's layers and its time, and what the handler publishes is
    /// published if it succeeds; a handler that deduplicates gets no event again that it has handled.
    /// The letter comes at once, whatever else its handler is busy with: in no order with other
    /// events of its key. A crash between the handling and the removal leaves the letter there.
    /// While it is replayed, another replay of it in this app is refused; two processes that replay
    /// it at once may both handle it, unless the handler deduplicates.
    ///
    /// Its [`Origin`](crate::streamer::Origin) has the topic that it came from, the stream
    /// `dead-letters` and the letter's number.
    /// Letters are listed, read and dropped by the store: see
    /// [`Store::dead_letters`](crate::store::Store::dead_letters).
    ///
    /// ```no_run
    /// # use fanfare::Running;
    /// # use fanfare::store::Store;
    /// # async fn example(running: Running, store: impl Store) -> fanfare::Result<()> {
    /// for (number, letter) in store.dead_letters(0, 100).await? {
    ///     println!("{}: {}", letter.handler, letter.reason);
    ///     running.replay_dead_letter(number).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`ReplayError`]; the letter stays.
    pub async fn replay_dead_letter(&self, number: u64) -> Result<Replayed, ReplayError> {
        let store = self.store()?;
        let _busy = self.replays.begin(number)?;
        let letter = store.dead_letter(number).await?;
        let letter = letter.ok_or(ReplayError::NotFound(number))?;
        let replayed = match self.taker(&letter)? {
            Taker::Handler(subscription) => self.handle_again(subscription, number, &letter).await,
            Taker::Topic(target) => self.stream_again(target, &letter).await,
        };
        let replayed = replayed.map_err(ReplayError::Failed)?;
        store.drop_dead_letter(number).await?;
        Ok(replayed)
    }

    /// Whose dead letters there can be: handlers by their whole names, and topics.
    #[cfg(feature = "cli")]
    pub(crate) fn letter_names(&self) -> BTreeSet<String> {
        let handlers = self.topology.handlers.iter();
        let handlers = handlers.map(|handler| self.topology.full_name(handler.name));
        let events = self.topology.events.iter();
        let topics = events.flat_map(|event| event.targets);
        let topics = topics.map(|target| target.topic.to_string());
        handlers.chain(topics).collect()
    }

    /// Whether a letter is of a topic, so that its replay needs the streamers.
    #[cfg(feature = "cli")]
    pub(crate) fn is_of_a_topic(&self, letter: &DeadLetter) -> bool {
        matches!(self.taker(letter), Ok(Taker::Topic(_)))
    }

    /// Connects the streamers of an app that does [nothing by itself](App::idle).
    #[cfg(feature = "cli")]
    pub(crate) async fn connect(&self) -> Result<()> {
        self.connections.connect().await
    }

    pub(crate) fn store(&self) -> Result<&Arc<dyn Store>, ReplayError> {
        let log = self.desk.log();
        let no_store = || ReplayError::NoStore(self.topology.service.clone());
        Ok(&log.ok_or_else(no_store)?.store)
    }

    fn taker(&self, letter: &DeadLetter) -> Result<Taker<'_>, ReplayError> {
        let subscriptions = self.topology.subscriptions.iter();
        let mut of_handler = subscriptions
            .filter(|known| self.topology.full_name(known.handler) == letter.handler)
            .peekable();
        let first = of_handler.peek().copied();
        let of_origin = of_handler.find(|known| is_from(letter, known));
        if let Some(handler) = of_origin.or(first) {
            return Ok(Taker::Handler(handler));
        }
        let events = self.topology.events.iter();
        let mut targets = events.flat_map(|event| event.targets);
        let topic = targets.find(|target| target.topic.to_string() == letter.handler);
        let nobody = || ReplayError::NobodyTakesIt(letter.handler.clone());
        topic.map(Taker::Topic).ok_or_else(nobody)
    }

    async fn handle_again(
        &self,
        subscription: &Subscription,
        number: u64,
        letter: &DeadLetter,
    ) -> Result<Replayed, String> {
        let stop = self.taking.child_token();
        let ends = (CancellationToken::new(), stop);
        // It gives nothing up, so nothing goes there.
        let (dead_letters, counters) = (DeadLetters::Log, Arc::new(Counters::default()));
        let worker = self
            .staff
            .worker(subscription, dead_letters, &counters, ends);
        let is_new = worker.replay(number, letter).await?;
        Ok(if is_new {
            Replayed::Handled
        } else {
            Replayed::Repeated
        })
    }

    async fn stream_again(&self, target: &Target, letter: &DeadLetter) -> Result<Replayed, String> {
        let topic = &target.topic;
        let streamer = self.connections.publisher(topic, target.open);
        let streamer = streamer.map_err(|error| error.to_string())?;
        let mut batch = [Outgoing::new(letter.message.clone())];
        streamer.publish(topic.topic, &mut batch).await;
        let [outgoing] = batch;
        let result = outgoing.into_result().map_err(|error| error.to_string());
        result.map(|()| Replayed::Streamed)
    }
}

/// Whether a letter came from the topic of this subscription.
fn is_from(letter: &DeadLetter, subscription: &Subscription) -> bool {
    subscription.topic.is_some_and(|topic| {
        let rest = letter.origin.strip_prefix(&topic.to_string());
        rest.is_some_and(|rest| rest.starts_with('/'))
    })
}

/// The letters that are being replayed by this app.
#[derive(Default)]
pub(super) struct Replays(Mutex<HashSet<u64>>);

/// One that is being replayed, until this is dropped.
struct Busy<'a> {
    replays: &'a Replays,
    number: u64,
}

impl Replays {
    fn begin(&self, number: u64) -> Result<Busy<'_>, ReplayError> {
        if !self.busy().insert(number) {
            return Err(ReplayError::Busy(number));
        }
        Ok(Busy {
            replays: self,
            number,
        })
    }

    fn busy(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.replays.busy().remove(&self.number);
    }
}

/// Who a dead letter goes to once more.
enum Taker<'a> {
    Handler(&'a Subscription),
    Topic(&'a Target),
}

#[cfg(feature = "cli")]
impl App {
    /// The app, checked, but nothing is connected, subscribed or read: it does what it is told.
    pub(crate) fn idle(self) -> Result<Running> {
        let topology = self.topology();
        start::start_idle(self, topology)
    }
}
