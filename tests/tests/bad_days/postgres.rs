//! A server that is gone, or whose disk takes no more.

use std::str::FromStr;
use std::time::Duration;

use fanfare::store::PostgresStore;
use fanfare::store::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use fanfare::store::sqlx::{query, query_scalar};
use fanfare_tests::Postgres;

use crate::{Noted, Service, assert_says, stored, until};

/// A store of which a call does not wait long for a server.
async fn store(url: &str) -> PostgresStore {
    let options = PgConnectOptions::from_str(url).expect("valid");
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_secs(2))
        .connect_lazy_with(options);
    PostgresStore::with_pool(pool).await.expect("connected")
}

#[tokio::test]
async fn what_a_server_takes_with_it_in_a_transaction_never_appears() {
    let server = Postgres::start();
    let store = store(&server.database().await).await;
    let mut service = Service::start(store.clone()).await;
    let publisher = service.running.publisher_with::<PostgresStore>();
    let publisher = publisher.expect("it is that store");
    service.publish(0, 10).await.expect("published");
    service.comes([0]).await;

    let mut transaction = store.begin().await.expect("begun");
    let mut within = publisher.within(&mut transaction);
    let (number, text) = (1, String::new());
    let written = within.publish(Noted { number, text }).await;
    written.expect("written");
    server.kill();
    transaction.commit().await.expect_err("no server");
    let says = ["`Noted` was not stored", "PostgreSQL at 127.0.0.1"];
    assert_says(service.publish(2, 10).await, &says);
    server.restart();

    until("a server", async || service.publish(3, 10).await.is_ok()).await;
    service.comes([3]).await;
    assert_eq!(stored(&store).await, [0, 3]);
    service.end().await;
}

#[tokio::test]
async fn what_finds_no_room_is_an_error_and_all_goes_on_when_there_is_some() {
    // As long as a segment of its write-ahead log, which it has to write.
    const LENGTH: &str = "16777216";
    let server = Postgres::start();
    let url = server.database().await;
    server.limit(LENGTH, &[]);
    let store = store(&url).await;
    let mut service = Service::start(store.clone()).await;
    let plain = "ALTER TABLE fanfare_events ALTER event SET STORAGE EXTERNAL";
    query(plain).execute(store.pool()).await.expect("altered");
    let mut published = 0;
    let error = loop {
        match service.publish(published, 1_000_000).await {
            Ok(()) => published += 1,
            Err(error) => break error,
        }
    };
    let says = ["`Noted` was not stored", "could not extend file"];
    assert_says::<()>(Err(error), &says);
    service.comes(0..published).await;
    assert_eq!(stored(&store).await, (0..published).collect::<Vec<_>>());

    let processes = query_scalar(
        "SELECT pid FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname = current_database()",
    );
    let processes: Vec<i32> = processes.fetch_all(store.pool()).await.expect("asked");
    server.limit("unlimited", &processes);
    service.publish(published, 10_000).await.expect("published");
    service.comes([published]).await;
    service.end().await;
}
