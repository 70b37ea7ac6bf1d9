//! Several instances of a service on one Postgres.

mod record;

use fanfare::Running;
use fanfare::prelude::*;
use fanfare::store::sqlx::{PgPool, query_scalar};
use fanfare::store::{PostgresStore, Store};
use fanfare_tests::{Postgres, in_time};
use record::Record;

#[derive(Streamers)]
struct Streamers {
    main: Record,
}

/// Streamed to three topics.
#[event(
    stream_to = [
        streamer!("main", "one"),
        streamer!("main", "two"),
        streamer!("main", "three"),
    ],
    key = key
)]
struct Numbered {
    key: u32,
    number: u32,
}

#[event_handler(concurrency = 1)]
async fn singly(numbered: Numbered, State(record): State<Record>) -> Result<()> {
    handle("singly", numbered, &record).await;
    Ok(())
}

#[event_handler(concurrency = 8)]
async fn together(numbered: Numbered, State(record): State<Record>) -> Result<()> {
    handle("together", numbered, &record).await;
    Ok(())
}

async fn handle(handler: &str, Numbered { key, number }: Numbered, record: &Record) {
    let _busy = record.begin(handler, Some(key));
    for _ in 0..fastrand::u32(..8) {
        tokio::task::yield_now().await;
    }
    record.pass(handler).await;
    record.note(handler, key, number);
}

const TOPICS: [&str; 3] = ["one", "two", "three"];
const HANDLERS: [&str; 2] = ["singly", "together"];
const KEYS: u32 = 5;

/// The instances of a service.
struct Fleet {
    url: String,
    record: Record,
    started: u32,
    watching: PgPool,
}

impl Fleet {
    async fn new() -> Self {
        let url = Postgres::shared().database().await;
        Fleet {
            watching: PgPool::connect(&url).await.expect("connected"),
            url,
            record: Record::new(),
            started: 0,
        }
    }

    async fn store(&self) -> PostgresStore {
        let store = PostgresStore::connect(&self.url).await;
        store.expect("connected")
    }

    async fn start(&mut self) -> Running {
        self.started += 1;
        let record = self.record.of(self.started);
        let main = record.clone();
        let app = App::new("share").streamers(Streamers { main });
        let app = app.state(record).store(self.store().await);
        app.start().await.expect("started")
    }

    /// How many cursors each instance has that has any, fewest first.
    async fn shares(&self) -> Vec<i64> {
        let shares = "SELECT count(*) FROM pg_locks
            WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            GROUP BY pid ORDER BY 1";
        let shares = query_scalar(shares).fetch_all(&self.watching).await;
        shares.expect("asked")
    }

    async fn is_shared(&self, shares: &[i64]) {
        let shared = async { while self.shares().await != shares {} };
        in_time(&format!("{shares:?}"), shared).await;
    }

    /// Until each instance that has a cursor has been at work for so long since now.
    async fn go_on(&self, seconds: i32) {
        let asked = "SELECT bool_and(state_change > $1::text::timestamptz + $2 * interval '1 second')
            FROM pg_stat_activity WHERE pid IN (
                SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
        let now: String = query_scalar("SELECT now()::text")
            .fetch_one(&self.watching)
            .await
            .expect("asked");
        let went_on = async || -> bool {
            let asked = query_scalar(asked).bind(&now).bind(seconds);
            asked.fetch_one(&self.watching).await.expect("asked")
        };
        in_time("they go on", async { while !went_on().await {} }).await;
    }

    /// Publishes the numbers from one to another, each key's in order.
    async fn publish(&self, running: &Running, numbers: std::ops::Range<u32>) {
        let publisher = running.publisher();
        for number in numbers {
            let key = number % KEYS;
            let published = publisher.publish(Numbered { key, number }).await;
            published.expect("stored");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_have_fair_shares() {
    let mut fleet = Fleet::new().await;
    let _first = fleet.start().await;
    fleet.is_shared(&[5]).await;
    let _second = fleet.start().await;
    fleet.is_shared(&[2, 3]).await;
    let third = fleet.start().await;
    fleet.is_shared(&[1, 2, 2]).await;
    third.shutdown().await.expect("shut down");
    fleet.is_shared(&[2, 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shared_fairly_stays_where_it_is() {
    let mut fleet = Fleet::new().await;
    let (_first, _second) = (fleet.start().await, fleet.start().await);
    fleet.is_shared(&[2, 3]).await;
    let holders = async || -> Vec<(i32, i64)> {
        let holders = "SELECT pid, objid::bigint FROM pg_locks
            WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ORDER BY 1, 2";
        let holders = fanfare::store::sqlx::query_as(holders).fetch_all(&fleet.watching);
        holders.await.expect("asked")
    };
    let before = holders().await;
    fleet.go_on(4).await;
    assert_eq!(holders().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_instance_had_that_died_is_shared_by_the_others() {
    let mut fleet = Fleet::new().await;
    let _first = fleet.start().await;
    let second = fleet.start().await;
    let _third = fleet.start().await;
    fleet.is_shared(&[1, 2, 2]).await;
    // As a crash would.
    drop(second);
    fleet.is_shared(&[2, 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_one_instance_wants_is_its_own() {
    let mut fleet = Fleet::new().await;
    let other = fleet.store().await;
    // Of an older version, say, with handlers that the others do not have.
    let mut old = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        old.push(other.own(name).await.expect("asked").expect("free"));
    }
    let _first = fleet.start().await;
    fleet.is_shared(&[5, 6]).await;
    fleet.go_on(2).await;
    fleet.is_shared(&[5, 6]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_done_twice_or_out_of_order_when_an_instance_joins() {
    let mut fleet = Fleet::new().await;
    let first = fleet.start().await;
    fleet.is_shared(&[5]).await;
    let (mut joined, mut numbers) = (Vec::new(), 0);
    for shares in [&[2, 3][..], &[1, 2, 2], &[1, 1, 1, 2]] {
        joined.push(fleet.start().await);
        // The load goes on until everybody has a share.
        let shared = async {
            while fleet.shares().await != shares {
                fleet.publish(&first, numbers..numbers + 50).await;
                numbers += 50;
            }
        };
        in_time(&format!("{shares:?}"), shared).await;
    }
    for places in [&TOPICS[..], &HANDLERS] {
        fleet.record.has(places, numbers as usize).await;
        for place in places {
            assert_eq!(fleet.record.repeated(place, numbers, KEYS), 0, "{place}");
        }
    }
    println!("{numbers} events");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_handed_over_when_its_batch_is_done() {
    const NUMBERS: u32 = 20;
    let mut fleet = Fleet::new().await;
    for topic in TOPICS {
        fleet.record.hold(topic, 1);
    }
    let first = fleet.start().await;
    fleet.publish(&first, 0..NUMBERS).await;
    fleet.record.is_busy(TOPICS.len()).await;
    let mut others = Vec::new();
    for _ in 2..=5 {
        others.push(fleet.start().await);
    }
    // All but one are asked back, and the handlers can be given at once.
    fleet.is_shared(&[1, 1, 3]).await;
    fleet.go_on(2).await;
    for topic in TOPICS {
        fleet.record.let_pass(topic, 1, NUMBERS as usize);
    }
    fleet.record.has(&TOPICS, NUMBERS as usize).await;
    fleet.is_shared(&[1; 5]).await;
    for topic in TOPICS {
        assert_eq!(fleet.record.repeated(topic, NUMBERS, KEYS), 0, "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_handler_has_not_begun_is_left_to_the_next_instance() {
    const NUMBERS: u32 = 100;
    let mut fleet = Fleet::new().await;
    fleet.record.hold("singly", 1);
    fleet.record.let_pass("singly", 1, 1);
    let first = fleet.start().await;
    fleet.publish(&first, 0..NUMBERS).await;
    fleet.record.has(&["together"], NUMBERS as usize).await;
    fleet.record.has(&["singly"], 1).await;
    fleet.record.is_busy(1).await;
    let _second = fleet.start().await;
    fleet.go_on(2).await;
    // It is busy with the second event; others were given to it.
    fleet.record.let_pass("singly", 1, 1);
    fleet.record.has(&["singly"], NUMBERS as usize).await;
    assert_eq!(fleet.record.repeated("singly", NUMBERS, KEYS), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_streamed_twice_or_out_of_order_when_instances_come_and_go() {
    let mut fleet = Fleet::new().await;
    let numbers = come_and_go(&mut fleet, async |running| {
        running.shutdown().await.expect("shut down");
    })
    .await;
    for place in TOPICS.iter().chain(&["singly"]) {
        assert_eq!(fleet.record.repeated(place, numbers, KEYS), 0, "{place}");
    }
    fleet.record.repeated("together", numbers, KEYS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_out_of_order_when_instances_die() {
    let mut fleet = Fleet::new().await;
    let numbers = come_and_go(&mut fleet, async |running| drop(running)).await;
    for place in TOPICS.iter().chain(&HANDLERS) {
        fleet.record.repeated(place, numbers, KEYS);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_has_lost_a_topic_stops_streaming_to_it() {
    let mut fleet = Fleet::new().await;
    fleet.record.hang(TOPICS.len());
    let first = fleet.start().await;
    fleet.publish(&first, 0..KEYS).await;
    fleet.record.is_busy(TOPICS.len()).await;
    let _second = fleet.start().await;
    // What does not hang is handed over.
    fleet.is_shared(&[2, 3]).await;
    let lose = "SELECT count(pg_terminate_backend(pid)) FROM (
        SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS its";
    let lost: i64 = query_scalar(lose)
        .fetch_one(&fleet.watching)
        .await
        .expect("asked");
    assert_eq!(lost, 2);
    // What hung is given up, and done by whoever has it then.
    fleet.record.has(&TOPICS, KEYS as usize).await;
    fleet.record.is_busy(0).await;
}

/// Publishes while instances come and go at random: how many events.
async fn come_and_go(fleet: &mut Fleet, end: impl AsyncFn(Running)) -> u32 {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let publishing = fleet.start().await;
    let (mut running, mut numbers): (Vec<Running>, u32) = (Vec::new(), 0);
    for _ in 0..12 {
        if running.len() > 3 || (!running.is_empty() && random.bool()) {
            let leaving = running.swap_remove(random.usize(..running.len()));
            end(leaving).await;
        } else {
            running.push(fleet.start().await);
        }
        let more = random.u32(20..600);
        fleet.publish(&publishing, numbers..numbers + more).await;
        numbers += more;
    }
    for places in [&TOPICS[..], &HANDLERS] {
        fleet.record.has(places, numbers as usize).await;
    }
    println!("{numbers} events, {} instances", fleet.started);
    numbers
}
