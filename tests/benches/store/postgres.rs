//! `PostgreSQL`.

use std::time::{Duration, Instant};

use fanfare::store::sqlx::postgres::{PgConnection, PgPool};
use fanfare::store::sqlx::{Connection, query, query_as};
use fanfare::store::{PostgresStore, Store};
use fanfare_tests::Postgres;

use super::{Database, Row};

/// Two databases of a server of their own.
pub(super) struct Server {
    store: String,
    bare: String,
    /// Of the store's database.
    reader: PgPool,
    _running: Postgres,
}

impl Database for Server {
    type Store = PostgresStore;

    const NAME: &str = "Postgres";

    async fn new() -> Self {
        let server = Postgres::start();
        let (store, bare) = (server.database().await, server.database().await);
        for url in [&store, &bare] {
            let store = PostgresStore::connect(url).await.expect("connected");
            store.close().await.expect("closed");
        }
        let reader = PgPool::connect_lazy(&store).expect("a URL");
        Server {
            store,
            bare,
            reader,
            _running: server,
        }
    }

    async fn open(&self) -> PostgresStore {
        PostgresStore::connect(&self.store)
            .await
            .expect("connected")
    }

    async fn written(&self, after: u64, first: usize) -> (Vec<Row>, usize) {
        let after = i64::try_from(after).expect("not so many");
        let first = i64::try_from(first).expect("not so many");
        let rows = query_as(
            "SELECT name, key, id, source, event, position FROM fanfare_events
            WHERE position > $1 ORDER BY position",
        );
        let rows = rows.bind(after).fetch_all(&self.reader).await;
        // All of a transaction have the same time.
        let times =
            query_as("SELECT count(DISTINCT appended) FROM fanfare_events WHERE position > $1");
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
        let mut connection = PgConnection::connect(&self.bare).await.expect("connected");
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
            "SELECT position, event FROM fanfare_events
            WHERE position > $1 ORDER BY position LIMIT $2",
        );
        let page = page.bind(after).bind(most).fetch_all(&self.reader);
        page.await.expect("read")
    }
}

async fn insert(connection: &mut PgConnection, rows: &[Row]) {
    let insert = query(
        "INSERT INTO fanfare_events (name, key, id, source, event, position) SELECT *
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])",
    );
    let insert = insert
        .bind(rows.iter().map(|row| &*row.0).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.1.as_deref()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| &*row.2).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| &*row.3).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| &*row.4).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.5).collect::<Vec<_>>());
    insert.execute(connection).await.expect("inserted");
}
