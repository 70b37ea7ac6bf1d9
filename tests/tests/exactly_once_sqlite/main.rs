//! Effects in a `SQLite` database, exactly once.

#[path = "../exactly_once/mod.rs"]
mod exactly_once;

use std::future::ready;

use fanfare::store::SqliteStore;
use tempfile::TempDir;

type TheStore = SqliteStore;

/// A folder with the database.
struct Place(TempDir);

impl Place {
    fn new() -> impl Future<Output = Self> {
        ready(Place(tempfile::tempdir().expect("a folder")))
    }

    async fn open(&self) -> SqliteStore {
        let store = SqliteStore::open(self.0.path().join("bank.db")).await;
        store.expect("opened")
    }
}
