//! The store in a file.

use std::path::PathBuf;
use std::time::Duration;

use fanfare::store::sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use fanfare::store::sqlx::{Error, Sqlite, Transaction, query, query_scalar};
use fanfare::store::{SqliteStore, Store, StoreError, Which};
use futures_util::FutureExt;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::task::yield_now;

use crate::durable::{Finish, Place, assert_says};
use crate::{Scene, all, append, entry, number, numbered};

/// A file in a folder of its own.
pub(crate) struct File {
    folder: TempDir,
}

impl File {
    fn path(&self) -> PathBuf {
        self.folder.path().join("events.db")
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
    }

    async fn pool(&self) -> SqlitePool {
        let pool = SqlitePoolOptions::new().connect_with(self.options());
        pool.await.expect("opened")
    }
}

impl Place for File {
    type Store = SqliteStore;

    const WORK: &[&'static str] = &[
        "SELECT 1",
        "SELECT count(*) FROM fanfare_cursors",
        "SELECT count(*) FROM fanfare_events",
    ];

    const REFUSE_BAD: &'static str = "CREATE TRIGGER no_bad BEFORE INSERT ON fanfare_events
        WHEN NEW.name = 'bad' BEGIN SELECT RAISE(ABORT, 'no_bad_events'); END";

    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        File { folder }
    }

    async fn open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(self.path()).await
    }

    fn address(&self) -> String {
        self.path().display().to_string()
    }

    async fn sql(&self, sql: &'static str) {
        let pool = self.pool().await;
        query(sql).execute(&pool).await.expect("done");
        pool.close().await;
    }

    async fn count(&self, sql: &'static str) -> i64 {
        let pool = self.pool().await;
        query_scalar(sql).fetch_one(&pool).await.expect("counted")
    }

    async fn begin(&self) -> impl fanfare::store::Transaction + Finish {
        self.pool().await.begin().await.expect("begun")
    }

    async fn begin_of(
        store: &SqliteStore,
    ) -> Result<impl fanfare::store::Transaction + Finish, StoreError> {
        store.begin().await
    }
}

impl Finish for Transaction<'_, Sqlite> {
    async fn run(&mut self, sql: &'static str) -> Result<(), Error> {
        query(sql).execute(&mut **self).await.map(drop)
    }

    async fn commit(self) -> Result<(), Error> {
        self.commit().await
    }

    async fn rollback(self) -> Result<(), Error> {
        self.rollback().await
    }
}

async fn scene() -> Scene<SqliteStore> {
    let file = File::new().await;
    let store = file.open().await.expect("opened");
    let other = file.open().await.expect("opened");
    Scene::new(store, other, file)
}

crate::suite!(scene);
crate::durable::durable!(File);
crate::together::together!(File);

mod in_memory {
    use fanfare::store::SqliteStore;

    use crate::Scene;

    async fn scene() -> Scene<SqliteStore> {
        let store = SqliteStore::open(":memory:").await.expect("opened");
        Scene::new(store.clone(), store, ())
    }

    crate::suite!(scene);
}

mod in_a_users_pool {
    use fanfare::store::SqliteStore;

    use super::File;
    use crate::Scene;
    use crate::durable::Place;

    async fn scene() -> Scene<SqliteStore> {
        let file = File::new().await;
        let store = SqliteStore::with_pool(file.pool().await)
            .await
            .expect("opened");
        let other = SqliteStore::with_pool(file.pool().await)
            .await
            .expect("opened");
        Scene::new(store, other, file)
    }

    crate::suite!(scene);
}

#[tokio::test]
async fn a_pool_in_memory_is_to_have_one_connection() {
    for url in [
        "sqlite::memory:",
        "sqlite:memory-of-all?mode=memory&cache=shared",
    ] {
        let many = SqlitePoolOptions::new().connect(url).await.expect("opened");
        assert_says(
            SqliteStore::with_pool(many).await,
            "one connection, that never ends",
        );
        let one = SqlitePoolOptions::new().max_connections(1).connect(url);
        let one = one.await.expect("opened");
        let store = SqliteStore::with_pool(one).await.expect("opened");
        append(&store, [numbered("a", 0)]).await;
        assert_eq!(all(&store, Which::All, 10).await.len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let folder = TempDir::new().expect("a folder");
    let nowhere = folder.path().join("no/such/folder/a.db");
    assert_says(
        SqliteStore::open(&nowhere).await,
        "its folder must be there",
    );
    assert_says(SqliteStore::open(folder.path()).await, "cannot be opened");
    let text = folder.path().join("a.txt");
    std::fs::write(
        &text,
        "no database, and long enough to be looked at ".repeat(100),
    )
    .expect("written");
    assert_says(SqliteStore::open(&text).await, "is no SQLite database");
}

#[tokio::test]
async fn a_store_whose_file_is_locked_fails_in_time() {
    let file = File::new().await;
    let options = file.options().busy_timeout(Duration::from_millis(50));
    let pool = SqlitePool::connect_with(options).await.expect("opened");
    let store = SqliteStore::with_pool(pool).await.expect("opened");
    let other = file.open().await.expect("opened");
    let writing = other.begin().await.expect("begun");
    let appended = store.append(&entry([numbered("a", 0)])).await;
    assert_says(
        appended,
        "is locked: another transaction has been writing for too long",
    );
    writing.rollback().await.expect("rolled back");
    append(&store, [numbered("a", 0)]).await;
}

#[test]
fn a_store_outlives_the_runtime_that_it_was_used_on() {
    let runtime = || Builder::new_current_thread().enable_all().build();
    let (first, second) = (runtime().expect("one"), runtime().expect("another"));
    let file = first.block_on(File::new());
    let store = first.block_on(file.open()).expect("opened");
    let turn = first.block_on(store.begin()).expect("begun");
    let entries = [0, 1].map(|n| entry([numbered("a", n)]));
    let mut dropped = store.append(&entries[0]);
    first.block_on(async {
        assert!((&mut dropped).now_or_never().is_none());
        // Whoever writes on this runtime now waits for its turn.
        yield_now().await;
    });
    let mut waiting = store.append(&entries[1]);
    second.block_on(async { assert!((&mut waiting).now_or_never().is_none()) });
    drop((dropped, first));
    second.block_on(async {
        turn.rollback().await.expect("rolled back");
        waiting.await.expect("appended");
        append(&store, [numbered("a", 2)]).await;
        let there = all(&store, Which::All, 10).await;
        let there: Vec<_> = there.iter().map(|(_, event)| number(event)).collect();
        assert_eq!(there, [1, 2]);
    });
}

#[tokio::test]
async fn one_process_works_at_a_time() {
    let file = File::new().await;
    let store = file.open().await.expect("opened");
    // The same file by another name.
    let link = file.folder.path().join("link.db");
    std::os::unix::fs::symlink(file.path(), &link).expect("linked");
    let other = SqliteStore::open(&link).await.expect("opened");
    let held = store.own("a").await.expect("asked").expect("free");
    assert!(other.own("a").await.expect("asked").is_none());
    assert!(other.own("b").await.expect("asked").is_some());
    drop(held);
    assert!(other.own("a").await.expect("asked").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_commits_is_kept() {
    crate::order::is_kept(&File::new().await, None).await;
}
