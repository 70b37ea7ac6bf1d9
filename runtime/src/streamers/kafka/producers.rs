//! The client that publishes.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{
    DeliveryResult, Producer as _, ProducerContext, PurgeConfig, ThreadedProducer,
};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::connect::create;
use super::ear::Ear;
use super::publish::Receipt;
use crate::streamer::StreamError;
use crate::streamer::queue::locked;

pub(super) type Producer = ThreadedProducer<ProducerEar>;

/// The producer, and another one when it has come to its end.
pub(super) struct Producers {
    config: ClientConfig,
    ear: Ear,
    producer: Mutex<Option<Arc<Producer>>>,
}

impl Producers {
    pub(super) fn new(config: ClientConfig, ear: Ear) -> Result<Self, StreamError> {
        let producer = create(&config, ProducerEar::new(ear.clone()))?;
        Ok(Producers {
            config,
            ear,
            producer: Mutex::new(Some(Arc::new(producer))),
        })
    }

    /// The producer, until it is closed.
    pub(super) fn producer(&self) -> Option<Arc<Producer>> {
        locked(&self.producer).clone()
    }

    /// Replaces one that librdkafka uses no more.
    pub(super) fn replace(&self, old: &Arc<Producer>) {
        let mut producer = locked(&self.producer);
        if producer.as_ref().is_none_or(|now| !Arc::ptr_eq(now, old)) {
            return;
        }
        match create(&self.config, ProducerEar::new(self.ear.clone())) {
            Ok(new) => {
                tracing::warn!("Kafka's producer has come to a fatal error: another one is made");
                give_up(producer.replace(Arc::new(new)));
            }
            Err(error) => tracing::error!(%error, "Kafka's producer has come to a fatal error"),
        }
    }

    /// Sends what is queued, no longer than this, and lets nobody publish any more.
    pub(super) fn close(&self, limit: Duration) -> Result<(), StreamError> {
        let Some(producer) = locked(&self.producer).take() else {
            return Ok(());
        };
        let flushed = producer.flush(limit);
        producer.purge(PurgeConfig::default().queue().inflight());
        flushed.map_err(|_| {
            StreamError::new(format!(
                "what was being published was not confirmed within {limit:?}"
            ))
        })
    }
}

/// librdkafka takes its time to end, which nobody is to wait for.
fn give_up(producer: Option<Arc<Producer>>) {
    if let Some(producer) = producer {
        // Where there is no thread, it ends here.
        let _ = thread::Builder::new().spawn(move || drop(producer));
    }
}

impl Drop for Producers {
    fn drop(&mut self) {
        give_up(locked(&self.producer).take());
    }
}

/// What a producer tells.
pub(super) struct ProducerEar {
    ear: Ear,
    /// There may be room in the queue.
    room: Notify,
}

impl ProducerEar {
    fn new(ear: Ear) -> Self {
        let room = Notify::new();
        ProducerEar { ear, room }
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
    }
}

impl ProducerContext for ProducerEar {
    type DeliveryOpaque = Box<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Box<Receipt>) {
        if result.is_ok() {
            self.ear.watch.reached();
        }
        receipt.lands(result.as_ref().err().map(|(error, _)| error));
        self.room.notify_waiters();
    }
}
