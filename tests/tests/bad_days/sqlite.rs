//! A file that cannot be written, or read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fanfare::store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
};
use fanfare::store::sqlx::{Connection, query};
use fanfare::store::{Entry, SqliteStore, Store};
use fanfare_tests::event;
use tempfile::TempDir;

use crate::{Service, assert_says, stored, until};

fn file() -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("diary.db");
    (folder, path)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(10))
}

async fn pool(options: SqliteConnectOptions, connections: u32) -> SqlitePool {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .connect_with(options);
    pool.await.expect("opened")
}

#[tokio::test]
async fn what_finds_no_room_is_an_error_and_all_goes_on_when_there_is_some() {
    let (_folder, path) = file();
    let options = options(&path)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("max_page_count", "200");
    let pool = pool(options, 4).await;
    for sql in [
        "CREATE TABLE ballast (bytes BLOB)",
        "INSERT INTO ballast VALUES (zeroblob(400000))",
    ] {
        query(sql).execute(&pool).await.expect("done");
    }
    let store = SqliteStore::with_pool(pool).await.expect("opened");
    let mut service = Service::start(store.clone()).await;
    let mut published = 0;
    let error = loop {
        match service.publish(published, 10_000).await {
            Ok(()) => published += 1,
            Err(error) => break error,
        }
    };
    // Also those who come later hear why.
    let mut errors = vec![error];
    for _ in 0..10 {
        let published = service.publish(published, 10_000).await;
        errors.push(published.expect_err("no room"));
    }
    for error in errors {
        assert_says::<()>(Err(error), &["diary.db is full: make room on its disk"]);
    }
    service.comes(0..published).await;
    assert_eq!(stored(&store).await, (0..published).collect::<Vec<_>>());

    let room = query("DROP TABLE ballast").execute(store.pool());
    room.await.expect("done");
    service.publish(published, 10_000).await.expect("published");
    service.comes([published]).await;
    service.end().await;
}

#[tokio::test]
async fn a_file_that_is_read_only_is_refused_at_the_start() {
    let (_folder, path) = file();
    let says = ["diary.db is read-only: make the file and its folder writable"];
    drop(File::create(&path).expect("created"));
    let read_only = options(&path).read_only(true);
    let opened = SqliteStore::with_pool(pool(read_only.clone(), 1).await).await;
    assert_says(opened, &says);
    // Also one that has the tables.
    let store = SqliteStore::with_pool(pool(options(&path), 1).await).await;
    store.expect("opened").close().await.expect("closed");
    let opened = SqliteStore::with_pool(pool(read_only, 1).await).await;
    assert_says(opened, &says);
}

#[tokio::test]
async fn a_file_that_somebody_writes_to_is_opened_all_the_same() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).await.expect("opened");
    let writing = store.begin().await.expect("begun");
    let pool = pool(options(&path), 1).await;
    SqliteStore::with_pool(pool).await.expect("opened");
    writing.rollback().await.expect("rolled back");
}

#[tokio::test]
async fn while_the_file_is_locked_nothing_is_lost_and_then_all_goes_on() {
    let (_folder, path) = file();
    // With a journal that keeps readers out, too; and calls fail soon.
    let options = options(&path)
        .journal_mode(SqliteJournalMode::Delete)
        .busy_timeout(Duration::from_millis(200));
    let store = SqliteStore::with_pool(pool(options, 4).await).await;
    let mut service = Service::start(store.expect("opened")).await;
    // Its own readers may be in the way, and soon are not.
    until("stored", async || service.publish(0, 10).await.is_ok()).await;
    service.comes([0]).await;

    let patient = SqliteConnectOptions::new().filename(&path);
    let other = SqliteConnection::connect_with(&patient).await;
    let mut other = other.expect("opened");
    until("a lock", async || {
        query("BEGIN EXCLUSIVE").execute(&mut other).await.is_ok()
    })
    .await;
    let locked = "diary.db is locked: another transaction has been writing for too long";
    assert_says(service.publish(1, 10).await, &[locked]);
    let says = ["the store cannot be read", locked];
    service.log.wait_for(1, &says).await;
    query("ROLLBACK").execute(&mut other).await.expect("done");

    until("stored", async || service.publish(2, 10).await.is_ok()).await;
    service.comes([2]).await;
    service.end().await;
    let store = SqliteStore::with_pool(pool(patient, 1).await).await;
    assert_eq!(stored(&store.expect("opened")).await, [0, 2]);
}

#[tokio::test]
async fn what_a_damaged_page_held_is_an_error_and_not_passed_over() {
    let (_folder, path) = file();
    let store = SqliteStore::open(&path).await.expect("opened");
    let mut service = Service::start(store.clone()).await;
    service.publish(0, 10).await.expect("published");
    service.comes([0]).await;
    service.end().await;
    let store = SqliteStore::open(&path).await.expect("opened");
    let note = |number| event("Noted", &format!(r#"{{"number":{number},"text":""}}"#));
    let events = (1..100).map(note).collect();
    let mark = None;
    let entry = Entry { events, mark };
    store.append(&entry).await.expect("appended");
    let cursors = store.cursors().await.expect("read");
    store.close().await.expect("closed");

    let good = std::fs::read(&path).expect("read");
    std::fs::write(&path, with_a_damaged_last_page(&good)).expect("written");
    let store = SqliteStore::open(&path).await.expect("opened");
    let mut service = Service::start(store.clone()).await;
    let damaged = "diary.db is damaged, or is no SQLite database: restore it from a backup";
    for what in ["a handler is fed from it", "events are streamed"] {
        let log = &service.log;
        log.wait_for(1, &["the store fails while", what, damaged])
            .await;
    }
    assert_says(service.publish(100, 10).await, &[damaged]);
    assert_eq!(store.cursors().await.expect("read"), cursors);
    assert!(service.taken.rest().is_empty() && service.streamed.rest().is_empty());
    service.end().await;

    std::fs::write(&path, good).expect("written");
    let store = SqliteStore::open(&path).await.expect("opened");
    let mut service = Service::start(store).await;
    service.comes(1..100).await;
    service.end().await;
}

fn with_a_damaged_last_page(file: &[u8]) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut damaged = file.to_vec();
    damaged[file.len() - PAGE..].fill(0xA5);
    damaged
}
