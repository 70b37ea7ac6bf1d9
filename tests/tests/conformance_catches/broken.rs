//! A thin wrapper around `Memory`, with one fault.

use std::future::Future;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanfare::event::cloudevents::{KAFKA, Wire};
use fanfare::event::{Foreign, Message};
use fanfare::streamer::{
    Deliver, Deliveries, Outgoing, Publish, Source, StreamError, Streamer, Subscribe,
    SubscriptionRequest,
};
use fanfare::streamers::Memory;
use fanfare::testing::conformance::{Capability, Factory};
use fanfare_tests::{foreign, try_publish};
use tokio::sync::{Semaphore, watch};

/// More than this is refused.
const LARGEST: usize = 2 << 20;

/// What is broken: each method is right, unless it is replaced.
pub(crate) trait Fault: Send + Sync + Sized + 'static {
    const PATIENCE: Duration = Duration::from_secs(2);

    fn publish(
        broken: &Broken<Self>,
        topic: &str,
        batch: &mut [Outgoing],
    ) -> impl Future<Output = ()> + Send {
        broken.publish_well(topic, batch)
    }

    fn request(request: SubscriptionRequest) -> SubscriptionRequest {
        request
    }

    fn deliveries(_broken: &Broken<Self>, _topic: &str, deliveries: Deliveries) -> Deliveries {
        deliveries
    }

    fn read(wire: Wire) -> Message {
        KAFKA.read(wire.headers, wire.key, wire.payload)
    }

    fn close(broken: &Broken<Self>) -> impl Future<Output = Result<(), StreamError>> + Send {
        Streamer::close(&broken.memory)
    }
}

/// Nothing is broken.
pub(crate) struct Honest;

impl Fault for Honest {
    const PATIENCE: Duration = Duration::from_mins(1);
}

/// A connection that is broken.
pub(crate) struct Broken<K> {
    pub(crate) memory: Memory,
    pub(crate) broker: Arc<Broker>,
    /// What the fault keeps.
    pub(crate) kept: Mutex<Vec<Outgoing>>,
    /// How many deliveries it has room for, if it counts those of all subscriptions together.
    pub(crate) room: Arc<Semaphore>,
    fault: PhantomData<K>,
}

/// What all connections share.
pub(crate) struct Broker {
    /// Whether it runs.
    pub(crate) is_up: watch::Sender<bool>,
    pub(crate) restarts: watch::Sender<usize>,
    /// The topics that were subscribed to, one after another.
    subscribed: Mutex<Vec<String>>,
    counter: AtomicUsize,
}

impl Broker {
    /// Whether this is one in so many.
    pub(crate) fn one_in(&self, many: usize) -> bool {
        self.counter.fetch_add(1, Ordering::Relaxed) % many == many - 1
    }
}

impl Broker {
    fn subscribed(&self) -> MutexGuard<'_, Vec<String>> {
        self.subscribed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn knows(&self, topic: &str) -> bool {
        self.subscribed().iter().any(|known| known == topic)
    }

    pub(crate) fn knew_last(&self, topic: &str) -> bool {
        self.subscribed().last().is_some_and(|last| last == topic)
    }
}

impl<K: Fault> Broken<K> {
    /// Publishes as it should be.
    pub(crate) async fn publish_well(&self, topic: &str, batch: &mut [Outgoing]) {
        if !*self.broker.is_up.borrow() {
            for outgoing in batch {
                outgoing.report(Err(StreamError::new("the broker restarts")));
            }
            return;
        }
        let is_refused = |outgoing: &Outgoing| outgoing.message().payload().len() > LARGEST;
        for part in batch.chunk_by_mut(|one, other| is_refused(one) == is_refused(other)) {
            if is_refused(&part[0]) {
                for outgoing in part {
                    outgoing.report(Err(StreamError::new("too large")));
                }
            } else {
                self.memory.publish(topic, part).await;
            }
        }
    }

    /// Publishes other messages in place of these, and reports what became of each.
    pub(crate) async fn publish_changed(
        &self,
        topic: &str,
        batch: &mut [Outgoing],
        change: impl Fn(Message) -> Message + Send,
    ) {
        let changed = batch
            .iter()
            .map(|outgoing| change(outgoing.message().clone()));
        let mut changed: Vec<_> = changed.map(Outgoing::new).collect();
        self.publish_well(topic, &mut changed).await;
        for (outgoing, changed) in batch.iter_mut().zip(changed) {
            outgoing.report(changed.into_result());
        }
    }
}

impl<K: Fault> Streamer for Broken<K> {
    async fn close(&self) -> Result<(), StreamError> {
        K::close(self).await
    }
}

impl<K: Fault> Publish for Broken<K> {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        K::publish(self, topic, batch).await;
    }
}

impl<K: Fault> Subscribe for Broken<K> {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        let request = K::request(request);
        let topic = request.topic.clone();
        self.broker.subscribed().push(topic.clone());
        let deliveries = self.memory.subscribe(request).await?;
        Ok(K::deliveries(self, &topic, deliveries))
    }
}

impl<K: Fault> Deliver for Broken<K> {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

/// Makes connections that are broken.
pub(crate) struct Make<K> {
    memory: Memory,
    broker: Arc<Broker>,
    fault: PhantomData<K>,
}

impl<K: Fault> Factory for Make<K> {
    type Streamer = Broken<K>;

    const CAPABILITIES: &'static [Capability] = &[
        Capability::Groups,
        Capability::OrderedByKey,
        Capability::Durable,
        Capability::EachInstance,
        Capability::Backlog,
        Capability::DelayedRelease,
        Capability::Attempts,
        Capability::Headers,
        Capability::BinaryHeaders,
        Capability::Key,
        Capability::Restart,
        Capability::RawPublish,
        Capability::Refusal,
    ];
    const PATIENCE: Duration = K::PATIENCE;
    const QUIET: Duration = Duration::from_millis(50);

    async fn open() -> Result<Self, StreamError> {
        let capacity = const { NonZeroUsize::new(5_000).expect("not zero") };
        let broker = Broker {
            is_up: watch::Sender::new(true),
            restarts: watch::Sender::new(0),
            subscribed: Mutex::default(),
            counter: AtomicUsize::new(0),
        };
        Ok(Make {
            memory: Memory::new().with_capacity(capacity),
            broker: Arc::new(broker),
            fault: PhantomData,
        })
    }

    fn streamer(&self) -> Broken<K> {
        Broken {
            memory: self.memory.clone(),
            broker: Arc::clone(&self.broker),
            kept: Mutex::default(),
            room: Arc::new(Semaphore::new(10)),
            fault: PhantomData,
        }
    }

    /// A memory that is out of reach for a while is all that a client sees of a durable broker.
    async fn restart(&self) -> Result<(), StreamError> {
        self.broker.is_up.send_replace(false);
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.broker.restarts.send_modify(|restarts| *restarts += 1);
        self.broker.is_up.send_replace(true);
        Ok(())
    }

    /// A stranger has Kafka's way to say what an event is.
    async fn publish_raw(&self, topic: &str, raw: Foreign) -> Result<(), StreamError> {
        let wire = KAFKA.write_message(&raw.into());
        let message = K::read(wire);
        try_publish(&self.memory, topic, message).await
    }

    fn refused(&self) -> Option<Message> {
        Some(foreign(&"x".repeat(LARGEST + 1)).into())
    }
}
