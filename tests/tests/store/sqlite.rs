//! The store in a file.

use fanfare::store::SqliteStore;
use tempfile::TempDir;

use crate::Scene;

async fn scene() -> Scene<SqliteStore> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("events.db");
    let store = SqliteStore::open(&path).await.expect("opened");
    let other = SqliteStore::open(&path).await.expect("opened");
    Scene::new(store, other, folder)
}

crate::suite!(scene);
