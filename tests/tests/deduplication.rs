//! A handler that deduplicates.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fanfare::event::{Envelope, EventId};
use fanfare::prelude::*;
use fanfare::store::{Entry, Mark, MemoryStore, PostgresStore, Query, SqliteStore, Store, Which};
use fanfare::{Error, Running};
use fanfare_tests::{Around, Call, Heard, Postgres, Spy, Tell, Trouble, Watch};
use fanfare_tests::{channel, event, foreign, listen, publish};
use tokio::sync::Barrier;

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(stream_to = [
    streamer!("main", "charges"),
    streamer!("main", "late-charges"),
    streamer!("main", "rows"),
    streamer!("main", "failing"),
    streamer!("main", "first"),
    streamer!("main", "second"),
    streamer!("main", "meetings"),
])]
struct Charge {
    cents: u32,
}

#[event(stream_to = streamer!("main", "charged"))]
struct Charged {
    cents: u32,
}

/// From two topics.
#[event_handler(
    streamed_from = [streamer!("main", "charges"), streamer!("main", "late-charges")],
    concurrency = 8,
    deduplicate
)]
async fn charge(charge: Charge, State(tell): State<Tell<u32>>) -> Result<()> {
    tell.tell(charge.cents);
    // Others run meanwhile.
    tokio::task::yield_now().await;
    Ok(())
}

#[event_handler(
    streamed_from = streamer!("main", "rows"),
    batch(max = 4, within = "1s"),
    deduplicate
)]
async fn rows(charges: Vec<Charge>, State(tell): State<Tell<u32>>) -> Result<()> {
    for charge in charges {
        tell.tell(charge.cents);
    }
    Ok(())
}

/// The first attempt fails.
#[event_handler(streamed_from = streamer!("main", "failing"), deduplicate)]
async fn failing(
    charge: Charge,
    metadata: Metadata,
    publisher: Publisher,
    State(tell): State<Tell<u32>>,
) -> Result<()> {
    tell.tell(charge.cents);
    publisher
        .publish(Charged {
            cents: charge.cents,
        })
        .await?;
    match metadata.attempt() {
        1 => Err(Error::msg("not yet")),
        _ => Ok(()),
    }
}

/// Announces, when another instance is as far.
#[event_handler(streamed_from = streamer!("main", "meetings"), deduplicate)]
async fn meet(
    charge: Charge,
    publisher: Publisher,
    State(meeting): State<Arc<Barrier>>,
) -> Result<()> {
    meeting.wait().await;
    let cents = charge.cents;
    publisher.publish(Charged { cents }).await?;
    Ok(())
}

fn app(spy: &Spy, meeting: &Arc<Barrier>) -> (App, Heard<u32>) {
    let (tell, heard) = channel::<u32>();
    let streamers = Streamers { main: spy.clone() };
    let app = App::new("shop").streamers(streamers).state(tell);
    (app.state(Arc::clone(meeting)), heard)
}

async fn start() -> (Spy, Heard<u32>, Running) {
    let spy = Spy::default();
    let (app, heard) = app(&spy, &Arc::new(Barrier::new(1)));
    (spy, heard, app.start().await.expect("started"))
}

fn charged(cents: u32) -> Envelope {
    event("Charge", &format!(r#"{{"cents":{cents}}}"#))
}

fn counted(running: &Running, handler: &str) -> (u64, u64) {
    let counts = running.counts();
    let of_handler = counts.iter().filter(|counts| counts.handler == handler);
    of_handler.fold((0, 0), |(handled, repeated), counts| {
        (handled + counts.handled, repeated + counts.repeated)
    })
}

/// Publishes it and one behind it, and waits for that.
async fn settle(spy: &Spy, topic: &str, heard: &mut Heard<u32>) -> Vec<u32> {
    publish(spy.memory(), topic, charged(0)).await;
    let mut all = Vec::new();
    loop {
        match heard.next().await {
            0 => return all,
            cents => all.push(cents),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_delivered_again_is_not_handled_again() {
    let (spy, mut heard, running) = start().await;
    let event = charged(100);
    publish(spy.memory(), "charges", event.clone()).await;
    assert_eq!(heard.next().await, 100);
    publish(spy.memory(), "charges", event).await;
    assert_eq!(settle(&spy, "charges", &mut heard).await, [0; 0]);
    running
        .shutdown()
        .await
        .expect("everything is acknowledged");
}

#[tokio::test(start_paused = true)]
async fn of_several_deliveries_at_once_one_is_handled() {
    let (spy, mut heard, running) = start().await;
    let event = charged(100);
    // Without a key they are in different streams: nothing but the inbox holds them apart.
    for _ in 0..3 {
        publish(spy.memory(), "charges", event.clone()).await;
    }
    publish(spy.memory(), "late-charges", event).await;
    assert_eq!(heard.next().await, 100);
    assert_eq!(settle(&spy, "charges", &mut heard).await, [0; 0]);
    assert_eq!(settle(&spy, "late-charges", &mut heard).await, [0; 0]);
    let (handled, repeated) = counted(&running, "charge");
    // The two that marked the end are among them, or about to be.
    assert!(
        (1..=3).contains(&handled) && repeated == 3,
        "{handled} {repeated}"
    );
}

/// The same with a store.
async fn of_several_deliveries_at_once_one_is_handled_with(store: impl Store) {
    let spy = Spy::default();
    let (app, mut heard) = app(&spy, &Arc::new(Barrier::new(1)));
    let running = app.store(store).start().await.expect("started");
    let event = charged(100);
    for topic in ["charges", "charges", "charges", "late-charges"] {
        publish(spy.memory(), topic, event.clone()).await;
    }
    spy.acknowledged(4).await;
    assert_eq!(heard.rest(), [100]);
    assert_eq!(counted(&running, "charge"), (1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_deliveries_at_once_one_is_handled_with_a_store_in_memory() {
    of_several_deliveries_at_once_one_is_handled_with(MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_deliveries_at_once_one_is_handled_with_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path().join("shop.db")).await;
    of_several_deliveries_at_once_one_is_handled_with(store.expect("opened")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_deliveries_at_once_one_is_handled_with_postgres() {
    let store = PostgresStore::connect(&Postgres::shared().database().await).await;
    of_several_deliveries_at_once_one_is_handled_with(store.expect("connected")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_instances_that_handle_an_event_at_once_one_announces() {
    let url = Postgres::shared().database().await;
    let meeting = Arc::new(Barrier::new(2));
    let mut instances = Vec::new();
    for _ in 0..2 {
        let store = PostgresStore::connect(&url).await.expect("connected");
        let spy = Spy::default();
        let (app, _) = app(&spy, &meeting);
        let running = app.store(store.clone()).start().await.expect("started");
        instances.push((spy, running, store));
    }
    let event = charged(100);
    for (spy, ..) in &instances {
        publish(spy.memory(), "meetings", event.clone()).await;
    }
    let mut counts = (0, 0);
    for (spy, running, _) in &instances {
        spy.acknowledged(1).await;
        let (handled, repeated) = counted(running, "meet");
        counts = (counts.0 + handled, counts.1 + repeated);
    }
    assert_eq!(counts, (1, 1));
    let announced = Query {
        after: 0,
        of: Which::Named(vec!["Charged".to_owned()]),
        max: 10,
    };
    let announced = instances[0].2.read(&announced).await.expect("read");
    assert_eq!(announced.events.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_id_from_two_sources_is_two_events() {
    let (spy, mut heard, _running) = start().await;
    for source in ["here", "there"] {
        let id = EventId::parse("1").expect("an id");
        let event = Envelope::new(id, source, "Charge").expect("valid");
        let payload = br#"{"cents":100}"#.as_slice().into();
        let event = event.with_payload("application/json", payload);
        publish(spy.memory(), "charges", event.expect("valid")).await;
    }
    assert_eq!([heard.next().await, heard.next().await], [100, 100]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_id_is_handled_each_time() {
    let (spy, mut heard, _running) = start().await;
    for _ in 0..2 {
        publish(spy.memory(), "charges", foreign(r#"{"cents":100}"#)).await;
    }
    assert_eq!([heard.next().await, heard.next().await], [100, 100]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_failed_is_not_remembered() {
    let (spy, mut heard, running) = start().await;
    let mut announced = listen(spy.memory(), "charged").await;
    let event = charged(100);
    publish(spy.memory(), "failing", event.clone()).await;
    assert_eq!([heard.next().await, heard.next().await], [100, 100]);
    announced.next().await;
    publish(spy.memory(), "failing", event).await;
    spy.acknowledged(2).await;
    assert_eq!(counted(&running, "failing"), (1, 1));
    assert!(heard.rest().is_empty() && announced.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_not_published_is_not_remembered() {
    let (spy, mut heard, running) = start().await;
    let mut announced = listen(spy.memory(), "charged").await;
    // The handler ends its second attempt well, but what it announces is not published.
    spy.fail_publishes(1);
    publish(spy.memory(), "failing", charged(100)).await;
    for _attempt in 1..=3 {
        assert_eq!(heard.next().await, 100);
    }
    announced.next().await;
    spy.acknowledged(1).await;
    assert_eq!(counted(&running, "failing"), (1, 0));
    assert!(announced.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_holds_no_event_twice() {
    let (spy, mut heard, running) = start().await;
    let (one, other) = (charged(1), charged(2));
    for event in [&one, &one, &other, &one] {
        publish(spy.memory(), "rows", event.clone()).await;
    }
    let mut both = [heard.next().await, heard.next().await];
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
    publish(spy.memory(), "rows", other).await;
    spy.acknowledged(5).await;
    assert_eq!(counted(&running, "rows"), (2, 3));
    assert!(heard.rest().is_empty());
}

/// From two topics, in batches; says when it is done.
#[event_handler(
    streamed_from = [streamer!("main", "first"), streamer!("main", "second")],
    batch(max = 2, within = "1s"),
    deduplicate
)]
async fn keyed(charges: Vec<Charge>, State(tell): State<Tell<u32>>) -> Result<()> {
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    for charge in charges {
        tell.tell(charge.cents);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn in_a_batch_nothing_of_its_key_overtakes_what_another_is_busy_with() {
    let (spy, mut heard, running) = start().await;
    let keyed = |cents| charged(cents).with_key("a").expect("a key");
    let (one, other) = (keyed(1), keyed(2));
    publish(spy.memory(), "first", one.clone()).await;
    // It is at work when the same comes from elsewhere, with another behind it.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    publish(spy.memory(), "second", one).await;
    publish(spy.memory(), "second", other).await;
    assert_eq!([heard.next().await, heard.next().await], [1, 2]);
    spy.acknowledged(3).await;
    assert_eq!(counted(&running, "keyed"), (2, 1));
}

/// Lets the next so many looks for a mark fail.
struct Failing(AtomicU32);

impl Watch for Failing {
    fn trouble(&self, call: Call<'_>) -> Option<Trouble> {
        let Call::IsHandled(_) = call else {
            return None;
        };
        let fewer = |left: u32| left.checked_sub(1);
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer);
        left.is_ok().then_some(Trouble::Fails)
    }
}

/// An event that another instance has handled comes while the store fails.
async fn while_the_store_fails_nothing_is_handled_again(handler: &str, topic: &str) {
    let store = MemoryStore::new();
    let event = charged(100);
    let mark = Mark {
        handler: format!("shop.{handler}"),
        source: event.source().to_owned(),
        id: event.id().to_string(),
    };
    let handled = Entry {
        events: Vec::new(),
        mark: Some(mark),
    };
    store.append(&handled).await.expect("marked");
    let spy = Spy::default();
    let (app, mut heard) = app(&spy, &Arc::new(Barrier::new(1)));
    let store = Around::new(store, Failing(AtomicU32::new(3)));
    let running = app.store(store).start().await.expect("started");
    publish(spy.memory(), topic, event).await;
    spy.acknowledged(1).await;
    assert_eq!(counted(&running, handler), (0, 1));
    assert!(heard.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_the_store_does_not_say_whether_an_event_was_handled_it_is_not_handled_again() {
    while_the_store_fails_nothing_is_handled_again("charge", "charges").await;
}

#[tokio::test(start_paused = true)]
async fn while_the_store_does_not_say_whether_an_event_was_handled_no_batch_holds_it() {
    while_the_store_fails_nothing_is_handled_again("rows", "rows").await;
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_store_that_does_not_say_what_was_handled() {
    let spy = Spy::default();
    let (app, mut heard) = app(&spy.another(), &Arc::new(Barrier::new(1)));
    let store = Around::new(MemoryStore::new(), Failing(AtomicU32::new(u32::MAX)));
    let running = app.store(store).start().await.expect("started");
    for topic in ["charges", "rows"] {
        publish(spy.memory(), topic, charged(100)).await;
    }
    running.shutdown().await.expect("shut down");
    assert!(heard.rest().is_empty());
}
