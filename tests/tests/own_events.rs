//! Handlers without `streamed_from` hear what this process publishes.

use fanfare::event::Message;
use fanfare::prelude::*;
use fanfare::{Counts, Running};
use fanfare_tests::{Heard, Log, Tell, channel, listen, publish};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

/// Heard here and streamed.
#[event(stream_to = streamer!("main", "orders"), key = number)]
struct OrderPlaced {
    number: u32,
}

/// Heard here only.
#[event]
struct StockLow {
    article: String,
}

#[event(name = "Renamed")]
struct RenamedV1 {
    old: u32,
}

#[event(name = "Renamed", version = 2, previous = RenamedV1)]
struct Renamed {
    new: u32,
}

impl From<RenamedV1> for Renamed {
    fn from(v1: RenamedV1) -> Self {
        Renamed { new: v1.old }
    }
}

#[event_handler]
async fn reserve(
    order: OrderPlaced,
    origin: Origin,
    publisher: Publisher,
    State(tell): State<Tell<String>>,
) -> Result<()> {
    let article = format!("article {}", order.number);
    publisher.publish(StockLow { article }).await?;
    tell.tell(format!("reserve {} {origin}", order.number));
    Ok(())
}

#[event_handler]
async fn reorder(stock: StockLow, State(tell): State<Tell<String>>) -> Result<()> {
    if stock.article == "article 13" {
        return Err(std::io::Error::other("unlucky").into());
    }
    tell.tell(format!("reorder {}", stock.article));
    Ok(())
}

#[event_handler]
async fn renamed(event: Renamed, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("renamed {}", event.new));
    Ok(())
}

#[event_handler]
async fn audit(
    raw: RawEvent,
    origin: Origin,
    State(tell): State<Tell<(String, RawEvent)>>,
) -> Result<()> {
    tell.tell((origin.topic().to_owned(), raw));
    Ok(())
}

#[event_handler(dead_letter = streamer!("main", "kept"))]
async fn refuse(order: OrderPlaced) -> Result<()> {
    match order.number {
        99 => Err(std::io::Error::other("too many").into()),
        _ => Ok(()),
    }
}

struct Started {
    log: Log,
    memory: Memory,
    running: Running,
    told: Heard<String>,
    audited: Heard<(String, RawEvent)>,
}

async fn start() -> Started {
    let log = Log::listen();
    let memory = Memory::new();
    let (tell, told) = channel::<String>();
    let (tell_raw, audited) = channel::<(String, RawEvent)>();
    let main = memory.clone();
    let app = App::new("shop")
        .streamers(Streamers { main })
        .state(tell)
        .state(tell_raw);
    Started {
        log,
        running: app.start().await.expect("started"),
        memory,
        told,
        audited,
    }
}

impl Started {
    async fn place(&self, number: u32) {
        let publisher = self.running.publisher();
        publisher
            .publish(OrderPlaced { number })
            .await
            .expect("published");
    }

    fn counts(&self, handler: &str) -> Counts {
        let mut counts = self.running.counts().into_iter();
        let found = counts.find(|counts| counts.handler == handler);
        found.expect("a handler of this name")
    }
}

#[tokio::test]
async fn an_event_is_heard_here_and_streamed() {
    let mut app = start().await;
    let mut streamed = listen(&app.memory, "orders").await;
    app.place(1).await;
    let told = [app.told.next().await, app.told.next().await];
    assert_eq!(
        told,
        ["reserve 1 local/OrderPlaced/reserve@0", "reorder article 1"]
    );
    let envelope = streamed.next_event().await;
    let (topic, raw) = app.audited.next().await;
    assert_eq!(
        (topic.as_str(), raw.envelope()),
        ("OrderPlaced", Some(&envelope))
    );
    let (topic, _) = app.audited.next().await;
    assert_eq!(topic, "StockLow");
    // One after another: when the second one is in hand, the first one is counted.
    app.place(2).await;
    while app.told.next().await != "reorder article 2" {}
    let counts = app.counts("reorder");
    assert_eq!((counts.topic, counts.ignored), (None, 0));
    assert!(counts.handled >= 1);
}

#[tokio::test]
async fn what_others_publish_is_not_heard() {
    let mut app = start().await;
    let mut streamed = listen(&app.memory, "orders").await;
    publish(
        &app.memory,
        "orders",
        fanfare_tests::event("OrderPlaced", r#"{"number":5}"#),
    )
    .await;
    streamed.next_event().await;
    app.place(6).await;
    assert_eq!(
        app.told.next().await,
        "reserve 6 local/OrderPlaced/reserve@0"
    );
}

#[tokio::test]
async fn an_older_version_is_brought_up() {
    let mut app = start().await;
    app.running
        .publisher()
        .publish(RenamedV1 { old: 3 })
        .await
        .expect("published");
    assert_eq!(app.told.next().await, "renamed 3");
}

#[tokio::test(start_paused = true)]
async fn without_a_topic_a_dead_letter_goes_to_the_log() {
    let mut app = start().await;
    app.place(13).await;
    app.told.next().await;
    let letter = ["ERROR", "dead letter", r#"{"article":"article 13"}"#];
    app.log.wait_for(1, &letter).await;
    assert_eq!(app.counts("reorder").dead_lettered, 1);
    assert_eq!(
        app.log
            .lines(&[
                "ERROR",
                "handler=\"reorder\"",
                "unlucky",
                "attempt=5",
                "the log"
            ])
            .len(),
        1
    );
    assert_eq!(app.log.lines(&letter).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn with_a_topic_a_dead_letter_goes_there() {
    let app = start().await;
    let mut kept = listen(&app.memory, "kept").await;
    app.place(99).await;
    let letter = kept.next_event().await;
    assert_eq!(letter.payload(), r#"{"number":99}"#);
    assert_eq!(
        fanfare_tests::extension(&letter, "deadletterreason"),
        "too many"
    );
    assert_eq!(
        fanfare_tests::extension(&letter, "deadletterorigin"),
        "local/OrderPlaced/refuse@0"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_finishes_what_waits_here() {
    let mut app = start().await;
    // More than the scheduler's budget, to be finished in one go.
    let orders = (0..200).map(|number| OrderPlaced { number });
    let reports = app.running.publisher().publish_all(orders).await;
    assert!(reports.iter().all(Result::is_ok));
    app.running.shutdown().await.expect("shut down");
    let told = app.told.rest();
    let reserved = told
        .iter()
        .filter(|told| told.starts_with("reserve"))
        .count();
    assert_eq!(reserved, 200);
    let audited = app
        .audited
        .rest()
        .into_iter()
        .filter(|(topic, _)| topic == "OrderPlaced");
    assert_eq!(audited.count(), 200);
    // What cannot be handled any more is not dropped in silence: nobody would deliver it again.
    let failed = app
        .log
        .lines(&["ERROR", "dead letter", r#"{"article":"article 13"}"#])
        .len();
    let reordered = told
        .iter()
        .filter(|told| told.starts_with("reorder"))
        .count();
    assert_eq!((reordered, failed), (199, 1));
}

#[tokio::test]
async fn a_handler_may_hear_raw_events_of_its_own_service() {
    let mut app = start().await;
    app.running
        .publisher()
        .publish(StockLow {
            article: "nail".to_owned(),
        })
        .await
        .expect("published");
    let (_, raw) = app.audited.next().await;
    assert!(matches!(raw.message(), Message::Event(event) if event.kind() == "StockLow"));
}
