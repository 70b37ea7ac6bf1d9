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

#[test]
fn handlers_that_publish_within_transactions_want_their_store() {
    let faults = fanfare::App::new("shop").check().expect_err("no store");
    let faults: Vec<_> = faults.iter().map(|fault| fault.mistake.as_str()).collect();
    let start = "the app's store was not given, and within transactions of `fanfare::store::sqlite::SqliteStore` publishes handler";
    let of_stores = faults.iter().filter(|mistake| mistake.starts_with(start));
    assert_eq!(of_stores.count(), 1, "{faults:?}");
}
