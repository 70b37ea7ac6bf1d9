//! What differs from one database to another: how it is opened, and how a transaction is held just
//! before it commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare::Result;
use fanfare::store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use fanfare::store::sqlx::{self, Connection, PgConnection, query_scalar, raw_sql};
use fanfare::store::{PostgresStore, SqliteStore, Store, Transaction};

use super::point::{Point, die};

pub(super) trait Database {
    type Store: Store + Clone;
    type Begun: Transaction<Store = Self::Store>;

    async fn open(address: &str, point: Option<Point>) -> Result<Self::Store>;

    async fn begin(store: &Self::Store) -> Result<Self::Begun>;

    async fn commit(begun: Self::Begun) -> Result<()>;
}

pub(super) enum Sqlite {}

impl Database for Sqlite {
    type Store = SqliteStore;
    type Begun = sqlx::Transaction<'static, sqlx::Sqlite>;

    async fn open(address: &str, point: Option<Point>) -> Result<SqliteStore> {
        if point != Some(Point::Marked) {
            return Ok(SqliteStore::open(address).await?);
        }
        let options = SqliteConnectOptions::new()
            .filename(address)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let pool = SqlitePoolOptions::new()
            .after_connect(|connection, _| Box::pin(die_before_a_mark_commits(connection)))
            .connect_with(options)
            .await?;
        Ok(SqliteStore::with_pool(pool).await?)
    }

    async fn begin(store: &SqliteStore) -> Result<Self::Begun> {
        Ok(store.begin().await?)
    }

    async fn commit(begun: Self::Begun) -> Result<()> {
        Ok(begun.commit().await?)
    }
}

/// `SQLite` tells of a row of [`MARKED`], which a trigger writes with each mark, and asks before it
/// commits.
async fn die_before_a_mark_commits(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let is_marked = Arc::new(AtomicBool::new(false));
    let marking = Arc::clone(&is_marked);
    let mut handle = connection.lock_handle().await?;
    handle.set_update_hook(move |update| {
        if update.table == "marked" {
            marking.store(true, Ordering::SeqCst);
        }
    });
    handle.set_commit_hook(move || {
        if is_marked.load(Ordering::SeqCst) {
            die();
        }
        true
    });
    Ok(())
}

const MARKED: &str = "CREATE TABLE marked (mark TEXT);
    CREATE TRIGGER marking AFTER INSERT ON fanfare_marks
        BEGIN INSERT INTO marked VALUES (new.id); END";

/// What [`MARKED`] was for is over.
const UNMARKED: &str = "DROP TRIGGER marking; DROP TABLE marked";

pub(super) enum Postgres {}

impl Database for Postgres {
    type Store = PostgresStore;
    type Begun = sqlx::Transaction<'static, sqlx::Postgres>;

    async fn open(address: &str, _point: Option<Point>) -> Result<PostgresStore> {
        Ok(PostgresStore::connect(address).await?)
    }

    async fn begin(store: &PostgresStore) -> Result<Self::Begun> {
        Ok(store.begin().await?)
    }

    async fn commit(begun: Self::Begun) -> Result<()> {
        Ok(begun.commit().await?)
    }
}

/// A deferred trigger runs when all is written and the transaction is about to commit: there it
/// waits for a lock that we have. The server looks whether its client is still there, and rolls
/// back when it is not.
const HELD: &str = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER holding AFTER INSERT ON fanfare_marks
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold();
    SELECT pg_advisory_lock(4711)";

const UNHELD: &str = "DROP TRIGGER holding ON fanfare_marks; DROP FUNCTION hold";

const WAITING: &str = "SELECT count(*) > 0 FROM pg_locks
    WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Holds each transaction that has made a mark, just before it commits.
pub(super) enum Hold {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Hold {
    pub(super) async fn on(address: &str) -> Result<Hold> {
        // The tables are to be there.
        if !address.starts_with("postgres:") {
            SqliteStore::open(address).await?.close().await?;
            let options = SqliteConnectOptions::new().filename(address);
            let mut connection = SqliteConnection::connect_with(&options).await?;
            raw_sql(MARKED).execute(&mut connection).await?;
            return Ok(Hold::Sqlite(connection));
        }
        PostgresStore::connect(address).await?.close().await?;
        let mut connection = PgConnection::connect(address).await?;
        raw_sql("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET client_connection_check_interval = 10', current_database()); END $$")
            .execute(&mut connection)
            .await?;
        raw_sql(HELD).execute(&mut connection).await?;
        Ok(Hold::Postgres(connection))
    }

    /// Whether one is held; `SQLite` holds none, as its client has died there.
    pub(super) async fn holds(&mut self) -> Result<bool> {
        match self {
            Hold::Sqlite(_) => Ok(false),
            Hold::Postgres(connection) => Ok(query_scalar(WAITING).fetch_one(connection).await?),
        }
    }

    /// Lets go, when nobody is held any more.
    pub(super) async fn end(mut self) -> Result<()> {
        while self.holds().await? {
            tokio::task::yield_now().await;
        }
        match self {
            Hold::Sqlite(mut connection) => {
                raw_sql(UNMARKED).execute(&mut connection).await?;
                connection.close().await?;
            }
            Hold::Postgres(mut connection) => {
                raw_sql(UNHELD).execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }
}
