//! A store in `PostgreSQL`.

mod log;
mod open;
mod own;
mod sequence;
mod tables;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use sqlx::postgres::PgPool;
use sqlx::{Postgres, Transaction};

use self::own::Keeper;
use super::sql::{Failure, Group, Place, bounded, in_batches};
use super::{
    Appended, DeadLetter, Entry, Mark, Ownership, Page, Query, Start, Store, StoreError,
    StoreFuture,
};

/// A store in `PostgreSQL`, 12 or newer, which the instances of a service share.
///
/// What it confirmed survives what the server says it survives: a crash of the machine, unless
/// `synchronous_commit` is off there; the loss of the primary, where it waits for a standby. Its
/// tables are called `fanfare_...`, so the database can be that of the service's own tables too.
/// A clone is another handle to the same store.
///
/// An event that is written when another is committed is read after it, and those of one transaction
/// in the order in which it wrote them: so what one publisher announces, one after another, stays
/// in its order, by key too. Of two transactions that overlap, the events of either may come
/// first, or between those of the other. However long they take, no event is skipped, and no
/// transaction that is open delays the events of another. (A snapshot that is held open for hours makes reading slower, as it keeps the
/// server from cleaning up behind it.)
///
/// Instances share the work by topic and by handler: a topic is streamed by one instance at a time,
/// and the service's own events are given to a handler by one instance at a time, which keeps them
/// in order by key. So a topic goes no faster with more instances, and with fewer topics and
/// handlers than instances some have nothing to do here. Each instance has as many as any other
/// that wants the same, or one more. One that starts is given its share within seconds, when what
/// is in flight elsewhere is done: the batch of a topic, and what a handler has begun. Nothing is
/// streamed or handled twice by that, unless the streamer fails just then. One that ends well gives back what it has, and one that dies
/// loses it; what it was busy with is then done again.
///
/// The right to work with a topic or a handler is an advisory lock of a connection that each store has
/// for that, beside those of its pool. It ends at once when the process ends, and within seconds
/// when the network does: the store notices within 4, the server within 11. (Where the server ends
/// only this connection, the store notices within 1 second, and another may be at work before.) A
/// pooler in transaction mode cannot hold such locks, and is refused.
///
/// What is appended at once is written in one transaction, but for what a handler has announced with
/// `deduplicate`, so that the more do so the less each waits for the server's disk.
///
/// Every call ends within 30 seconds, but for pruning, which goes in parts: dropped half way, some
/// are done. A call waits 10 seconds for a connection, or for a lock that another transaction holds.
///
/// A connection that is encrypted needs sqlx with one of its TLS features, which the service's
/// own `Cargo.toml` chooses:
///
/// ```toml
/// sqlx = { version = "0.9", default-features = false, features = ["tls-rustls"] }
/// ```
///
/// ```no_run
/// use fanfare::store::{PostgresStore, Start, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fanfare::Result<()> {
/// let store = PostgresStore::connect("postgres://blog:secret@localhost/blog").await?;
/// assert_eq!(store.cursor("blog.index_post", Start::Beginning).await?, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    place: Place,
    pool: PgPool,
    /// What is appended without a mark.
    appends: Group<log::LogWriter>,
    keeper: Keeper,
}

impl PostgresStore {
    /// Connects to the database of this URL, and makes the tables where they are not there, in the
    /// first schema of its `search_path`. Several instances can do so at once.
    ///
    /// Where the tables are there, the user needs no right to make any.
    ///
    /// # Errors
    /// [`StoreError`] where the server cannot be reached within 10 seconds or does not let us in,
    /// is too old, does not keep text as UTF-8, begins transactions as anything but READ COMMITTED
    /// by default, or has tables of a newer version than this program knows. No error holds the
    /// password.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        open::url(url).await
    }

    /// A store in the database of this pool, whose tables it makes where they are not there.
    ///
    /// # Errors
    /// As [`connect`](PostgresStore::connect); how long it waits says the pool.
    pub async fn with_pool(pool: PgPool) -> Result<Self, StoreError> {
        open::pool(pool).await
    }

    /// The pool, for the service's own tables.
    pub fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// Begins a transaction, for the service's own rows and, by
    /// [`Transaction::append`](super::Transaction::append), for events.
    ///
    /// # Errors
    /// [`StoreError`] where there is no connection in time.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let begun = self.0.pool.begin();
        bounded(&self.0.place, async { Ok(begun.await?) }).await
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        bounded(&self.0.place, work)
    }
}

impl Store for PostgresStore {
    fn append<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Appended> {
        self.call(async move {
            match entry.mark {
                Some(_) => log::append_marked(&self.0.pool, entry).await,
                None => self.0.appends.append(entry).await,
            }
        })
    }

    fn read<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        self.call(log::read(&self.0.pool, query))
    }

    fn end(&self) -> StoreFuture<'_, u64> {
        self.call(log::end(&self.0.pool))
    }

    fn cursor<'a>(&'a self, name: &'a str, start: Start) -> StoreFuture<'a, u64> {
        self.call(tables::cursor(&self.0.pool, name, start))
    }

    fn advance<'a>(&'a self, name: &'a str, from: u64, to: u64) -> StoreFuture<'a, bool> {
        self.call(tables::advance(&self.0.pool, name, from, to))
    }

    fn rewind<'a>(&'a self, name: &'a str, to: u64) -> StoreFuture<'a, bool> {
        self.call(tables::rewind(&self.0.pool, name, to))
    }

    fn cursors(&self) -> StoreFuture<'_, Vec<(String, u64)>> {
        self.call(tables::cursors(&self.0.pool))
    }

    fn forget_cursor<'a>(&'a self, name: &'a str) -> StoreFuture<'a, bool> {
        self.call(tables::forget_cursor(&self.0.pool, name))
    }

    fn own<'a>(&'a self, cursor: &'a str) -> StoreFuture<'a, Option<Ownership>> {
        self.call(self.0.keeper.own(&self.0.place, &self.0.pool, cursor))
    }

    fn is_handled<'a>(&'a self, mark: &'a Mark) -> StoreFuture<'a, bool> {
        self.call(tables::is_handled(&self.0.pool, mark))
    }

    fn bury<'a>(&'a self, letter: &'a DeadLetter) -> StoreFuture<'a, u64> {
        self.call(tables::bury(&self.0.pool, letter))
    }

    fn dead_letters(&self, after: u64, max: usize) -> StoreFuture<'_, Vec<(u64, DeadLetter)>> {
        self.call(tables::dead_letters(&self.0.pool, after, max))
    }

    fn dead_letter(&self, number: u64) -> StoreFuture<'_, Option<DeadLetter>> {
        self.call(tables::dead_letter(&self.0.pool, number))
    }

    fn drop_dead_letter(&self, number: u64) -> StoreFuture<'_, bool> {
        self.call(tables::drop_dead_letter(&self.0.pool, number))
    }

    fn prune_marks(&self, before: SystemTime) -> StoreFuture<'_, u64> {
        let batch = move || self.call(tables::prune_marks(&self.0.pool, before));
        Box::pin(in_batches(batch))
    }

    fn prune_events(&self, before: SystemTime) -> StoreFuture<'_, u64> {
        let batch = move || self.call(log::prune(&self.0.pool, before));
        Box::pin(in_batches(batch))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.call(async move {
            self.0.keeper.end().await;
            self.0.pool.close().await;
            Ok(())
        })
    }
}

impl super::Transaction for Transaction<'_, Postgres> {
    type Store = PostgresStore;

    fn append<'a>(&'a mut self, entry: &'a Entry) -> StoreFuture<'a, Appended> {
        Box::pin(async move {
            let place = Place::new("the transaction's database");
            bounded(&place, log::write(self, entry)).await
        })
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore").field(&self.0.place).finish()
    }
}
