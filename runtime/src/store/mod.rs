//! The store: the append-only log of a service's own events.
//!
//! With a store, [`Publisher::publish`](crate::Publisher::publish) returns when the log has the
//! event. The relay then streams it to each of its targets, and the service's own handlers are
//! given it from the log, each from a cursor of its own; a crash of the process at any point loses
//! none of that. What a handler publishes, and with `deduplicate` the mark that it has handled its
//! event, are written in one transaction. What could not be handled is kept in the store as a dead
//! letter, unless the handler names a topic for it.
//!
//! | store | feature | keeps across a crash | shared by instances |
//! |---|---|---|---|
//! | [`MemoryStore`] | | nothing: best effort, for tests | no |
//! | `SqliteStore` | `sqlite` | everything that was confirmed | by the processes of one machine; one of them works at a time |
//! | `PostgresStore` | `postgres` | everything that was confirmed | yes, and they share the work by topic and by handler |

mod feed;
mod memory;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod relay;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod transaction;
mod wake;

use std::fmt;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
/// The library whose pools and transactions the stores in SQL take.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sqlx;
pub use transaction::Transaction;

pub(crate) use feed::Feed;
pub(crate) use relay::Relay;
pub(crate) use wake::Wake;

use crate::event::{Envelope, Message};
use crate::streamer::BoxFuture;

/// What a store's methods give.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A log of events with cursors, an inbox and dead letters.
///
/// Called by the runtime, from many tasks at once. Every method may be dropped half way: what it
/// was to write is then written whole or not at all. An error means that nothing is known to be
/// written; the caller logs it and tries again, or hands it to the publisher.
///
/// Positions count from 1 in the order in which events became visible: once an event at a position
/// was read, none will ever appear before it. They may have gaps.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no store",
    label = "no store",
    note = "who publishes within a transaction names its store: take `Publisher<SqliteStore>` or `Publisher<PostgresStore>` in the place of `Publisher`, as an argument of a handler or from `running.publisher_with()`"
)]
pub trait Store: Send + Sync + 'static {
    /// Appends all events and the mark, or nothing. Returned, they survive what the store says it
    /// survives.
    fn append<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Appended>;

    /// Reads events in the order of their positions.
    fn read<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page>;

    /// The last position of the log, of all events that were committed before the call.
    fn end(&self) -> StoreFuture<'_, u64>;

    /// Where a cursor stands: at the position that it has passed. One that there is not yet is
    /// made, at its start.
    fn cursor<'a>(&'a self, name: &'a str, start: Start) -> StoreFuture<'a, u64>;

    /// Moves a cursor, if it still stands where the caller left it; says whether it did.
    fn advance<'a>(&'a self, name: &'a str, from: u64, to: u64) -> StoreFuture<'a, bool>;

    /// Sets a cursor, wherever it stands; false where there is none of this name. Whoever works
    /// with it finds out when it next moves it.
    fn rewind<'a>(&'a self, name: &'a str, to: u64) -> StoreFuture<'a, bool>;

    /// All cursors and where they stand, by name.
    fn cursors(&self) -> StoreFuture<'_, Vec<(String, u64)>>;

    /// Removes a cursor that nobody needs any more; false where there is none.
    fn forget_cursor<'a>(&'a self, name: &'a str) -> StoreFuture<'a, bool>;

    /// The right to work with a cursor, which one instance has at a time; `None` while another has
    /// it, or is to have it. It ends when it is dropped, and with the process. Whoever wants it asks
    /// again, every second or so: a store may share the cursors out among those who ask.
    fn own<'a>(&'a self, cursor: &'a str) -> StoreFuture<'a, Option<Ownership>>;

    /// Whether a handler has handled an event.
    fn is_handled<'a>(&'a self, mark: &'a Mark) -> StoreFuture<'a, bool>;

    /// Keeps a dead letter, and gives its number.
    fn bury<'a>(&'a self, letter: &'a DeadLetter) -> StoreFuture<'a, u64>;

    /// The dead letters after this number, at most so many, oldest first.
    fn dead_letters(&self, after: u64, max: usize) -> StoreFuture<'_, Vec<(u64, DeadLetter)>>;

    /// One of them.
    fn dead_letter(&self, number: u64) -> StoreFuture<'_, Option<DeadLetter>>;

    /// Removes a dead letter; false where there is none of this number.
    fn drop_dead_letter(&self, number: u64) -> StoreFuture<'_, bool>;

    /// Removes the marks of the inbox that were made before this time, and says how many.
    fn prune_marks(&self, before: SystemTime) -> StoreFuture<'_, u64>;

    /// Removes the events that every cursor has passed and that are older than this time, and says
    /// how many. Without any cursor it removes nothing. It may stop at events that are younger:
    /// older ones behind them, which a clock that was set back has left, go another time.
    fn prune_events(&self, before: SystemTime) -> StoreFuture<'_, u64>;

    /// Gives back what it has open. Called once, last.
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// What is written at once.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Events, in their order.
    pub events: Vec<Envelope>,
    /// That a handler has handled what led to them.
    pub mark: Option<Mark>,
}

/// What became of an [`Entry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// All of it is written.
    New,
    /// Nothing is written, because its mark had been made before.
    Repeated,
}

/// That a handler has handled an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// The handler, as `<service>.<handler>`.
    pub handler: String,
    /// The event's source.
    pub source: String,
    /// Its id.
    pub id: String,
}

impl Mark {
    /// Of a handler that is called so.
    pub(crate) fn of(handler: &str, event: &Envelope) -> Self {
        Mark {
            handler: handler.to_owned(),
            source: event.source().to_owned(),
            id: event.id().to_string(),
        }
    }
}

/// What to read of the log.
#[derive(Clone, Debug)]
pub struct Query {
    /// The position after which to begin; 0 is the beginning.
    pub after: u64,
    /// Which events.
    pub of: Which,
    /// The most events to give.
    pub max: usize,
}

/// Which events of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those of these names.
    Named(Vec<String>),
    /// Those of this key.
    Keyed(String),
}

/// A part of the log.
#[derive(Clone, Debug)]
pub struct Page {
    /// Events and their positions, in ascending order.
    pub events: Vec<(u64, Envelope)>,
    /// How far was looked: there is no other event up to here, nor will there be.
    pub up_to: u64,
}

/// Where a new cursor starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Before the first event that the log holds.
    Beginning,
    /// Behind the last one.
    Now,
}

/// What could not be handled, or streamed.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// The handler that gave it up; for an event that a streamer refused, `streamer/topic`.
    pub handler: String,
    /// Why.
    pub reason: String,
    /// Where it was delivered.
    pub origin: String,
    /// How many attempts were made.
    pub attempts: u32,
    /// When it was given up.
    pub time: SystemTime,
    /// The message as it came.
    pub message: Message,
}

/// The right to work with a cursor. Dropped, it goes to the next who asks.
///
/// Whoever has it moves the cursor behind what is done and, when the right is
/// [asked back](Ownership::asked_back), begins nothing new, finishes what is in flight, moves the
/// cursor and drops the right: nothing is done twice then, and nothing out of order. When it is
/// [lost](Ownership::lost), another may have it already: nothing is to be begun, or tried again.
pub struct Ownership {
    /// Ended when the right is lost without having been given back.
    lost: CancellationToken,
    /// Ended when another instance is to have it.
    asked_back: CancellationToken,
    /// Gives it back when it is dropped.
    _guard: Box<dyn Send + Sync>,
}

impl Ownership {
    /// One that is given back by dropping `guard`, and lost when `lost` is cancelled.
    pub fn new(guard: impl Send + Sync + 'static, lost: CancellationToken) -> Self {
        Ownership {
            lost,
            asked_back: CancellationToken::new(),
            _guard: Box::new(guard),
        }
    }

    /// The same, asked back when this is cancelled.
    #[must_use]
    pub fn with_asked_back(self, asked_back: CancellationToken) -> Self {
        Ownership { asked_back, ..self }
    }

    /// Until the right is lost.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Until another instance is to have it. It stays with whoever has it until it is dropped,
    /// however long that takes; a store that shares nothing out never asks.
    pub async fn asked_back(&self) {
        self.asked_back.cancelled().await;
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    pub(crate) fn is_asked_back(&self) -> bool {
        self.asked_back.is_cancelled()
    }

    /// What comes of it, unless the right is lost before.
    pub(crate) async fn unless_lost<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.lost.run_until_cancelled(work).await
    }
}

impl fmt::Debug for Ownership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ownership")
            .field("is_lost", &self.is_lost())
            .field("is_asked_back", &self.is_asked_back())
            .finish_non_exhaustive()
    }
}

/// What went wrong in a store, in words for the operator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// From an error of the library, or from a sentence.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        StoreError(error.into())
    }
}
