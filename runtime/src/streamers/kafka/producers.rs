//! The clients that publish.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{
    DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::task::spawn_blocking;

use super::connect::{Watch, create, give_up};
use super::ear::Ear;
use super::publish::Receipt;
use super::search::{HOPELESS, Search};
use crate::streamer::StreamError;
use crate::streamer::queue::locked;

pub(super) type Producer = ThreadedProducer<ProducerEar>;

/// The producer, and another one when it has come to its end.
pub(super) struct Producers {
    config: ClientConfig,
    watch: Arc<Watch>,
    open: Mutex<Option<Open>>,
}

struct Open {
    producer: Arc<Producer>,
    /// Made when it is first needed.
    alone: Option<Arc<Producer>>,
}

impl Producers {
    pub(super) fn new(config: ClientConfig, watch: Arc<Watch>) -> Result<Self, StreamError> {
        let producer = create(&config, ProducerEar::new(&watch))?;
        Ok(Producers {
            config,
            watch,
            open: Mutex::new(Some(Open {
                producer: Arc::new(producer),
                alone: None,
            })),
        })
    }

    /// The producer, until it is closed.
    pub(super) fn producer(&self) -> Option<Arc<Producer>> {
        let open = locked(&self.open);
        open.as_ref().map(|open| Arc::clone(&open.producer))
    }

    /// A producer that sends each message by itself, until it is closed.
    pub(super) fn alone(&self) -> Option<Arc<Producer>> {
        let mut open = locked(&self.open);
        let open = open.as_mut()?;
        if open.alone.is_none() {
            let mut config = self.config.clone();
            config.set("batch.num.messages", "1");
            let alone = create(&config, ProducerEar::new(&self.watch));
            let alone = alone.inspect_err(|error| tracing::error!(%error, "there is no producer"));
            open.alone = alone.ok().map(Arc::new);
        }
        open.alone.clone()
    }

    /// Replaces one that is of no use any more.
    pub(super) fn replace(&self, old: &Arc<Producer>, why: &str) {
        let mut open = locked(&self.open);
        let Some(open) = open.as_mut() else { return };
        if let Some(alone) = open.alone.take_if(|alone| Arc::ptr_eq(alone, old)) {
            tracing::warn!(why, "Kafka's producer of single events has come to its end");
            return end(alone);
        }
        if !Arc::ptr_eq(&open.producer, old) {
            return;
        }
        match create(&self.config, ProducerEar::new(&self.watch)) {
            Ok(new) => {
                tracing::warn!(
                    why,
                    "Kafka's producer has come to its end: another one is made"
                );
                end(std::mem::replace(&mut open.producer, Arc::new(new)));
            }
            Err(error) => tracing::error!(%error, why, "Kafka's producer has come to its end"),
        }
    }

    /// Replaces a producer that does not find the brokers again: whoever waits for one sees to it.
    pub(super) async fn look_after(&self, producer: &Arc<Producer>) {
        if producer.context().has_ended() {
            // What came to it since.
            return producer.purge(PurgeConfig::default().queue().inflight());
        }
        if !producer.context().ear.is_lost() {
            return;
        }
        let asked = Arc::clone(producer);
        let is_hopeless = spawn_blocking(move || {
            let ear = asked.context();
            // One asks for all.
            let search = ear.search.try_lock();
            search.is_ok_and(|mut search| search.is_hopeless(asked.client(), &ear.ear))
        });
        if is_hopeless.await.unwrap_or_default() {
            self.replace(producer, HOPELESS);
        }
    }

    /// Sends what is queued, no longer than this, and lets nobody publish any more.
    pub(super) fn close(&self, limit: Duration) -> Result<(), StreamError> {
        let Some(Open { producer, alone }) = locked(&self.open).take() else {
            return Ok(());
        };
        let until = Instant::now() + limit;
        let mut is_flushed = true;
        for producer in [producer].into_iter().chain(alone) {
            let left = until.saturating_duration_since(Instant::now());
            is_flushed &= producer.flush(left).is_ok();
            producer.purge(PurgeConfig::default().queue().inflight());
        }
        if is_flushed {
            return Ok(());
        }
        Err(StreamError::new(format!(
            "what was being published was not confirmed within {limit:?}"
        )))
    }
}

/// Has it confirm nothing more: what it was given is to go by another one.
fn end(producer: Arc<Producer>) {
    let ear = producer.context();
    ear.has_ended.store(true, Ordering::Release);
    ear.trouble.notify_waiters();
    producer.purge(PurgeConfig::default().queue().inflight());
    give_up(producer);
}

impl Drop for Producers {
    fn drop(&mut self) {
        if let Some(Open { producer, alone }) = locked(&self.open).take() {
            give_up(producer);
            alone.into_iter().for_each(give_up);
        }
    }
}

/// What a producer tells.
pub(super) struct ProducerEar {
    ear: Ear,
    search: Mutex<Search>,
    has_ended: AtomicBool,
    /// There may be room in the queue.
    room: Notify,
    /// It is in trouble.
    trouble: Notify,
}

impl ProducerEar {
    fn new(watch: &Arc<Watch>) -> Self {
        ProducerEar {
            ear: Ear::new(Arc::clone(watch)),
            search: Mutex::default(),
            has_ended: AtomicBool::new(false),
            room: Notify::new(),
            trouble: Notify::new(),
        }
    }

    /// Whether another one is there in its place.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Whether whoever waits for it has to look after it.
    pub(super) fn is_in_trouble(&self) -> bool {
        self.has_ended() || self.ear.is_lost()
    }

    /// Hears when it gets into trouble.
    pub(super) fn trouble(&self) -> Notified<'_> {
        self.trouble.notified()
    }

    /// Hears when there may be room again.
    pub(super) fn room(&self) -> Notified<'_> {
        self.room.notified()
    }
}

impl ClientContext for ProducerEar {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.ear.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.ear.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ear.error(error, reason);
        if self.is_in_trouble() {
            self.trouble.notify_waiters();
        }
    }
}

impl ProducerContext for ProducerEar {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<Receipt>) {
        if result.is_ok() {
            self.ear.finds();
            self.ear.watch.reached();
        }
        receipt.lands(result.as_ref().err().map(|(error, _)| error));
        self.room.notify_waiters();
    }
}
