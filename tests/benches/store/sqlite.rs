//! `SQLite`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fanfare::store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqlitePool, SqliteSynchronous,
};
use fanfare::store::sqlx::{AssertSqlSafe, ConnectOptions, Connection, query, query_as};
use fanfare::store::{SqliteStore, Store};
use tempfile::TempDir;

use super::{Database, Row};

/// Two files in a folder of their own.
pub(super) struct File {
    folder: TempDir,
    /// Of the store's file.
    reader: SqlitePool,
}

impl File {
    fn store(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// With the same tables.
    fn bare(&self) -> PathBuf {
        self.folder.path().join("bare.db")
    }
}

/// As safe as the store.
fn options(path: &Path) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path);
    options.synchronous(SqliteSynchronous::Full)
}

impl Database for File {
    type Store = SqliteStore;

    const NAME: &str = "SQLite";

    async fn new() -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let reader = SqlitePool::connect_lazy_with(options(&folder.path().join("store.db")));
        let file = File { folder, reader };
        for path in [file.store(), file.bare()] {
            let store = SqliteStore::open(path).await.expect("opened");
            store.close().await.expect("closed");
        }
        file
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.store()).await.expect("opened")
    }

    async fn written(&self, after: u64, first: usize) -> (Vec<Row>, usize) {
        let after = i64::try_from(after).expect("not so many");
        let first = i64::try_from(first).expect("not so many");
        let rows = query_as(
            "SELECT name, key, id, source, event, position FROM fanfare_events
            WHERE position > ? ORDER BY position",
        );
        let rows = rows.bind(after).fetch_all(&self.reader).await;
        // All of a transaction have the same time.
        let times =
            query_as("SELECT count(DISTINCT appended) FROM fanfare_events WHERE position > ?");
        let times: (i64,) = times
            .bind(after + first)
            .fetch_one(&self.reader)
            .await
            .expect("read");
        (
            rows.expect("read"),
            usize::try_from(times.0).expect("a number"),
        )
    }

    async fn insert(&self, first: &[Row], rows: &[Row], at_once: usize) -> Duration {
        let mut connection = options(&self.bare()).connect().await.expect("opened");
        insert(&mut connection, first).await;
        let begun = Instant::now();
        for batch in rows.chunks(at_once) {
            insert(&mut connection, batch).await;
        }
        let took = begun.elapsed();
        connection.close().await.expect("closed");
        took
    }

    async fn page(&self, after: i64, most: i64) -> Vec<(i64, String)> {
        let page = query_as(
            "SELECT position, event FROM fanfare_events WHERE position > ? ORDER BY position LIMIT ?",
        );
        let page = page.bind(after).bind(most).fetch_all(&self.reader);
        page.await.expect("read")
    }
}

async fn insert(connection: &mut SqliteConnection, rows: &[Row]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.expect("after 1970").as_micros()).expect("before 292278994");
    let begun = connection.begin_with("BEGIN IMMEDIATE");
    let mut transaction = begun.await.expect("begun");
    let values = vec!["(?, ?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
    let sql = format!(
        "INSERT INTO fanfare_events (name, key, id, source, appended, event, position) VALUES {values}"
    );
    let mut insert = query(AssertSqlSafe(sql));
    for (name, key, id, source, event, position) in rows {
        insert = insert.bind(name).bind(key).bind(id).bind(source);
        insert = insert.bind(now).bind(event).bind(position);
    }
    insert.execute(&mut *transaction).await.expect("inserted");
    transaction.commit().await.expect("committed");
}
