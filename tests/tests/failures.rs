//! An error is never an acknowledgement.

use std::fmt;
use std::time::Duration;

use fanfare::event::{Envelope, Message};
use fanfare::prelude::*;
use fanfare::streamer::Streamer as _;
use fanfare::{Counts, Running};
use fanfare_tests::{
    Ear, Heard, Log, Spy, Tell, channel, event, extension, foreign, join, listen, publish,
};
use tokio::time::Instant;

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(
    stream_to = [
        streamer!("main", "orders"),
        streamer!("main", "invoices"),
        streamer!("main", "returns"),
    ]
)]
struct OrderPlaced {
    what: String,
}

/// Does as the order says.
#[event_handler(streamed_from = streamer!("main", "orders"))]
async fn obey(order: OrderPlaced, metadata: Metadata, State(tell): State<Tell<u32>>) -> Result<()> {
    let attempt = metadata.attempt();
    tell.tell(attempt);
    match order.what.as_str() {
        "fail" => Err(std::io::Error::other("no\nsuch\u{1b} table").into()),
        "panic" => panic!("attempt {attempt} went wrong"),
        "fail unspeakably" => Err(Unspeakable.into()),
        "fail twice" if attempt <= 2 => Err(std::io::Error::other("not yet").into()),
        _ => Ok(()),
    }
}

#[event_handler(
    streamed_from = streamer!("main", "invoices"),
    dead_letter = streamer!("main", "unpaid")
)]
async fn pay(_: OrderPlaced) -> Result<(), String> {
    Err("no money".to_owned())
}

/// An error that cannot be written out.
#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Unspeakable {}

/// Resists being ended.
#[event_handler(
    streamed_from = streamer!("main", "returns"),
    retry(attempts = 1),
    timeout = "1s"
)]
async fn resist(_: OrderPlaced) -> Result<()> {
    let _resistance = Resistance;
    std::future::pending().await
}

struct Resistance;

impl Drop for Resistance {
    fn drop(&mut self) {
        panic!("not so fast")
    }
}

struct Started {
    log: Log,
    spy: Spy,
    running: Running,
    attempts: Heard<u32>,
    dead_letters: Ear,
}

async fn start() -> Started {
    let spy = Spy::default();
    let dead_letters = listen(spy.memory(), "orders.dead-letters").await;
    start_with(spy, dead_letters).await
}

/// The dead letters of another broker are heard, and those of this one not.
async fn start_without_listener() -> Started {
    let elsewhere = listen(&Memory::new(), "orders.dead-letters").await;
    start_with(Spy::default(), elsewhere).await
}

async fn start_with(spy: Spy, dead_letters: Ear) -> Started {
    let log = Log::listen();
    let (tell, attempts) = channel();
    let streamers = Streamers { main: spy.clone() };
    let running = App::new("shop").streamers(streamers).state(tell).start();
    Started {
        log,
        running: running.await.expect("started"),
        dead_letters,
        spy,
        attempts,
    }
}

impl Started {
    async fn order(&self, what: &str) -> Envelope {
        let order = event("OrderPlaced", &format!(r#"{{"what":"{what}"}}"#));
        publish(self.spy.memory(), "orders", order.clone()).await;
        order
    }

    fn counts(&self) -> Counts {
        self.running.counts().swap_remove(0)
    }
}

fn same_but_for_the_verdict(letter: &Envelope, original: &Envelope) {
    assert_eq!(letter.id(), original.id());
    assert_eq!(letter.source(), original.source());
    assert_eq!(letter.kind(), original.kind());
    assert_eq!(letter.content_type(), original.content_type());
    assert_eq!(letter.payload(), original.payload());
}

#[tokio::test(start_paused = true)]
async fn an_error_is_retried_and_then_dead_lettered() {
    let mut app = start().await;
    let before = Instant::now();
    let order = app.order("fail").await;

    let letter = app.dead_letters.next_event().await;
    same_but_for_the_verdict(&letter, &order);
    // One line: what cannot stand in a header is gone.
    assert_eq!(extension(&letter, "deadletterreason"), "no such  table");
    assert_eq!(extension(&letter, "deadletterhandler"), "obey");
    assert_eq!(extension(&letter, "deadletterattempts"), "5");
    let origin = extension(&letter, "deadletterorigin");
    assert!(
        origin.starts_with("main/orders/") && origin.contains('@'),
        "{origin}"
    );
    assert_eq!(app.attempts.rest(), [1, 2, 3, 4, 5]);

    // 100, 200, 400 and 800 ms, each up to twice as long for the jitter.
    let took = before.elapsed();
    assert!((1_500..3_100).contains(&took.as_millis()), "{took:?}");
    app.spy.acknowledged(1).await;
    let counts = app.counts();
    assert_eq!(
        (counts.handled, counts.failed_attempts, counts.dead_lettered),
        (0, 5, 1)
    );

    let id = order.id().to_string();
    let known = [
        "event=\"OrderPlaced\"",
        id.as_str(),
        "handler=\"obey\"",
        "origin=main/orders/",
    ];
    assert_eq!(
        app.log
            .lines(&[&["WARN", "next attempt in"][..], &known].concat())
            .len(),
        4
    );
    assert_eq!(
        app.log
            .lines(&[&["ERROR", "attempt=5", "orders.dead-letters"][..], &known].concat())
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_that_passes_is_no_dead_letter() {
    let mut app = start().await;
    app.order("fail twice").await;
    app.spy.acknowledged(1).await;
    assert_eq!(app.attempts.rest(), [1, 2, 3]);
    let counts = app.counts();
    assert_eq!((counts.handled, counts.failed_attempts), (1, 2));
    assert_eq!(app.dead_letters.rest(), []);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error() {
    let mut app = start().await;
    let order = app.order("panic").await;
    let letter = app.dead_letters.next_event().await;
    same_but_for_the_verdict(&letter, &order);
    assert_eq!(
        extension(&letter, "deadletterreason"),
        "the handler panicked: attempt 5 went wrong"
    );
    assert_eq!(app.attempts.rest(), [1, 2, 3, 4, 5]);

    app.order("well").await;
    app.spy.acknowledged(2).await;
    assert_eq!(app.counts().handled, 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_dead_lettered_at_once_and_stalls_nothing() {
    let mut app = start().await;
    let before = Instant::now();
    let broken = event("OrderPlaced", "{\"what\": \u{0}}");
    publish(app.spy.memory(), "orders", broken.clone()).await;
    let wrong = event("OrderPlaced", r#"{"what": 7}"#);
    publish(app.spy.memory(), "orders", wrong.clone()).await;
    let binary = event("OrderPlaced", "{}")
        .with_payload("application/protobuf", vec![0xff, 0x00, 0xfe].into())
        .expect("valid");
    publish(app.spy.memory(), "orders", binary.clone()).await;
    app.order("well").await;

    for (original, reason) in [
        (
            broken,
            "the payload is no `OrderPlaced` of version 1: expected value at line 1",
        ),
        (
            wrong,
            "version 1: field `what`: invalid type: integer `7`, expected a string at line 1 column 10",
        ),
        (binary, "and this program reads JSON"),
    ] {
        let letter = app.dead_letters.next_event().await;
        same_but_for_the_verdict(&letter, &original);
        let given = extension(&letter, "deadletterreason");
        assert!(given.contains(reason), "{given}");
        assert_eq!(extension(&letter, "deadletterattempts"), "1");
    }
    assert_eq!(app.attempts.next().await, 1);
    assert_eq!(before.elapsed(), Duration::ZERO);
    app.spy.acknowledged(4).await;
    let counts = app.counts();
    assert_eq!((counts.handled, counts.dead_lettered), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_cloudevent_is_dead_lettered_with_headers() {
    let mut app = start().await;
    let payload = bytes::Bytes::from_static(b"\xff\xfe not JSON");
    let stranger = fanfare::event::Foreign::new(payload.clone())
        .with_header("x-from", "afar".into())
        .with_key("k".into());
    publish(app.spy.memory(), "orders", stranger).await;

    let Message::Foreign(letter) = app.dead_letters.next().await else {
        panic!("it was no CloudEvent, and is one now");
    };
    assert_eq!(letter.payload(), &payload);
    assert_eq!(letter.header("x-from").expect("kept"), "afar");
    assert_eq!(letter.key().expect("kept"), "k");
    let reason = letter.header("deadletterreason").expect("a reason");
    assert!(
        reason.starts_with(b"the payload is no `OrderPlaced`"),
        "{reason:?}"
    );
    assert_eq!(
        letter.header("deadletterhandler").expect("a handler"),
        "obey"
    );
    assert_eq!(letter.header("deadletterattempts").expect("attempts"), "1");
}

#[tokio::test(start_paused = true)]
async fn a_claim_to_be_a_cloudevent_is_checked() {
    let mut app = start().await;
    let fault = fanfare::event::EnvelopeError::Missing("id");
    publish(
        app.spy.memory(),
        "orders",
        foreign(r#"{"what":"well"}"#).with_fault(fault),
    )
    .await;
    let Message::Foreign(letter) = app.dead_letters.next().await else {
        panic!("it was no CloudEvent, and is one now");
    };
    let reason = letter.header("deadletterreason").expect("a reason");
    assert!(
        reason.ends_with(b"the required attribute `id` is missing"),
        "{reason:?}"
    );
    assert!(app.attempts.rest().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_name_its_dead_letters() {
    let app = start().await;
    let mut unpaid = listen(app.spy.memory(), "unpaid").await;
    publish(
        app.spy.memory(),
        "invoices",
        event("OrderPlaced", r#"{"what":"x"}"#),
    )
    .await;
    let letter = unpaid.next_event().await;
    assert_eq!(extension(&letter, "deadletterreason"), "no money");
}

#[tokio::test(start_paused = true)]
async fn a_reason_is_bounded_and_an_event_without_room_for_it_is_kept() {
    let mut app = start().await;
    let long = event("OrderPlaced", &format!(r#"{{"{}":1}}"#, "x".repeat(5_000)));
    publish(app.spy.memory(), "orders", long).await;
    let letter = app.dead_letters.next_event().await;
    assert!(extension(&letter, "deadletterreason").chars().count() <= 1_000);

    let mut full = event("OrderPlaced", "broken");
    for number in 0..256 {
        full = full
            .with_extension(&format!("x{number}"), "y")
            .expect("valid");
    }
    publish(app.spy.memory(), "orders", full.clone()).await;
    assert_eq!(app.dead_letters.next_event().await, full);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_published_is_tried_again() {
    let mut app = start().await;
    app.spy.fail_publishes(7);
    let broken = event("OrderPlaced", "broken");
    publish(app.spy.memory(), "orders", broken.clone()).await;
    app.order("well").await;

    same_but_for_the_verdict(&app.dead_letters.next_event().await, &broken);
    assert_eq!(app.dead_letters.rest(), []);
    app.spy.acknowledged(2).await;
    assert_eq!(app.counts().handled, 1);
    assert_eq!(
        app.log
            .lines(&["ERROR", "dead letter could not be published"])
            .len(),
        7
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_pauses_and_gives_back_what_was_not_handled() {
    let mut app = start().await;
    let order = app.order("fail").await;
    assert_eq!(app.attempts.next().await, 1);
    let (memory, before) = (app.spy.memory().clone(), Instant::now());
    app.running.shutdown().await.expect("shut down");
    assert!(before.elapsed() < Duration::from_millis(100));
    let mut group = join(&memory, "orders", "shop.obey").await;
    assert_eq!(group.next_event().await, order);
    assert_eq!(app.dead_letters.rest(), []);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_gives_back_what_no_dead_letter_topic_took() {
    let app = start().await;
    app.spy.fail_publishes(usize::MAX);
    let broken = event("OrderPlaced", "broken");
    publish(app.spy.memory(), "orders", broken.clone()).await;
    app.spy.sees("publish orders.dead-letters", 3).await;
    let memory = app.spy.memory().clone();
    app.running.shutdown().await.expect("shut down");
    let mut group = join(&memory, "orders", "shop.obey").await;
    assert_eq!(group.next_event().await, broken);
    memory.close().await.expect("closed");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_nobody_hears_is_in_the_log() {
    let app = start_without_listener().await;
    let text = event("OrderPlaced", r#"{"no": "order"}"#);
    let binary = event("OrderPlaced", "\u{1}\n");
    let long = event("OrderPlaced", &"ä".repeat(50_000));
    for order in [&text, &binary, &long] {
        publish(app.spy.memory(), "orders", order.clone()).await;
    }
    app.spy.acknowledged(3).await;
    let counts = app.counts();
    assert_eq!((counts.handled, counts.dead_lettered), (0, 3));

    let lines = |order: &Envelope, words: &[&str]| {
        let id = order.id().to_string();
        let known = [
            "ERROR",
            "dead letter",
            "the payload is no `OrderPlaced`",
            &id,
        ];
        app.log.lines(&[&known[..], words].concat()).len()
    };
    assert_eq!(lines(&text, &[r#"payload={"no": "order"}"#]), 1);
    assert_eq!(lines(&binary, &["in base64", "payload=AQo="]), 1);
    let logged = format!("payload={}", "ä".repeat(32 * 1024));
    let cut = "the first 65536 of 100000 bytes";
    assert_eq!(lines(&long, &[cut, &logged]), 1);
    assert_eq!(lines(&long, &[&format!("{logged}ä")]), 0);
    let places = ["ERROR", "nobody listens on main/orders.dead-letters"];
    assert_eq!(app.log.lines(&places).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_somebody_hears_is_not_in_the_log() {
    let mut app = start().await;
    let broken = event("OrderPlaced", "broken");
    publish(app.spy.memory(), "orders", broken.clone()).await;
    same_but_for_the_verdict(&app.dead_letters.next_event().await, &broken);
    app.spy.acknowledged(1).await;
    assert_eq!(app.log.lines(&["payload=broken"]).len(), 0);

    // Nor is it when the last one has left: its group keeps it.
    drop(app.dead_letters);
    publish(app.spy.memory(), "orders", broken.clone()).await;
    app.spy.acknowledged(2).await;
    assert_eq!(app.log.lines(&["payload=broken"]).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_it_is_written_out_is_an_error() {
    let mut app = start().await;
    let order = app.order("fail unspeakably").await;
    let letter = app.dead_letters.next_event().await;
    same_but_for_the_verdict(&letter, &order);
    assert_eq!(
        extension(&letter, "deadletterreason"),
        "the handler failed, and its error panicked when it was written out: no words"
    );
    assert_eq!(extension(&letter, "deadletterattempts"), "5");

    app.order("well").await;
    app.spy.acknowledged(2).await;
    assert_eq!(app.counts().handled, 1);
    app.running.shutdown().await.expect("shut down");
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_attempt_that_is_ended_is_an_error() {
    let app = start().await;
    let mut dead_letters = listen(app.spy.memory(), "returns.dead-letters").await;
    let order = event("OrderPlaced", r#"{"what":"x"}"#);
    publish(app.spy.memory(), "returns", order).await;
    let letter = dead_letters.next_event().await;
    assert_eq!(
        extension(&letter, "deadletterreason"),
        "the handler panicked: not so fast"
    );
    app.running.shutdown().await.expect("shut down");
}
