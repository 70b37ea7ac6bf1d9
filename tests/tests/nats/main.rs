//! What `Nats` promises beyond what every streamer does, on real servers: one promise a test. What
//! every streamer promises, the conformance suite tests.

mod foreign;
mod operator;
mod order;
mod outages;
mod security;
mod topics;

use std::num::NonZeroUsize;
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream;
use fanfare::event::{Envelope, EventId, Message};
use fanfare::streamer::{
    Deliveries, Delivery, Group, Outgoing, Publish, StreamError, Streamer, Subscribe,
    SubscriptionRequest,
};
use fanfare::streamers::Nats;
use fanfare_tests::{Log, brokers};
use futures_util::StreamExt;
use tokio::time::{interval, timeout};

const PATIENCE: Duration = Duration::from_mins(1);

/// How often it is looked at what nobody tells of.
const GLANCE: Duration = Duration::from_millis(5);

/// A server, and how tests see to its streams.
struct Server(brokers::Nats);

impl Deref for Server {
    type Target = brokers::Nats;

    fn deref(&self) -> &brokers::Nats {
        &self.0
    }
}

impl Server {
    fn start() -> Server {
        Server(brokers::Nats::start())
    }

    fn start_with(options: &brokers::Options) -> Server {
        Server(brokers::Nats::start_with(options))
    }

    fn shared() -> &'static brokers::Nats {
        brokers::Nats::shared()
    }

    /// The shared server, by the raw client.
    async fn jetstream() -> jetstream::Context {
        raw(&Server::shared().url()).await
    }

    /// Makes a stream on the shared server.
    async fn stream(name: &str, subject: &str) {
        make_stream(&Server::jetstream().await, name, subject).await;
    }

    /// A topic on this server.
    async fn topic(&self, name: &str) -> String {
        let topic = unique(name);
        make_stream(&raw(&self.url()).await, &topic, &topic).await;
        topic
    }

    /// A connection to the shared server, and a topic of the test's own there.
    async fn with_topic() -> (Nats, String) {
        let topic = unique("posts");
        Server::stream(&topic, &topic).await;
        (connected(Nats::new(Server::shared().url())).await, topic)
    }
}

async fn raw(url: &str) -> jetstream::Context {
    jetstream::new(async_nats::connect(url).await.expect("connected"))
}

async fn make_stream(jetstream: &jetstream::Context, name: &str, subject: &str) {
    let config = jetstream::stream::Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        ..Default::default()
    };
    jetstream.create_stream(config).await.expect("a stream");
}

/// A name that no other test has.
fn unique(name: &str) -> String {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    format!("{name}-{}-{number}", std::process::id())
}

async fn connected(nats: Nats) -> Nats {
    Log::of_all();
    nats.connect().await.expect("connected");
    nats
}

fn shared(name: &str) -> Group {
    Group::Shared(name.to_owned())
}

fn event(key: &str, text: &str) -> Message {
    Envelope::new(EventId::new(), "/tests", "test")
        .and_then(|event| event.with_key(key))
        .and_then(|event| event.with_payload("text/plain", text.to_owned().into()))
        .expect("valid")
        .into()
}

/// Events of one key that say these numbers.
fn texts(numbers: Range<usize>) -> Vec<Message> {
    numbers
        .map(|number| event("key", &number.to_string()))
        .collect()
}

async fn try_publish(
    nats: &Nats,
    topic: &str,
    messages: impl IntoIterator<Item = Message>,
) -> Vec<Result<(), StreamError>> {
    let mut batch: Vec<_> = messages.into_iter().map(Outgoing::new).collect();
    nats.publish(topic, &mut batch).await;
    batch.into_iter().map(Outgoing::into_result).collect()
}

async fn publish(nats: &Nats, topic: &str, messages: impl IntoIterator<Item = Message>) {
    for report in try_publish(nats, topic, messages).await {
        report.expect("confirmed");
    }
}

async fn subscribe(nats: &Nats, topic: &str, group: Group, max_in_flight: usize) -> Deliveries {
    let request = SubscriptionRequest {
        topic: topic.to_owned(),
        group,
        max_in_flight: NonZeroUsize::new(max_in_flight).expect("not zero"),
    };
    nats.subscribe(request).await.expect("subscribed")
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    let next = timeout(PATIENCE, deliveries.next()).await;
    next.expect("in time").expect("no end").expect("a delivery")
}

/// What the next one says; it is acknowledged.
async fn take(deliveries: &mut Deliveries) -> String {
    let delivery = next(deliveries).await;
    let text = text(&delivery);
    delivery.acknowledge();
    text
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message().payload().to_vec()).expect("text")
}

/// An event goes there and comes back.
async fn carries_an_event(nats: Nats) {
    let nats = connected(nats.with_create_topics(true)).await;
    let topic = unique("posts");
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 1).await;
    publish(&nats, &topic, [event("key", "hello")]).await;
    assert_eq!(take(&mut deliveries).await, "hello");
}

async fn healthy(nats: &Nats) {
    let mut glance = interval(GLANCE);
    let healthy = async {
        while nats.health().is_err() {
            glance.tick().await;
        }
    };
    timeout(PATIENCE, healthy).await.expect("healthy in time");
}

/// Until it is not: why.
async fn unhealthy(nats: &Nats) -> String {
    let mut glance = interval(GLANCE);
    let unhealthy = async {
        loop {
            if let Err(error) = nats.health() {
                return error.to_string();
            }
            glance.tick().await;
        }
    };
    timeout(PATIENCE, unhealthy).await.expect("told in time")
}

#[tokio::test]
async fn one_that_is_closed_is_closed_for_good() {
    let (here, topic) = Server::with_topic().await;
    let there = connected(Nats::new(Server::shared().url())).await;
    let never = Nats::new(Server::shared().url());
    fanfare_tests::closes_for_good(here, there, never, &topic).await;
}
