//! The store in `PostgreSQL`.

use std::str::FromStr;
use std::time::Duration;

use fanfare::store::sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use fanfare::store::sqlx::{Error, Postgres as Database, Transaction, query, query_scalar};
use fanfare::store::{Entry, PostgresStore, Start, Store, StoreError, Which};
use fanfare_tests::Postgres;
use futures_util::future::join_all;

use crate::durable::{Finish, Place, assert_says};
use crate::{Scene, all, append, entry, mark, number, numbered};

/// A database of the server that all tests here share.
pub(crate) struct Shared {
    pub(crate) url: String,
}

impl Shared {
    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::from_str(&self.url).expect("valid")
    }

    async fn pool(&self) -> PgPool {
        PgPool::connect(&self.url).await.expect("connected")
    }
}

impl Place for Shared {
    type Store = PostgresStore;

    const WORK: &[&'static str] = &[
        "SELECT 1",
        "SELECT pg_sleep(0.001)",
        "SELECT pg_sleep(0.01)",
        "SELECT pg_sleep(0.1)",
    ];

    const REFUSE_BAD: &'static str =
        "ALTER TABLE fanfare_events ADD CONSTRAINT no_bad_events CHECK (name <> 'bad')";

    async fn new() -> Self {
        let url = Postgres::shared().database().await;
        Shared { url }
    }

    async fn open(&self) -> Result<PostgresStore, StoreError> {
        PostgresStore::connect(&self.url).await
    }

    async fn open_for_many(&self) -> Result<PostgresStore, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(60)
            .connect_lazy_with(self.options());
        PostgresStore::with_pool(pool).await
    }

    async fn open_for_one(&self) -> Result<PostgresStore, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(self.options());
        PostgresStore::with_pool(pool).await
    }

    fn address(&self) -> String {
        self.url.clone()
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
        store: &PostgresStore,
    ) -> Result<impl fanfare::store::Transaction + Finish, StoreError> {
        store.begin().await
    }
}

impl Finish for Transaction<'_, Database> {
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

async fn scene() -> Scene<PostgresStore> {
    let place = Shared::new().await;
    let store = place.open().await.expect("opened");
    let other = place.open().await.expect("opened");
    Scene::new(store, other, place)
}

crate::suite!(scene);
crate::durable::durable!(Shared);
crate::together::together!(Shared);

/// A pool of one connection.
mod in_a_users_pool {
    use fanfare::store::PostgresStore;

    use super::Shared;
    use crate::Scene;
    use crate::durable::Place;

    async fn scene() -> Scene<PostgresStore> {
        let place = Shared::new().await;
        let store = async || place.open_for_one().await.expect("opened");
        let (store, other) = (store().await, store().await);
        Scene::new(store, other, place)
    }

    crate::suite!(scene);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_says_so_in_time() {
    let options = PgConnectOptions::from_str("postgres://blog:s3cr3t@127.0.0.1:1/blog");
    let pool = PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(100))
        .connect_lazy_with(options.expect("valid"));
    let error = PostgresStore::with_pool(pool)
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("127.0.0.1:1 (database blog, user blog) cannot be reached"),
        "{error}"
    );
    assert!(!error.contains("s3cr3t"), "{error}");

    for url in [
        "postgres://blog:s3cr3t@host:port/blog",
        "s3cr3t",
        "mysql://blog:s3cr3t@host/blog",
    ] {
        let error = PostgresStore::connect(url)
            .await
            .expect_err("refused")
            .to_string();
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_will_not_do_is_refused() {
    let server = Postgres::shared();
    let nowhere = PostgresStore::connect(&server.url("nowhere")).await;
    assert_says(nowhere, "is not there: create the database");
    let place = Shared::new().await;
    place
        .sql("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
        .await;
    let ascii = PostgresStore::connect(&server.url("ascii")).await;
    assert_says(ascii, "make a database with ENCODING 'UTF8'");
    let options = place
        .options()
        .options([("default_transaction_isolation", "serializable")]);
    let strict = PostgresStore::with_pool(PgPoolOptions::new().connect_lazy_with(options)).await;
    assert_says(strict, "its transactions are serializable by default");
}

#[tokio::test]
async fn a_user_without_the_right_to_make_tables_can_use_them() {
    let place = Shared::new().await;
    place.sql("CREATE ROLE worker LOGIN").await;
    let options = || place.options().username("worker");
    let pool = || PgPoolOptions::new().connect_lazy_with(options());
    assert_says(
        PostgresStore::with_pool(pool()).await,
        "give the user the right to it",
    );
    drop(place.open().await.expect("opened"));
    place
        .sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO worker")
        .await;
    place
        .sql("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO worker")
        .await;
    let store = PostgresStore::with_pool(pool()).await.expect("opened");
    append(&store, [numbered("a", 0)]).await;
    assert_eq!(all(&store, Which::All, 10).await.len(), 1);
}

#[tokio::test]
async fn each_schema_has_a_log_of_its_own() {
    let place = Shared::new().await;
    let store = async |schema: &str| {
        let options = place.options().options([("search_path", schema)]);
        let pool = PgPoolOptions::new().connect_lazy_with(options);
        PostgresStore::with_pool(pool).await.expect("opened")
    };
    place.sql("CREATE SCHEMA one").await;
    place.sql("CREATE SCHEMA two").await;
    let (one, two) = (store("one").await, store("two").await);
    append(&one, [numbered("a", 1)]).await;
    append(&two, [numbered("a", 2)]).await;
    for (store, expected) in [(&one, 1), (&two, 2)] {
        let read = all(store, Which::All, 10).await;
        assert_eq!(
            read.iter()
                .map(|(_, event)| number(event))
                .collect::<Vec<_>>(),
            [expected]
        );
    }
    let held = one.own("c").await.expect("asked");
    assert!(held.is_some());
    assert!(two.own("c").await.expect("asked").is_some());
}

#[tokio::test]
async fn a_mark_that_is_being_made_is_waited_for() {
    let scene = scene().await;
    let marked = Entry {
        events: vec![numbered("a", 0)],
        mark: Some(mark("1")),
    };
    for is_committed in [false, true] {
        let mut first = scene.store.begin().await.expect("begun");
        let first_store: &mut dyn fanfare::store::Transaction<Store = PostgresStore> = &mut first;
        first_store.append(&marked).await.expect("written");
        let (other, entry) = (scene.other.clone(), marked.clone());
        let second = tokio::spawn(async move { other.append(&entry).await.expect("appended") });
        // Until it stands there.
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
            AND wait_event_type = 'Lock'";
        let waiting = async || -> i64 {
            let waiting = query_scalar(waits).fetch_one(scene.store.pool());
            waiting.await.expect("asked")
        };
        while waiting().await == 0 {}
        if is_committed {
            first.commit().await.expect("committed");
        } else {
            first.rollback().await.expect("rolled back");
        }
        let appended = second.await.expect("done");
        assert_eq!(appended == fanfare::store::Appended::New, !is_committed);
        scene
            .store
            .prune_marks(std::time::SystemTime::now())
            .await
            .expect("pruned");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_append_at_once_share_one_order() {
    let place = Shared::new().await;
    let reader = place.open().await.expect("opened");
    let writers = (0..4).map(|writer| {
        let (url, reader) = (place.url.clone(), reader.clone());
        tokio::spawn(async move {
            let store = PostgresStore::connect(&url).await.expect("connected");
            for turn in 0..100 {
                let before = reader.end().await.expect("read");
                append(&store, [numbered("a", turn * 4 + writer)]).await;
                // One that uses a transaction now and then, whose events wait for positions.
                if writer == 0 && turn % 10 == 0 {
                    let mut own = store.begin().await.expect("begun");
                    fanfare::store::Transaction::append(&mut own, &entry([numbered("b", turn)]))
                        .await
                        .expect("written");
                    own.commit().await.expect("committed");
                }
                assert!(reader.end().await.expect("read") > before);
            }
        })
    });
    for writer in join_all(writers).await {
        writer.expect("done");
    }
    let log = all(&reader, Which::All, 50).await;
    assert_eq!(log.len(), 410);
    for writer in 0..4 {
        let own = log.iter().filter(|(_, event)| event.kind() == "a");
        let own: Vec<_> = own.map(|(_, event)| number(event)).collect();
        let own: Vec<_> = own.into_iter().filter(|n| n % 4 == writer).collect();
        assert!(own.is_sorted() && own.len() == 100, "{own:?}");
    }
}

#[tokio::test]
async fn events_that_are_appended_alone_are_at_once_in_their_place() {
    let scene = scene().await;
    append(&scene.store, (0..3).map(|n| numbered("a", n))).await;
    let placed = "SELECT count(position) FROM fanfare_events";
    let placed: i64 = query_scalar(placed)
        .fetch_one(scene.store.pool())
        .await
        .expect("counted");
    assert_eq!(placed, 3);
}

#[tokio::test]
async fn an_open_transaction_holds_nobody_up() {
    let scene = scene().await;
    let mut open = scene.store.begin().await.expect("begun");
    fanfare::store::Transaction::append(&mut open, &entry([numbered("late", 0)]))
        .await
        .expect("written");
    append(&scene.other, [numbered("early", 1)]).await;
    let read = async || -> Vec<usize> {
        let read = all(&scene.store, Which::All, 10).await;
        read.iter().map(|(_, event)| number(event)).collect()
    };
    assert_eq!(read().await, [1]);
    let now = scene.store.cursor("c", Start::Now).await.expect("made");
    open.commit().await.expect("committed");
    assert_eq!(read().await, [1, 0]);
    let page = scene
        .store
        .read(&crate::query(now, 10))
        .await
        .expect("read");
    assert_eq!(page.events.len(), 1);
}

#[tokio::test]
async fn a_right_is_lost_with_its_connection() {
    let scene = scene().await;
    let held = scene.store.own("c").await.expect("asked").expect("free");
    let ended: i64 = query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks
        WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .fetch_one(scene.other.pool())
    .await
    .expect("asked");
    assert_eq!(ended, 1);
    held.lost().await;
    let taken = scene.other.own("c").await.expect("asked").expect("free");
    assert!(scene.store.own("c").await.expect("asked").is_none());
    drop(taken);
    // What was lost is not given back a second time.
    let again = loop {
        if let Some(again) = scene.store.own("c").await.expect("asked") {
            break again;
        }
    };
    drop(held);
    assert!(scene.store.own("d").await.expect("asked").is_some());
    assert!(scene.other.own("c").await.expect("asked").is_none());
    drop(again);
}

#[tokio::test]
async fn a_cursor_that_is_left_to_one_who_does_not_take_it_is_taken_and_kept() {
    let scene = scene().await;
    // One that waits, and does nothing.
    let mut hanging = scene.other.pool().acquire().await.expect("connected");
    query(
        "SELECT pg_advisory_lock_shared('fanfare_cursors'::regclass::oid::bigint::bit(32)::int4,
            hashtext('c'))",
    )
    .execute(&mut *hanging)
    .await
    .expect("waiting");
    let own = async |cursor| scene.store.own(cursor).await.expect("asked");
    let _held = (own("a").await.expect("free"), own("b").await.expect("free"));
    let mut asked = 0;
    let taken = loop {
        asked += 1;
        if let Some(taken) = own("c").await {
            break taken;
        }
    };
    assert_eq!(asked, 6);
    // Until the store has looked around, which it does every second.
    let looked = async {
        let asked = "SELECT max(state_change)::text FROM pg_stat_activity WHERE pid IN (
            SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        let last = async || -> String {
            let last = query_scalar(asked).fetch_one(scene.other.pool());
            last.await.expect("asked")
        };
        for _ in 0..2 {
            let before = last().await;
            while last().await == before {}
        }
    };
    tokio::select! {
        biased;
        () = taken.asked_back() => panic!("it would be let lie again"),
        () = looked => {}
    }
}

#[tokio::test]
async fn a_store_outlives_its_server() {
    let server = Postgres::start();
    let url = server.database().await;
    let store = PostgresStore::connect(&url).await.expect("connected");
    append(&store, (0..100).map(|n| numbered("a", n))).await;
    let before = all(&store, Which::All, 10).await;
    let held = store.own("c").await.expect("asked").expect("free");
    server.kill();
    held.lost().await;
    server.restart();
    assert_eq!(all(&store, Which::All, 10).await, before);
    append(&store, [numbered("a", 100)]).await;
    assert_eq!(all(&store, Which::All, 10).await.len(), 101);
    assert!(store.own("c").await.expect("asked").is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_commits_is_kept() {
    crate::order::is_kept(&Shared::new().await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_commits_is_kept_when_the_server_crashes() {
    let server = Postgres::start();
    let url = server.database().await;
    let crash = || {
        server.kill();
        server.restart();
    };
    crate::order::is_kept(&Shared { url }, Some(&crash)).await;
}
