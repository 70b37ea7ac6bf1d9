//! A server that is gone.

use fanfare::store::PostgresStore;
use fanfare_tests::Postgres;

use crate::{Noted, Service, assert_says, stored, until};

#[tokio::test]
async fn what_a_server_takes_with_it_in_a_transaction_never_appears() {
    let server = Postgres::start();
    let store = PostgresStore::connect(&server.database().await).await;
    let store = store.expect("connected");
    let mut service = Service::start(store.clone()).await;
    let publisher = service.running.publisher_with::<PostgresStore>();
    let publisher = publisher.expect("it is that store");
    service.publish(0, 10).await.expect("published");
    service.comes([0]).await;

    let mut transaction = store.begin().await.expect("begun");
    let text = String::new();
    let mut within = publisher.within(&mut transaction);
    within
        .publish(Noted { number: 1, text })
        .await
        .expect("written");
    server.kill();
    transaction.commit().await.expect_err("no server");
    assert_says(
        service.publish(2, 10).await,
        &["`Noted` was not stored", "PostgreSQL at 127.0.0.1"],
    );
    server.restart();

    until("a server", async || service.publish(3, 10).await.is_ok()).await;
    service.comes([3]).await;
    assert_eq!(stored(&store).await, [0, 3]);
    service.end().await;
}
