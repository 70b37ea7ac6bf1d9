//! The start and the end of an app, and what is in flight between the two.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare::Running;
use fanfare::prelude::*;
use fanfare::store::MemoryStore;
use fanfare_tests::{Around, Call, Heard, Log, Spy, Tell, Trouble, Watch};
use fanfare_tests::{channel, event, join, listen, publish};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
    second: Spy,
}

#[event(stream_to = streamer!("main", "jobs"), key = number)]
struct Job {
    number: u32,
}

#[event(stream_to = streamer!("second", "done"))]
struct Done {
    number: u32,
}

/// What a test does to the handler.
#[derive(Clone, Default)]
struct Hand(Arc<Held>);

#[derive(Default)]
struct Held {
    stuck: AtomicBool,
    let_go: Notify,
}

#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn work(
    job: Job,
    publisher: Publisher,
    State(hand): State<Hand>,
    State(tell): State<Tell<u32>>,
) -> Result<()> {
    if hand.0.stuck.load(Ordering::SeqCst) {
        tell.tell(u32::MAX);
        hand.0.let_go.notified().await;
    }
    publisher.publish(Done { number: job.number }).await?;
    tell.tell(job.number);
    Ok(())
}

struct Started {
    log: Log,
    running: Running,
    hand: Hand,
    told: Heard<u32>,
}

fn app(main: &Spy, second: &Spy) -> (App, Hand, Heard<u32>) {
    let (tell, told) = channel();
    let hand = Hand::default();
    let streamers = Streamers {
        main: main.clone(),
        second: second.clone(),
    };
    let app = App::new("shop")
        .streamers(streamers)
        .state(tell)
        .state(hand.clone());
    (app, hand, told)
}

async fn start(main: &Spy, second: &Spy) -> Started {
    let log = Log::listen();
    let (app, hand, told) = app(main, second);
    let running = app.shutdown_deadline(Duration::from_secs(5)).start().await;
    Started {
        log,
        running: running.expect("started"),
        hand,
        told,
    }
}

/// As another process, with a connection of its own to the same broker.
fn again(spy: &Spy) -> Spy {
    Spy::of(spy.memory().clone())
}

async fn give(spy: &Spy, number: u32) {
    publish(
        spy.memory(),
        "jobs",
        event("Job", &format!(r#"{{"number":{number}}}"#)),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_load_what_finished_is_acknowledged_and_the_next_app_continues() {
    const JOBS: u32 = 20_000;
    // Room for all, for nobody may be there to make some.
    let room = NonZeroUsize::new(JOBS as usize).expect("not zero");
    let broker = Spy::of(Memory::new().with_capacity(room));
    let mut done = listen(broker.memory(), "done").await;
    let giving = {
        let mut first = start(&again(&broker), &again(&broker)).await;
        let giver = again(&broker);
        let giving = tokio::spawn(async move {
            for number in 0..JOBS {
                give(&giver, number).await;
            }
        });
        while first.told.next().await < 1_000 {}
        first.running.shutdown().await.expect("shut down");
        giving
    };
    let mut finished = BTreeSet::new();
    let second = start(&again(&broker), &again(&broker)).await;
    while finished.len() < JOBS as usize {
        // What a handler published stands for what it finished: no more, and no less.
        let payload: serde_json::Value =
            serde_json::from_slice(done.next().await.payload()).expect("JSON");
        let number = payload["number"].as_u64().expect("a number");
        assert!(
            finished.insert(number),
            "{number} was finished, and came again"
        );
    }
    giving.await.expect("all given");
    second.running.shutdown().await.expect("shut down");
    assert!(done.rest().is_empty());
    let mut group = join(broker.memory(), "jobs", "shop.work").await;
    assert!(group.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_is_in_flight() {
    let broker = Spy::default();
    let mut done = listen(again(&broker).memory(), "done").await;
    let mut app = start(&broker, &again(&broker)).await;
    app.hand.0.stuck.store(true, Ordering::SeqCst);
    give(&broker, 1).await;
    give(&broker, 2).await;
    assert_eq!(app.told.next().await, u32::MAX);

    let mut ending = pin!(app.running.shutdown());
    let waited = timeout(Duration::from_secs(4), &mut ending).await;
    waited.expect_err("it waits");
    app.hand.0.let_go.notify_one();
    ending.await.expect("shut down");
    assert_eq!(app.told.rest(), [1], "and nothing new is taken");
    assert_eq!(done.rest().len(), 1);
    let mut group = join(&again(&broker).memory().clone(), "jobs", "shop.work").await;
    assert_eq!(group.next_event().await.payload(), r#"{"number":2}"#);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_time_is_named_and_comes_again() {
    let broker = Spy::default();
    let mut done = listen(again(&broker).memory(), "done").await;
    let mut app = start(&broker, &again(&broker)).await;
    app.hand.0.stuck.store(true, Ordering::SeqCst);
    give(&broker, 1).await;
    assert_eq!(app.told.next().await, u32::MAX);

    let before = Instant::now();
    let memory = broker.memory().clone();
    let error = app.running.shutdown().await.expect_err("stuck");
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(
        error.to_string(),
        "`shop` did not shut down cleanly: the handler `work` (from main/jobs) did not finish within 5s and was aborted: what it had in hand comes again"
    );
    assert_eq!(broker.seen().last().map(String::as_str), Some("close"));
    let mut group = join(&memory, "jobs", "shop.work").await;
    assert_eq!(group.next_event().await.payload(), r#"{"number":1}"#);
    assert!(done.rest().is_empty());
}

#[tokio::test]
async fn an_app_that_is_dropped_gives_back_what_it_had() {
    let broker = Spy::default();
    let mut app = start(&again(&broker), &again(&broker)).await;
    app.hand.0.stuck.store(true, Ordering::SeqCst);
    give(&broker, 1).await;
    assert_eq!(app.told.next().await, u32::MAX);
    drop(app.running);
    let mut group = join(broker.memory(), "jobs", "shop.work").await;
    assert_eq!(group.next_event().await.payload(), r#"{"number":1}"#);
}

#[tokio::test]
async fn a_start_that_fails_closes_what_it_opened() {
    let _log = Log::listen();
    let (main, second) = (Spy::default(), Spy::default().failing_connects(1));
    let error = app(&main, &second)
        .0
        .start()
        .await
        .expect_err("no connection");
    assert_eq!(
        error.to_string(),
        "the streamer `second` does not connect: the spy was told to fail at connecting"
    );
    assert_eq!(main.seen(), ["connect", "close"]);
    assert_eq!(second.seen(), ["connect"]);

    let (main, second) = (Spy::default().failing_subscribes(1), Spy::default());
    let error = app(&main, &second)
        .0
        .start()
        .await
        .expect_err("no subscription");
    assert_eq!(
        error.to_string(),
        "the handler `work` could not be subscribed to `main/jobs`: the spy was told to fail at subscribing"
    );
    assert_eq!(
        main.seen(),
        ["connect", "subscribe jobs shop.work", "close"]
    );
    assert_eq!(second.seen(), ["connect", "close"]);
}

#[tokio::test]
async fn a_streamer_that_does_not_close_well_is_named() {
    let (main, second) = (Spy::default(), Spy::default().failing_closes(1));
    let app = start(&main, &second).await;
    let error = app.running.shutdown().await.expect_err("not closed");
    assert_eq!(
        error.to_string(),
        "`shop` did not shut down cleanly: the streamer `second` did not close well: the spy was told to fail at closing"
    );
    assert_eq!(main.seen().last().map(String::as_str), Some("close"));
}

#[tokio::test]
async fn a_subscription_that_ends_by_itself_is_told_to_the_operator() {
    let broker = Spy::default();
    let app = start(&broker, &again(&broker)).await;
    fanfare::streamer::Streamer::close(broker.memory())
        .await
        .expect("closed");
    let told = ["ERROR", "handler=\"work\"", "will hear nothing more"];
    app.log.wait_for(1, &told).await;
}

#[tokio::test]
async fn a_deadline_may_be_longer_than_the_clock() {
    let _log = Log::listen();
    let (app, _hand, _told) = app(&Spy::default(), &Spy::default());
    let app = app.shutdown_deadline(Duration::MAX).start().await;
    app.expect("started").shutdown().await.expect("shut down");
}

/// Tells when a store is to close; whether it ever has.
struct Closing {
    asked: Tell<u32>,
    hangs: bool,
}

impl Watch for Closing {
    fn trouble(&self, call: Call<'_>) -> Option<Trouble> {
        let Call::Close = call else { return None };
        self.asked.tell(0);
        self.hangs.then_some(Trouble::Hangs)
    }
}

fn closing(hangs: bool) -> (Around<MemoryStore, Closing>, Heard<u32>) {
    let (asked, heard) = channel();
    let store = Around::new(MemoryStore::new(), Closing { asked, hangs });
    (store, heard)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_close_is_named_and_the_shutdown_ends() {
    let _log = Log::listen();
    let main = Spy::default();
    let app = app(&main, &Spy::default()).0.store(closing(true).0);
    let running = app.shutdown_deadline(Duration::from_secs(20)).start().await;
    let before = Instant::now();
    let error = running.expect("started").shutdown().await;
    assert_eq!(before.elapsed().as_secs(), 20);
    let error = error.expect_err("not closed").to_string();
    assert!(error.contains("the store did not close within"), "{error}");
    assert_eq!(main.seen().last().map(String::as_str), Some("close"));
}

#[tokio::test]
async fn a_start_that_fails_closes_the_store() {
    let _log = Log::listen();
    let (store, mut asked) = closing(false);
    let second = Spy::default().failing_connects(1);
    let app = app(&Spy::default(), &second).0.store(store);
    app.start().await.expect_err("no connection");
    assert_eq!(asked.rest(), [0]);
}
