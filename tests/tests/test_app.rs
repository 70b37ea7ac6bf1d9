//! A service under test: its streamers in memory, its clock virtual.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use fanfare::event::{Envelope, Foreign, Message};
use fanfare::prelude::*;
use fanfare::streamer::{
    Deliver, Deliveries, Groups, Ingest, Outgoing, Publish, Source, StreamError, Streamer,
    Subscribe, SubscriptionRequest,
};
use fanfare::testing::TestApp;
use fanfare::{Error, Faults, PublishError};
use fanfare_tests::{event, extension};
use tokio::sync::oneshot;

/// One that is there in production only.
struct Far;

impl Streamer for Far {
    async fn connect(&self) -> Result<(), StreamError> {
        Err(StreamError::new("connected in a test"))
    }

    fn dead_letter_topic(&self, topic: &str) -> String {
        format!("{topic}-graveyard")
    }
}

impl Publish for Far {
    async fn publish(&self, _topic: &str, _batch: &mut [Outgoing]) {}
}

impl Subscribe for Far {
    async fn subscribe(&self, _request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        Err(StreamError::new("subscribed in a test"))
    }
}

impl Deliver for Far {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Groups for Far {}

/// One that others push at in production.
struct Hook;

impl Streamer for Hook {}

impl Publish for Hook {
    async fn publish(&self, _topic: &str, _batch: &mut [Outgoing]) {}
}

impl Groups for Hook {}

impl Ingest for Hook {
    fn transform_events(&self, raw: Foreign, _topic: &str) -> Result<Vec<Message>, StreamError> {
        Ok(vec![raw.into()])
    }
}

impl Deliver for Hook {
    fn source(self: Arc<Self>) -> Source {
        Source::ingest(self)
    }
}

#[derive(Streamers)]
struct Streamers {
    far: Far,
    hook: Hook,
}

#[event(name = "Order")]
struct OrderV1 {
    number: u32,
}

#[event(
    name = "Order", version = 2, previous = OrderV1,
    stream_to = streamer!("far", "orders"), key = number
)]
#[derive(Debug, PartialEq)]
struct Order {
    number: u32,
    express: bool,
}

impl From<OrderV1> for Order {
    fn from(v1: OrderV1) -> Self {
        order(v1.number)
    }
}

fn order(number: u32) -> Order {
    Order {
        number,
        express: false,
    }
}

/// Heard in this service only.
#[event]
#[derive(Debug, PartialEq)]
struct Packed {
    number: u32,
}

#[event(stream_to = streamer!("far", "shipped"))]
#[derive(Debug, PartialEq)]
struct Shipped {
    number: u32,
}

#[event(stream_to = streamer!("far", "trouble"))]
#[derive(Debug, PartialEq)]
struct Trouble {
    kind: String,
}

#[event(stream_to = streamer!("hook", "calls"))]
#[derive(Debug, PartialEq)]
struct Call {
    from: String,
}

/// A state that has to be given.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU32>);

#[event_handler(streamed_from = streamer!("far", "orders"))]
async fn pack(order: Order, publisher: Publisher) -> Result<()> {
    publisher
        .publish(Packed {
            number: order.number,
        })
        .await?;
    match order.number {
        13 => Err(Error::reject("unlucky")),
        _ => Ok(()),
    }
}

#[event_handler]
async fn ship(packed: Packed, publisher: Publisher) -> Result<()> {
    let number = packed.number;
    publisher.publish(Shipped { number }).await?;
    match number {
        99 => Err(Error::reject("no such ship")),
        _ => Ok(()),
    }
}

#[event_handler(streamed_from = streamer!("far", "shipped"))]
async fn thank(_shipped: Shipped, State(calls): State<Calls>) -> Result<()> {
    calls.0.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

#[event_handler(
    streamed_from = streamer!("far", "trouble"),
    retry(attempts = 4, backoff = "1s..30s")
)]
async fn cope(trouble: Trouble, metadata: Metadata) -> Result<()> {
    match trouble.kind.as_str() {
        "away" if metadata.attempt() < 4 => Err(Error::msg("the store is away")),
        "stuck" => std::future::pending().await,
        "later" => Err(Error::retry_after(Duration::from_hours(2))),
        "outside" => {
            let (sender, receiver) = oneshot::channel();
            thread::spawn(move || sender.send(()));
            Ok(receiver.await?)
        }
        _ => Ok(()),
    }
}

#[event_handler(streamed_from = streamer!("hook", "calls"), dead_letter = streamer!("far", "missed"))]
async fn answer(_call: Call) -> Result<()> {
    Ok(())
}

#[event_handler(streamed_from = streamer!("far", "orders"))]
async fn audit(_raw: RawEvent) -> Result<()> {
    Ok(())
}

#[event(stream_to = streamer!("far", "rows"))]
#[derive(Debug, PartialEq)]
struct Row {
    number: u32,
}

#[event_handler(streamed_from = streamer!("far", "rows"), batch(max = 10, within = "5s"))]
async fn store(rows: Vec<Row>) -> Result<()> {
    match rows.len() {
        3 => Ok(()),
        other => Err(Error::reject(format!("{other} rows"))),
    }
}

fn app() -> App {
    App::new("shop").state(Calls::default())
}

async fn start() -> TestApp {
    TestApp::start(app()).await.expect("started")
}

fn trouble(kind: &str) -> Trouble {
    Trouble {
        kind: kind.to_owned(),
    }
}

async fn in_trouble(kind: &str) -> TestApp {
    let test = start().await;
    let topic = streamer!("far", "trouble");
    test.deliver(topic, trouble(kind)).await.expect("delivered");
    test
}

async fn settled(test: &TestApp) {
    test.settle().await.expect("settled");
}

fn reason(outcome: &Result<(), String>) -> &str {
    outcome.as_ref().err().map_or("", String::as_str)
}

#[tokio::test]
async fn what_a_handler_succeeded_with_comes_in_its_order() {
    let test = start().await;
    let orders = [3, 1, 13, 2];
    for number in orders {
        test.publish(order(number)).await.expect("published");
    }
    settled(&test).await;
    let handled = [order(3), order(1), order(2)];
    assert_eq!(test.handled::<Order>("pack"), handled, "{test}");
    assert_eq!(test.handled::<Order>("audit").len(), 4);
}

#[tokio::test]
async fn a_failure_is_tried_again_after_its_pauses() {
    let test = in_trouble("away").await;
    settled(&test).await;
    let attempts = test.attempts("cope");
    let numbers: Vec<_> = attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(reason(&attempts[0].outcome), "the store is away");
    assert_eq!(attempts[3].outcome, Ok(()));
    for (seconds, pair) in [1, 2, 4].into_iter().zip(attempts.windows(2)) {
        let pause = pair[1].began.saturating_sub(pair[0].ended);
        let least = Duration::from_secs(seconds);
        // tokio's timers are of whole milliseconds, and never early.
        let most = 2 * least + Duration::from_millis(2);
        assert!(least <= pause && pause <= most, "{pause:?}: {test}");
    }
}

#[tokio::test]
async fn a_rejected_event_is_a_dead_letter() {
    let test = start().await;
    let id = test.publish(order(13)).await.expect("published");
    settled(&test).await;
    let letters = test.dead_letters();
    let [letter] = letters.as_slice() else {
        panic!("{test}");
    };
    assert_eq!((letter.handler, letter.attempts), ("pack", 1));
    assert_eq!(letter.reason, "unlucky");
    assert_eq!(letter.message.event().map(Envelope::id), Some(&id));
    assert!(letter.origin.to_string().starts_with("far/orders/"));
    // Nobody listens there; what the topic got is known all the same.
    let kept = test.published_to(streamer!("far", "orders.dead-letters"));
    let kept = kept[0].event().expect("an event");
    assert_eq!(extension(kept, "deadletterreason"), "unlucky");
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_with_its_bytes() {
    let test = start().await;
    let topic = streamer!("hook", "calls");
    test.deliver_bytes(topic, b"{\xFF")
        .await
        .expect("delivered");
    settled(&test).await;
    let letters = test.dead_letters();
    assert_eq!(letters[0].message.payload(), &b"{\xFF"[..]);
    assert!(letters[0].reason.contains("no `Call`"), "{test}");
    let kept = test.published_to(streamer!("far", "missed"));
    assert_eq!(kept[0].payload(), &b"{\xFF"[..]);
}

#[tokio::test]
async fn a_chain_of_handlers_settles() {
    let test = start().await;
    test.publish(order(1)).await.expect("published");
    settled(&test).await;
    assert_eq!(test.published::<Packed>(), [Packed { number: 1 }]);
    assert_eq!(test.published::<Shipped>(), [Shipped { number: 1 }]);
    assert_eq!(test.handled::<Packed>("ship"), [Packed { number: 1 }]);
    assert!(test.to_string().contains("announced: `Packed`"), "{test}");
    assert_eq!(test.handled::<Shipped>("thank"), [Shipped { number: 1 }]);
    assert_eq!(test.published_to(streamer!("far", "shipped")).len(), 1);
}

#[tokio::test]
async fn what_a_failed_handler_publishes_is_forgotten() {
    let test = start().await;
    test.publish(order(13)).await.expect("published");
    settled(&test).await;
    assert!(test.published::<Packed>().is_empty(), "{test}");
}

#[tokio::test]
async fn a_dead_letter_that_only_the_log_has_is_seen() {
    let test = start().await;
    test.publish(Packed { number: 99 })
        .await
        .expect("published");
    settled(&test).await;
    let letters = test.dead_letters();
    assert_eq!(letters[0].reason, "no such ship");
    assert_eq!(letters[0].origin.to_string(), "local/Packed/ship@0");
}

#[tokio::test]
async fn a_stuck_handler_is_named() {
    let test = in_trouble("stuck").await;
    let topic = streamer!("far", "trouble");
    test.deliver(topic, trouble("")).await.expect("delivered");
    let error = test.settle().await.expect_err("stuck").to_string();
    let stuck = test.published_to(topic);
    let id = stuck[0].event().expect("an event").id();
    let named = format!("`cope` is still in attempt 1 at `Trouble` {id}, since 0.000s");
    assert!(error.contains(&named), "{error}");
    assert!(error.contains("within 3600s of virtual time"), "{error}");
    assert!(error.contains("1 more that wait"), "{error}");
}

#[tokio::test]
async fn a_pause_without_an_end_in_sight_is_named() {
    let test = in_trouble("later").await;
    let error = test.settle().await.expect_err("paused").to_string();
    assert!(
        error.contains("`cope` waits for another attempt"),
        "{error}"
    );
    assert!(error.contains("attempt 1 failed at 0.000s"), "{error}");
    let day = Duration::from_hours(24);
    test.settle_within(day).await.expect("settled");
    assert_eq!(test.dead_letters()[0].at.as_secs(), 3 * 2 * 60 * 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_runtime_is_refused() {
    let refused = TestApp::start(app()).await.expect_err("refused");
    let refused = refused.to_string();
    assert!(
        refused.contains("`#[tokio::test]` without a `flavor`"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_paused_already_is_fine() {
    settled(&in_trouble("away").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_real_time_a_handler_may_wait_for_the_world() {
    let test = TestApp::start_in_real_time(app()).await.expect("started");
    test.publish(trouble("outside")).await.expect("published");
    settled(&test).await;
    assert_eq!(test.handled::<Trouble>("cope"), [trouble("outside")]);
}

#[tokio::test]
async fn a_missing_state_refuses_to_start() {
    let refused = TestApp::start(App::new("shop")).await;
    let refused = refused.expect_err("refused");
    let faults = refused.downcast_ref::<Faults>().expect("faults");
    assert_eq!(faults.iter().count(), 1, "{faults}");
    assert!(faults.to_string().contains("Calls"), "{faults}");
}

#[tokio::test]
async fn a_streamer_that_is_given_is_asked_for_names_only() {
    let (far, hook) = (Far, Hook);
    let app = app().streamers(Streamers { far, hook });
    let test = TestApp::start(app).await.expect("started");
    test.publish(order(13)).await.expect("published");
    settled(&test).await;
    assert_eq!(
        test.published_to(streamer!("far", "orders-graveyard"))
            .len(),
        1
    );
    test.shutdown().await.expect("shut down");
}

#[tokio::test]
async fn streamers_that_are_given_twice_refuse_to_start() {
    let given = || Streamers {
        far: Far,
        hook: Hook,
    };
    let app = app().streamers(given()).streamers(given());
    let refused = TestApp::start(app).await.expect_err("refused");
    assert!(refused.to_string().contains("two connections"), "{refused}");
}

#[tokio::test]
async fn what_is_ingested_in_production_is_delivered() {
    let test = start().await;
    let call = || Call {
        from: "Ada".to_owned(),
    };
    test.deliver(streamer!("hook", "calls"), call())
        .await
        .expect("delivered");
    settled(&test).await;
    assert_eq!(test.handled::<Call>("answer"), [call()]);
}

#[tokio::test]
async fn what_another_service_delivers_is_not_published_by_this_one() {
    let test = start().await;
    let topic = streamer!("far", "orders");
    let id = test.deliver(topic, order(5)).await.expect("delivered");
    let old = test.deliver(topic, OrderV1 { number: 6 }).await;
    old.expect("delivered");
    settled(&test).await;
    assert_eq!(test.handled::<Order>("pack"), [order(5), order(6)]);
    assert!(test.published::<Order>().is_empty());
    let came = test.published_to(topic);
    let came = came[0].event().expect("an event");
    assert_eq!((came.source(), came.key()), ("another-service", Some("5")));
    assert_eq!(came.id(), &id);
}

#[tokio::test]
async fn an_envelope_is_delivered_as_it_is() {
    let test = start().await;
    let envelope = event("Order", r#"{"number":7}"#);
    let topic = streamer!("far", "orders");
    test.deliver_message(topic, envelope.clone())
        .await
        .expect("delivered");
    settled(&test).await;
    assert_eq!(test.attempts("pack")[0].message, Message::Event(envelope));
    let attempts = test.attempts("pack");
    assert!(reason(&attempts[0].outcome).contains("express"), "{test}");
}

#[tokio::test]
async fn a_delivery_that_nobody_hears_is_an_error() {
    let test = start().await;
    let foreign = Foreign::new(Bytes::new());
    let unheard = test
        .deliver_message(streamer!("far", "odrers"), foreign)
        .await;
    let unheard = unheard.expect_err("unheard").to_string();
    assert!(
        unheard.contains("`far/odrers`: `shop` listens on"),
        "{unheard}"
    );
    assert!(unheard.contains("`far/orders`, `far/rows`"), "{unheard}");
}

#[tokio::test]
async fn an_event_that_goes_nowhere_is_the_error_of_production() {
    let test = start().await;
    let nowhere = test.publish(OrderV1 { number: 1 }).await;
    // The handlers of this service's own events hear none of this name.
    assert!(matches!(nowhere, Err(PublishError::NoTarget { .. })));
}

#[tokio::test]
async fn a_batch_is_seen_one_by_one() {
    let test = start().await;
    let rows = (1..=3).map(|number| Row { number });
    test.publisher().publish_all(rows).await;
    settled(&test).await;
    let numbers = test.handled::<Row>("store");
    let numbers: Vec<_> = numbers.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    for attempt in test.attempts("store") {
        assert_eq!((attempt.number, attempt.began.as_secs()), (1, 5));
    }
}

#[tokio::test]
async fn what_has_expired_is_settled() {
    let test = start().await;
    let late = event("Order", r#"{"number":7}"#);
    let late = late.with_extension("expirytime", "2020-02-02T20:20:20Z");
    let topic = streamer!("far", "orders");
    let delivered = test.deliver_message(topic, late.expect("valid")).await;
    delivered.expect("delivered");
    settled(&test).await;
    assert!(test.attempts("pack").is_empty());
    assert!(test.to_string().contains("1 expired"), "{test}");
}

#[tokio::test]
async fn thousands_of_events_settle_at_once() {
    let test = start().await;
    let orders = (100..5_100).map(order);
    let published = test.publisher().publish_all(orders).await;
    assert!(published.iter().all(Result::is_ok));
    settled(&test).await;
    let thanked = test.attempts("thank");
    assert_eq!(thanked.len(), 5_000);
    assert_eq!(thanked[4_999].ended, Duration::ZERO);
    assert!(test.to_string().contains("lines that are left out"));
}

#[tokio::test]
async fn nothing_to_do_is_settled() {
    let test = start().await;
    settled(&test).await;
    assert!(test.to_string().ends_with("nothing has happened"), "{test}");
}

#[tokio::test]
async fn a_test_may_go_on_after_it_has_settled() {
    let test = start().await;
    for number in 1..=3 {
        test.publish(order(number)).await.expect("published");
        settled(&test).await;
    }
    assert_eq!(test.published::<Order>(), [order(1), order(2), order(3)]);
    test.shutdown().await.expect("shut down");
}

#[tokio::test]
async fn a_shutdown_is_the_one_of_production() {
    let test = in_trouble("stuck").await;
    let error = test.settle_within(Duration::from_secs(1)).await;
    error.expect_err("stuck");
    let unclean = test.shutdown().await.expect_err("unclean").to_string();
    assert!(
        unclean.contains("`cope` (from far/trouble) did not finish within 30s"),
        "{unclean}"
    );
    assert!(unclean.contains("1 unacknowledged events"), "{unclean}");
}

#[tokio::test]
async fn the_report_says_what_happened() {
    let test = in_trouble("away").await;
    test.publish(order(13)).await.expect("published");
    settled(&test).await;
    let report = test.to_string();
    for words in [
        "cope from far/trouble: 1 handled, 0 ignored, 3 failed attempts, 0 dead-lettered",
        r#"from another-service, {"kind":"away"}"#,
        "`cope` failed in attempt 3 at `Trouble`",
        ": the store is away",
        "`cope` handled `Trouble`",
        "`pack` gave up `Order`",
        "after 1 attempt: unlucky",
        "to far/orders: `Order`",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    // What went to a topic is not said twice.
    assert!(!report.contains("announced: `Order`"), "{report}");
}

#[tokio::test]
#[should_panic(expected = "no handler is called `pakc`; did you mean `pack`?")]
async fn a_misspelt_handler_is_answered() {
    start().await.attempts("pakc");
}

#[tokio::test]
#[should_panic(expected = "the handler `pack` takes `Order`, and never a `Shipped`")]
async fn a_handler_that_takes_another_event_is_answered() {
    start().await.handled::<Shipped>("pack");
}
