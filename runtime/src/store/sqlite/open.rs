//! How a store is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, query_scalar, raw_sql};
use tokio::time::{Instant, sleep};

use super::super::StoreError;
use super::super::sql::{
    Failure, Group, Place, TABLE, WAIT, bounded, is_current, migrate, migrator,
};
use super::log::LogWriter;
use super::worker::Worker;
use super::{Inner, SqliteStore};

/// More readers than this wait for each other.
const READERS: u32 = 8;

pub(super) async fn path(path: &Path) -> Result<SqliteStore, StoreError> {
    let options = SqliteConnectOptions::new().busy_timeout(WAIT);
    // No connection is tested: there is no network that it could be lost by.
    let one = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(WAIT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None);
    if path == ":memory:" {
        let options = options.filename(path);
        let pool = one.connect_lazy_with(options);
        return self::pool(pool.clone(), pool).await;
    }
    let options = options
        .filename(path)
        .create_if_missing(true)
        .synchronous(SqliteSynchronous::Full);
    let place = Place::new(format!("the SQLite database {}", path.display()));
    bounded(&place, write_ahead(&options)).await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .acquire_timeout(WAIT);
    let readers = readers.connect_lazy_with(options.clone());
    pool(readers, one.connect_lazy_with(options)).await
}

/// Turns the write-ahead log on, which a file keeps. `SQLite` does not wait where somebody else is
/// just doing the same, so we do.
async fn write_ahead(options: &SqliteConnectOptions) -> Result<(), Failure> {
    let deadline = Instant::now() + WAIT;
    let mut pause = Duration::from_millis(1);
    loop {
        match try_write_ahead(options).await {
            Err(failure) if failure.is_busy() && Instant::now() < deadline => {
                sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(100));
            }
            other => return other,
        }
    }
}

async fn try_write_ahead(options: &SqliteConnectOptions) -> Result<(), Failure> {
    let mut connection = options.connect().await?;
    let mode: String = query_scalar("PRAGMA journal_mode = WAL")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    if mode == "wal" {
        return Ok(());
    }
    let fault = format!("cannot have a write-ahead log here: its journal stays in mode {mode:?}");
    Err(Failure::Said(fault))
}

pub(super) async fn pool(pool: SqlitePool, writer: SqlitePool) -> Result<SqliteStore, StoreError> {
    let path = pool.connect_options().get_filename().to_owned();
    let place = Place::new(format!("the SQLite database {}", path.display()));
    let worker = bounded(&place, prepare(&pool, &writer)).await?;
    Ok(SqliteStore(Arc::new(Inner {
        place,
        pool,
        appends: Group::new(LogWriter(writer.clone())),
        writer,
        worker,
    })))
}

/// Makes the tables, and finds out which file they are in.
async fn prepare(pool: &SqlitePool, writer: &SqlitePool) -> Result<Arc<Worker>, Failure> {
    let mut connection = writer.acquire().await?;
    let file: Option<String> =
        query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
            .fetch_optional(&mut *connection)
            .await?;
    let file = file.filter(|file| !file.is_empty());
    if file.is_none() && pool.options().get_max_connections() > 1 {
        let fault = "a database in memory is another one for each connection: give its pool one \
                     connection, that never ends (max_connections(1), idle_timeout(None), \
                     max_lifetime(None))";
        return Err(Failure::Said(fault.to_owned()));
    }
    make_tables(&mut connection).await?;
    let Some(file) = file.map(PathBuf::from) else {
        return Ok(Worker::alone());
    };
    // One file, one lock, by whichever name it is opened.
    let file = std::fs::canonicalize(&file).unwrap_or(file);
    Ok(Worker::of(&file))
}

async fn make_tables(connection: &mut SqliteConnection) -> Result<(), Failure> {
    let migrator = migrator(&[include_str!("migrations/1_log.sql")]);
    let has_tables = query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)")
        .bind(TABLE)
        .fetch_one(&mut *connection)
        .await?;
    if has_tables && is_current(&migrator, connection).await? {
        return check_writable(connection).await;
    }
    // In a transaction, so that of those who open a fresh file at once the first makes them.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrate(&migrator, &mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// That a file is read-only is found out now, and not at the first event.
async fn check_writable(connection: &mut SqliteConnection) -> Result<(), Failure> {
    let patience: i64 = query_scalar("PRAGMA busy_timeout")
        .fetch_one(&mut *connection)
        .await?;
    // Whoever is writing just now shows that it can be done, and is not waited for.
    let written = raw_sql("PRAGMA busy_timeout = 0; DELETE FROM fanfare_cursors WHERE false")
        .execute(&mut *connection)
        .await;
    raw_sql(AssertSqlSafe(format!("PRAGMA busy_timeout = {patience}")))
        .execute(&mut *connection)
        .await?;
    match written.map_err(Failure::from) {
        Err(failure) if !failure.is_busy() => Err(failure),
        _ => Ok(()),
    }
}
