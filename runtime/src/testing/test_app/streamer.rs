//! What takes the place of each streamer.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::record::Record;
use crate::event::{Message, TopicName};
use crate::streamer::{
    Deliveries, Outgoing, Publish, StreamError, Streamer, Subscribe, SubscriptionRequest,
};
use crate::streamers::Memory;
use crate::topology::StreamerUse;

/// How many unacknowledged events a group holds: more than a test has, unless it never ends.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// A memory of its own, of which everything that is published to it is noted.
pub(super) struct NotingStreamer {
    pub(super) set: &'static str,
    pub(super) name: &'static str,
    memory: Memory,
    record: Arc<Record>,
}

impl NotingStreamer {
    pub(super) fn new(replaced: &StreamerUse, record: &Arc<Record>) -> Self {
        NotingStreamer {
            set: replaced.set,
            name: replaced.name,
            memory: Memory::new().with_capacity(CAPACITY),
            record: Arc::clone(record),
        }
    }

    pub(super) fn carries(&self, topic: &TopicName) -> bool {
        (self.set, self.name) == (topic.set, topic.streamer)
    }

    /// How many events are in it that no handler is done with.
    pub(super) fn unacknowledged(&self) -> usize {
        self.memory.unacknowledged()
    }

    /// Publishes as another service would, and says whether anybody hears it.
    pub(super) async fn deliver(&self, topic: &str, message: Message) -> Result<bool, StreamError> {
        let mut batch = [Outgoing::new(message)];
        self.publish(topic, &mut batch).await;
        let [outgoing] = batch;
        let heard = !outgoing.is_unheard();
        outgoing.into_result().map(|()| heard)
    }
}

impl Streamer for NotingStreamer {
    async fn close(&self) -> Result<(), StreamError> {
        self.memory.close().await
    }
}

impl Publish for NotingStreamer {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        let messages = batch.iter().map(|outgoing| outgoing.message().clone());
        let mut published: Vec<_> = messages.map(Outgoing::new).collect();
        self.memory.publish(topic, &mut published).await;
        for (outgoing, published) in batch.iter_mut().zip(published) {
            let unheard = published.is_unheard();
            match published.into_result() {
                Err(error) => outgoing.report(Err(error)),
                Ok(()) => {
                    self.record.streamed(self, topic, outgoing.message());
                    if unheard {
                        outgoing.report_unheard();
                    } else {
                        outgoing.report(Ok(()));
                    }
                }
            }
        }
    }
}

impl Subscribe for NotingStreamer {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        self.memory.subscribe(request).await
    }
}
