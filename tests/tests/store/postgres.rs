//! The store in `PostgreSQL`.

use fanfare::store::PostgresStore;
use fanfare_tests::Postgres;

use crate::Scene;

async fn scene() -> Scene<PostgresStore> {
    let url = Postgres::shared().database().await;
    let store = PostgresStore::connect(&url).await.expect("connected");
    let other = PostgresStore::connect(&url).await.expect("connected");
    Scene::new(store, other, ())
}

crate::suite!(scene);
