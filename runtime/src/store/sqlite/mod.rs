//! A store in a file: `SQLite`.

mod begin;
mod log;
mod open;
mod tables;
mod worker;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

use self::worker::Worker;
use super::sql::{Failure, Group, Place, bounded, in_batches};
use super::{
    Appended, DeadLetter, Entry, Mark, Ownership, Page, Query, Start, Store, StoreError,
    StoreFuture,
};

/// A store in a file: `SQLite`, which is compiled in.
///
/// What it confirmed survives a crash of the process and of the machine, and a loss of power, as
/// far as the disk keeps what it says it keeps. Its tables are called `fanfare_...`, so the file
/// can be that of the service's own tables too. A clone is another handle to the same store.
///
/// Several processes of one machine can open a file, and all of them can publish. One of them at a
/// time works: it has the right to every cursor that it asks for, and the next process gets that
/// when it ends or lets go of the last. A lock on the file `<database>-fanfare-worker` sees to it,
/// which is not to be deleted, nor to lie on a network's file system; neither is the database.
///
/// There is one writer at a time, and the others wait for it, up to 10 seconds. What is appended
/// meanwhile is then written in one transaction: the more do so at once, the less each waits for
/// the disk. Every call ends within 30 seconds, but for pruning, which goes in parts: dropped half way, some are done.
///
/// ```
/// use fanfare::store::{SqliteStore, Start, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> fanfare::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("fanfare-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("blog.db");
/// let store = SqliteStore::open(path).await?;
/// assert_eq!(store.cursor("blog.index_post", Start::Beginning).await?, 0);
/// # store.close().await?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    place: Place,
    /// The user's transactions, and what is read.
    pool: SqlitePool,
    /// What the store writes: where it has a connection of its own, in the order in which it was
    /// asked.
    writer: SqlitePool,
    /// What is appended, through the writer.
    appends: Group<log::LogWriter>,
    worker: Arc<Worker>,
}

impl SqliteStore {
    /// Opens a database file, and makes what is not there: the file, but not its folder, and the
    /// tables. `":memory:"` is a database in memory, with one connection for all.
    ///
    /// Several processes can open a fresh file at once.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be opened or written, is locked for longer than 10
    /// seconds, is no database, or has tables of a newer version than this program knows.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        open::path(path.as_ref()).await
    }

    /// A store in the database of this pool, whose tables it makes where they are not there.
    ///
    /// The pool's options are the user's: readers and the writer stand in each other's way unless
    /// the file has a write-ahead log (`journal_mode` WAL); only with `synchronous` FULL, `SQLite`'s default, does what
    /// is confirmed survive a loss of power; its `busy_timeout` and `acquire_timeout` say how long
    /// a call waits; and a database in memory is to have one connection that never ends
    /// (`max_connections(1)`, `idle_timeout(None)`, `max_lifetime(None)`).
    ///
    /// # Errors
    /// As [`open`](SqliteStore::open).
    pub async fn with_pool(pool: SqlitePool) -> Result<Self, StoreError> {
        open::pool(pool.clone(), pool).await
    }

    /// The pool, for the service's own tables.
    ///
    /// A transaction that reads before it writes fails where another wrote in between, unless it
    /// is begun with [`begin`](SqliteStore::begin).
    pub fn pool(&self) -> &SqlitePool {
        &self.0.pool
    }

    /// Begins a transaction that writes, for the service's own rows and, by
    /// [`Transaction::append`](super::Transaction::append), for events. Nobody else writes until
    /// it ends: it waits for its turn, and what the store itself writes waits for it.
    ///
    /// # Errors
    /// [`StoreError`] where its turn does not come in time.
    pub async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        bounded(&self.0.place, begin::begin(&self.0.writer)).await
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        bounded(&self.0.place, work)
    }
}

impl Store for SqliteStore {
    fn append<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Appended> {
        self.call(self.0.appends.append(entry))
    }

    fn read<'a>(&'a self, query: &'a Query) -> StoreFuture<'a, Page> {
        self.call(log::read(&self.0.pool, query))
    }

    fn end(&self) -> StoreFuture<'_, u64> {
        self.call(log::end(&self.0.pool))
    }

    fn cursor<'a>(&'a self, name: &'a str, start: Start) -> StoreFuture<'a, u64> {
        self.call(tables::cursor(&self.0.writer, name, start))
    }

    fn advance<'a>(&'a self, name: &'a str, from: u64, to: u64) -> StoreFuture<'a, bool> {
        self.call(tables::advance(&self.0.writer, name, from, to))
    }

    fn rewind<'a>(&'a self, name: &'a str, to: u64) -> StoreFuture<'a, bool> {
        self.call(tables::rewind(&self.0.writer, name, to))
    }

    fn cursors(&self) -> StoreFuture<'_, Vec<(String, u64)>> {
        self.call(tables::cursors(&self.0.pool))
    }

    fn forget_cursor<'a>(&'a self, name: &'a str) -> StoreFuture<'a, bool> {
        self.call(tables::forget_cursor(&self.0.writer, name))
    }

    fn own<'a>(&'a self, cursor: &'a str) -> StoreFuture<'a, Option<Ownership>> {
        self.call(async move { self.0.worker.own(cursor).map_err(Failure::Said) })
    }

    fn is_handled<'a>(&'a self, mark: &'a Mark) -> StoreFuture<'a, bool> {
        self.call(tables::is_handled(&self.0.pool, mark))
    }

    fn bury<'a>(&'a self, letter: &'a DeadLetter) -> StoreFuture<'a, u64> {
        self.call(tables::bury(&self.0.writer, letter))
    }

    fn dead_letters(&self, after: u64, max: usize) -> StoreFuture<'_, Vec<(u64, DeadLetter)>> {
        self.call(tables::dead_letters(&self.0.pool, after, max))
    }

    fn dead_letter(&self, number: u64) -> StoreFuture<'_, Option<DeadLetter>> {
        self.call(tables::dead_letter(&self.0.pool, number))
    }

    fn drop_dead_letter(&self, number: u64) -> StoreFuture<'_, bool> {
        self.call(tables::drop_dead_letter(&self.0.writer, number))
    }

    fn prune_marks(&self, before: SystemTime) -> StoreFuture<'_, u64> {
        let batch = move || self.call(tables::prune_marks(&self.0.writer, before));
        Box::pin(in_batches(batch))
    }

    fn prune_events(&self, before: SystemTime) -> StoreFuture<'_, u64> {
        let batch = move || self.call(log::prune(&self.0.writer, before));
        Box::pin(in_batches(batch))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.call(async move {
            self.0.writer.close().await;
            self.0.pool.close().await;
            Ok(())
        })
    }
}

impl super::Transaction for Transaction<'_, Sqlite> {
    type Store = SqliteStore;

    fn append<'a>(&'a mut self, entry: &'a Entry) -> StoreFuture<'a, Appended> {
        Box::pin(async move {
            let place = Place::new("the transaction's database");
            bounded(&place, log::write(self, entry)).await
        })
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteStore").field(&self.0.place).finish()
    }
}
