//! A service under test: its streamers in memory, its clock virtual.

mod asking;
mod delivering;
mod settling;
mod starting;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use fanfare::Error;
use fanfare::event::{Foreign, Message};
use fanfare::prelude::*;
use fanfare::streamer::{
    Deliver, Deliveries, Groups, Ingest, Outgoing, Publish, Source, StreamError, Streamer,
    Subscribe, SubscriptionRequest,
};
use fanfare::testing::TestApp;
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
