//! What only `RabbitMQ` has, against a real one.

mod foreign;
mod options;
mod security;
mod sharing;
mod topology;
mod trouble;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fanfare::streamer::{Deliveries, Group, Needs, Subscribe, SubscriptionRequest};
use fanfare::streamer::{StreamError, Streamer};
use fanfare::streamers::Amqp;
use fanfare_tests::brokers::{Options, RabbitMq};
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::task::spawn_blocking;

/// A broker of a test's own.
async fn start(options: Options) -> RabbitMq {
    let starting = spawn_blocking(move || RabbitMq::start_with(&options));
    starting.await.expect("started")
}

/// The broker that the tests share.
async fn shared() -> &'static RabbitMq {
    spawn_blocking(RabbitMq::shared).await.expect("started")
}

/// A name that no other test has.
fn unique(name: &str) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    // The broker is this program's own.
    format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Connected, with the topics made that are needed, and quick to notice that the broker is gone.
async fn connected(url: &str) -> Amqp {
    let amqp = Amqp::new(format!("{url}?heartbeat=1"))
        .with_create_topics(true)
        .with_publish_timeout(Duration::from_mins(1));
    amqp.connect().await.expect("connected");
    amqp
}

async fn refused(amqp: Amqp) -> String {
    let error: StreamError = amqp.connect().await.expect_err("not connected");
    error.to_string()
}

fn needs(topics: &[&str]) -> Needs {
    let mut needs = Needs::default();
    needs.published = topics.iter().map(|topic| (*topic).to_owned()).collect();
    needs
}

async fn subscribe(amqp: &Amqp, topic: &str, in_flight: usize) -> Deliveries {
    let subscribed = try_subscribe(amqp, topic, in_flight).await;
    subscribed.expect("subscribed")
}

async fn try_subscribe(
    amqp: &Amqp,
    topic: &str,
    in_flight: usize,
) -> Result<Deliveries, StreamError> {
    let request = SubscriptionRequest {
        topic: topic.to_owned(),
        group: Group::Shared("shop.pack".to_owned()),
        max_in_flight: NonZeroUsize::new(in_flight).expect("not zero"),
    };
    amqp.subscribe(request).await
}

/// By hand: an operator, or somebody else's program.
async fn by_hand(broker: &RabbitMq) -> (Connection, Channel) {
    let url = broker.url();
    let connection = Connection::connect(&url, ConnectionProperties::default());
    let connection = connection.await.expect("connected");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

/// Waits until the streamer is well, or is not.
async fn until_health(amqp: &Amqp, is_well: bool) {
    let waiting = async {
        let mut glance = tokio::time::interval(Duration::from_millis(20));
        while amqp.health().is_ok() != is_well {
            glance.tick().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_mins(1), waiting).await;
    waited.unwrap_or_else(|_| panic!("it is still: {:?}", amqp.health()));
}

#[tokio::test]
async fn one_that_is_closed_is_closed_for_good() {
    let url = shared().await.url();
    let (here, there) = (connected(&url).await, connected(&url).await);
    fanfare_tests::closes_for_good(here, there, Amqp::new(url), &unique("posts")).await;
}
