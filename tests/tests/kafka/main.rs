//! What Kafka alone has, on real brokers: who is let in, topics, groups, outages, and peers.

mod access;
mod commits;
mod groups;
mod options;
mod outages;
mod peers;
mod topics;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::event::{Envelope, EventId, Message};
use fanfare::streamer::{Deliveries, Delivery, Group, Streamer, Subscribe, SubscriptionRequest};
use fanfare::streamers::Kafka;
use fanfare_tests::brokers::Kafka as Server;
use fanfare_tests::{closes_for_good, in_time};
use futures_util::StreamExt;

/// A client of this server, which nobody waits for long.
fn client(server: &Server) -> Kafka {
    Kafka::new(server.bootstrap())
        .with_consumer_option("heartbeat.interval.ms", "100")
        .with_consumer_option("session.timeout.ms", "6000")
}

async fn connected(server: &Server) -> Kafka {
    let kafka = client(server);
    kafka.connect().await.expect("connected");
    kafka
}

/// A name that no test has used before.
fn name(of: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{of}-{}-{count}", std::process::id())
}

async fn topic(server: &Server, partitions: i32) -> String {
    let topic = name("topic");
    fanfare_tests::kafka::create_topic(&server.bootstrap(), &topic, partitions).await;
    topic
}

async fn subscribed(kafka: &Kafka, topic: &str, group: &str) -> Deliveries {
    let request = SubscriptionRequest {
        topic: topic.to_owned(),
        group: Group::Shared(group.to_owned()),
        max_in_flight: NonZeroUsize::new(100).expect("not zero"),
    };
    let subscribed = in_time("subscribed", kafka.subscribe(request)).await;
    subscribed.expect("subscribed")
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    let next = in_time("a delivery", deliveries.next()).await;
    next.expect("more").expect("a delivery")
}

fn keyed(key: &str, text: &str) -> Message {
    let event = Envelope::new(EventId::new(), "/tests", "tests.event").expect("an event");
    let payload = text.to_owned().into();
    let event = event.with_payload("text/plain", payload).expect("valid");
    event.with_key(key).expect("a key").into()
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(delivery.message().payload()).into_owned()
}

#[tokio::test]
async fn one_that_is_closed_is_closed_for_good() {
    let server = Server::shared();
    let topic = topic(server, 1).await;
    let (here, there) = (connected(server).await, connected(server).await);
    closes_for_good(here, there, client(server), &topic).await;
}
