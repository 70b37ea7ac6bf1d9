//! What the tests share: messages, ears, a streamer that is watched, and patience.

mod around;
mod asyncapi;
pub mod brokers;
mod closing;
mod example;
mod fake_registry;
pub mod figures;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod lives;
mod log;
mod postgres;
mod spy;

use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare::event::{Envelope, EventId, Foreign, Message};
use fanfare::streamer::{Deliveries, Delivery, Group, Outgoing, Publish, Subscribe};
use fanfare::streamer::{StreamError, SubscriptionRequest};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::coop::unconstrained;
use tokio::time::timeout;

pub use around::{Around, AroundTransaction, Call, Trouble, Watch};
pub use asyncapi::{ask_parser, wrong};
pub use closing::closes_for_good;
pub use example::example;
pub use fake_registry::{Asked, FakeRegistry};
pub use log::Log;
pub use postgres::Postgres;
pub use spy::Spy;

/// Longer than anything that is waited for; a test that takes it has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a handler tells its test: a `State` to send with, and the test's end to receive.
pub fn channel<T>() -> (Tell<T>, Heard<T>) {
    let (sender, receiver) = unbounded_channel();
    (Tell(sender), Heard(receiver))
}

/// The handler's end.
#[derive(Debug)]
pub struct Tell<T>(UnboundedSender<T>);

impl<T> Clone for Tell<T> {
    fn clone(&self) -> Self {
        Tell(self.0.clone())
    }
}

impl<T> Tell<T> {
    /// Tells the test.
    pub fn tell(&self, what: T) {
        // A test that has ended needs no more.
        let _ = self.0.send(what);
    }
}

/// The test's end.
#[derive(Debug)]
pub struct Heard<T>(UnboundedReceiver<T>);

impl<T> Heard<T> {
    /// The next thing that is told.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn next(&mut self) -> T {
        let next = timeout(PATIENCE, self.0.recv()).await;
        next.expect("told in time").expect("somebody to tell")
    }

    /// What was told and not heard yet.
    pub fn rest(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// A `CloudEvent` of another service: JSON, with an id of its own.
///
/// # Panics
/// Where the arguments make none.
pub fn event(kind: &str, payload: &str) -> Envelope {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    let envelope = Envelope::new(EventId::new(), "elsewhere", kind).expect("valid");
    envelope
        .with_payload("application/json", payload)
        .expect("valid")
}

/// A message that is no `CloudEvent`.
pub fn foreign(payload: &str) -> Foreign {
    Foreign::new(Bytes::copy_from_slice(payload.as_bytes()))
}

/// Publishes from outside of the app.
///
/// # Panics
/// When the streamer does not confirm it.
pub async fn publish(streamer: &impl Publish, topic: &str, message: impl Into<Message>) {
    try_publish(streamer, topic, message)
        .await
        .expect("published");
}

/// Publishes from outside of the app.
pub async fn try_publish(
    streamer: &impl Publish,
    topic: &str,
    message: impl Into<Message>,
) -> Result<(), StreamError> {
    let mut batch = [Outgoing::new(message.into())];
    streamer.publish(topic, &mut batch).await;
    let [outgoing] = batch;
    outgoing.into_result()
}

/// Hears everything that comes to a topic from now on.
///
/// # Panics
/// When the streamer refuses.
pub async fn listen(streamer: &impl Subscribe, topic: &str) -> Ear {
    static EARS: AtomicU64 = AtomicU64::new(0);
    // In a group of its own, that is: `Group::EachInstance` is what this stands beside.
    let number = EARS.fetch_add(1, Ordering::Relaxed);
    join(streamer, topic, &format!("ear-{number}")).await
}

/// Hears what comes to a group.
///
/// # Panics
/// When the streamer refuses.
pub async fn join(streamer: &impl Subscribe, topic: &str, group: &str) -> Ear {
    let request = SubscriptionRequest {
        topic: topic.to_owned(),
        group: Group::Shared(group.to_owned()),
        max_in_flight: NonZeroUsize::new(10_000).expect("not zero"),
    };
    Ear(streamer.subscribe(request).await.expect("subscribed"))
}

/// Hears what comes to a topic.
pub struct Ear(Deliveries);

impl Ear {
    /// The next message; it is acknowledged.
    ///
    /// # Panics
    /// When none comes.
    pub async fn next(&mut self) -> Message {
        let next = timeout(PATIENCE, self.0.next()).await.expect("in time");
        let delivery = next.expect("more").expect("a delivery");
        let message = delivery.message().clone();
        delivery.acknowledge();
        message
    }

    /// The next event, as [`next`](Ear::next).
    ///
    /// # Panics
    /// When none comes, or something else.
    pub async fn next_event(&mut self) -> Envelope {
        match self.next().await {
            Message::Event(event) => event,
            Message::Foreign(foreign) => panic!("no CloudEvent: {foreign:?}"),
        }
    }

    /// What has come by now, without waiting; it is acknowledged.
    ///
    /// # Panics
    /// When the streamer reports an error.
    pub fn rest(&mut self) -> Vec<Message> {
        let mut rest = Vec::new();
        // Unconstrained, or the scheduler's budget would make a full queue look empty.
        while let Some(Some(delivery)) = unconstrained(self.0.next()).now_or_never() {
            let delivery: Delivery = delivery.expect("a delivery");
            rest.push(delivery.message().clone());
            delivery.acknowledge();
        }
        rest
    }
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ear")
    }
}

/// An extension, as text; empty where there is none.
pub fn extension(envelope: &Envelope, name: &str) -> String {
    envelope
        .extension(name)
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Waits for something that is to happen.
///
/// # Panics
/// When it does not.
pub async fn in_time<T>(what: &str, happens: impl Future<Output = T>) -> T {
    let waited = timeout(PATIENCE, happens).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Runs it to its end, which is to be a good one.
fn run(command: &mut Command) {
    let output = command.output().expect("started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The snippets of the README, which are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The snippets of the pages on streamers and codecs.
#[cfg(doctest)]
mod pages {
    #[cfg(feature = "kafka")]
    #[doc = include_str!("../../docs/codecs.md")]
    struct Codecs;
    #[cfg(feature = "amqp")]
    #[doc = include_str!("../../docs/streamers/amqp.md")]
    struct Amqp;
    #[cfg(feature = "kafka")]
    #[doc = include_str!("../../docs/streamers/kafka.md")]
    struct Kafka;
    #[cfg(feature = "nats")]
    #[doc = include_str!("../../docs/streamers/nats.md")]
    struct Nats;
    #[doc = include_str!("../../docs/streamers/README.md")]
    struct Streamers;
}
