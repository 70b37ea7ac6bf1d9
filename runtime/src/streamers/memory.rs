//! A streamer in the memory of the process.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::SetOnce;
use tokio::task::coop::consume_budget;

use crate::streamer::queue::{Ending, GroupOptions, Membership, Refusal, Refused, Topic};
use crate::streamer::{
    Deliver, Deliveries, Group, Groups, Guarantee, OrderedByKey, Outgoing, Publish, Source,
    StreamError, Streamer, Subscribe, SubscriptionRequest,
};
use crate::streamers::times::{duration, publish_timeout};

/// A streamer in the memory of the process: for tests, for examples, and for a service that
/// streams to itself.
///
/// A clone is another connection to the same memory, as two services have to one broker; another
/// [`Memory::new`] is another memory. Closing a connection ends what was subscribed through it,
/// and leaves the others open.
///
/// - **Streams.** A topic has a fixed number of streams. Events of one key go to one stream, those
///   without a key to each in turn. The position counts within the stream, the same for every
///   group; a subscriber is given its events in the order in which they were published.
/// - **Groups.** A group gets what is published after its first subscriber came, and keeps what it
///   has not acknowledged when the last one has left. Its subscribers share the streams; a stream
///   goes over to another subscriber when what is in flight is settled, so that order by key
///   holds while they come and go. There are never more subscribers at work than streams.
///   A group of one instance ends with its subscriber.
/// - **Nothing is kept** of what is published to a topic that has no group: it is reported as
///   [unheard](Outgoing::report_unheard). Nothing survives the process: it is not
///   [`Durable`](crate::streamer::Durable).
/// - **Closed** as the last connection with unacknowledged events in it, it says how many are gone.
/// - **Bounded.** A group holds a limited number of unacknowledged events. Publishers wait, first
///   come, first served, while one of the topic's groups is full, and get an error after a while;
///   at once if nobody subscribes to the full one any more.
/// - **Released** events come again before any later one of their stream, and a delay holds the
///   stream back.
///
/// Waiting takes the timer of the tokio runtime that it is called in.
///
/// ```
/// use std::num::NonZeroUsize;
///
/// use bytes::Bytes;
/// use fanfare::event::{Foreign, Message};
/// use fanfare::streamer::{Group, Outgoing, Publish, Subscribe, SubscriptionRequest};
/// use fanfare::streamers::Memory;
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = Memory::new();
/// let mut deliveries = memory
///     .subscribe(SubscriptionRequest {
///         topic: "posts".to_owned(),
///         group: Group::Shared("blog.index_post".to_owned()),
///         max_in_flight: NonZeroUsize::MIN,
///     })
///     .await?;
///
/// let message = Message::from(Foreign::new(Bytes::from_static(b"hello")));
/// let mut batch = [Outgoing::new(message)];
/// memory.publish("posts", &mut batch).await;
/// for outgoing in batch {
///     outgoing.into_result()?;
/// }
///
/// let delivery = deliveries.next().await.ok_or("ended")??;
/// assert_eq!(&delivery.message().payload()[..], b"hello");
/// delivery.acknowledge();
/// # Ok(())
/// # }
/// ```
#[derive(Deserialize)]
#[serde(from = "Options")]
pub struct Memory {
    broker: Arc<Broker>,
    options: Options,
    /// Which of the broker's handles this is.
    handle: u64,
    /// Set once it is.
    closed: SetOnce<()>,
}

/// What all clones share.
#[derive(Default)]
struct Broker {
    topics: RwLock<BTreeMap<String, Arc<Topic>>>,
    last_handle: AtomicU64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    capacity: NonZeroUsize,
    streams: NonZeroUsize,
    #[serde(deserialize_with = "duration")]
    publish_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            capacity: const { NonZeroUsize::new(1024).expect("not zero") },
            streams: const { NonZeroUsize::new(8).expect("not zero") },
            publish_timeout: publish_timeout(),
        }
    }
}

impl Memory {
    /// A memory of its own.
    ///
    /// From a file or the environment it is read as a table, in which everything may be left out:
    /// `{ "capacity": 1024, "streams": 8, "publish_timeout": "30s" }`.
    pub fn new() -> Self {
        Memory::from(Options::default())
    }

    /// How many unacknowledged events a group holds that is first subscribed to through this
    /// handle: 1024, if not said.
    #[must_use]
    pub fn with_capacity(mut self, events: NonZeroUsize) -> Self {
        self.options.capacity = events;
        self
    }

    /// How many streams a topic has that is first subscribed to through this handle: 8, if not
    /// said.
    #[must_use]
    pub fn with_streams(mut self, streams: NonZeroUsize) -> Self {
        self.options.streams = streams;
        self
    }

    /// How long publishing through this handle waits for room: 30 seconds, if not said.
    #[must_use]
    pub fn with_publish_timeout(mut self, timeout: Duration) -> Self {
        self.options.publish_timeout = timeout;
        self
    }

    fn connected(broker: Arc<Broker>, options: Options) -> Self {
        Memory {
            handle: broker.last_handle.fetch_add(1, Ordering::Relaxed),
            broker,
            options,
            closed: SetOnce::new(),
        }
    }

    /// How many events all groups hold.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.broker.topics().iter().map(|topic| topic.held()).sum()
    }

    /// An error if this is the last connection and events are gone with it.
    fn report_loss(&self) -> Result<(), StreamError> {
        let waiting = self.unacknowledged();
        if waiting == 0 || Arc::strong_count(&self.broker) > 1 {
            return Ok(());
        }
        Err(StreamError::new(format!(
            "{waiting} unacknowledged events were in the memory, and are gone with its last connection"
        )))
    }

    fn check_open(&self) -> Result<(), StreamError> {
        if self.closed.initialized() {
            return Err(StreamError::new(CLOSED));
        }
        Ok(())
    }

    /// Why a message was not published, for the operator.
    fn error(&self, topic: &str, why: &Refusal) -> StreamError {
        let timeout = self.options.publish_timeout;
        let group = |name: &Option<String>| match name {
            Some(name) => format!("the group `{name}` of the topic `{topic}`"),
            None => format!("the group of one instance of the topic `{topic}`"),
        };
        StreamError::new(match why {
            Refusal::Full(full) => format!(
                "{} has been full for {timeout:?} with {} unacknowledged events: make its handler \
                 faster or start more instances, or else raise `Memory::with_capacity` or \
                 `Memory::with_publish_timeout`",
                group(&full.name),
                full.capacity,
            ),
            Refusal::Abandoned(full) => format!(
                "{} is full with {} unacknowledged events, and nobody subscribes to it any more: \
                 start its service again, or raise `Memory::with_capacity`",
                group(&full.name),
                full.capacity,
            ),
            Refusal::Ended => format!("the topic `{topic}` is gone"),
            Refusal::Closed => CLOSED.to_owned(),
        })
    }
}

const CLOSED: &str = "memory streamer is closed";

impl Default for Memory {
    fn default() -> Self {
        Memory::new()
    }
}

impl From<Options> for Memory {
    fn from(options: Options) -> Self {
        Memory::connected(Arc::default(), options)
    }
}

/// Another connection to the same memory, with the same options; open, even if this one is closed.
impl Clone for Memory {
    fn clone(&self) -> Self {
        Memory::connected(Arc::clone(&self.broker), self.options)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("options", &self.options)
            .field("closed", &self.closed.initialized())
            .finish_non_exhaustive()
    }
}

impl Streamer for Memory {
    fn lacks(&self, guarantee: Guarantee) -> bool {
        guarantee == Guarantee::Durable
    }

    async fn close(&self) -> Result<(), StreamError> {
        // A second time it has been set.
        let _ = self.closed.set(());
        for topic in self.broker.topics() {
            topic.leave_all(self.handle);
        }
        self.report_loss()
    }
}

impl Publish for Memory {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        // A publisher that always finds room lets the handlers run all the same.
        consume_budget().await;
        if self.check_open().is_err() {
            for outgoing in batch {
                outgoing.report(self.check_open());
            }
            return;
        }
        let Some(known) = self.broker.topic(topic) else {
            batch.iter_mut().for_each(Outgoing::report_unheard);
            return;
        };
        let timeout = self.options.publish_timeout;
        let closed = async {
            self.closed.wait().await;
        };
        let published = known.publish(batch, None, timeout, closed).await;
        if let Err(Refused { first, why }) = published {
            for outgoing in &mut batch[first..] {
                outgoing.report(Err(self.error(topic, &why)));
            }
        }
    }

    fn publish_at_once(&self, topic: &str, outgoing: &mut Outgoing) -> bool {
        if self.closed.initialized() {
            return false;
        }
        let topics = self.broker.topics.read();
        let topics = topics.unwrap_or_else(PoisonError::into_inner);
        topics
            .get(topic)
            .is_some_and(|known| known.publish_at_once(outgoing))
    }
}

impl Subscribe for Memory {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        let SubscriptionRequest {
            topic,
            group,
            max_in_flight,
        } = request;
        let (group, ending) = match group {
            Group::Shared(name) => (Some(name), Ending::Stays),
            Group::EachInstance => (None, Ending::Leaves),
        };
        let options = GroupOptions {
            capacity: self.options.capacity,
            ending,
            redeliver: true,
            recalls: false,
        };
        let membership = Membership {
            max_in_flight,
            handle: self.handle,
        };
        self.check_open()?;
        let topic = self.broker.topic_or_new(topic, self.options.streams);
        let subscription = topic.subscribe(group, options, membership);
        // Whoever closed since then did not see the subscription.
        self.check_open()?;
        Ok(Box::pin(subscription))
    }
}

impl Deliver for Memory {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Groups for Memory {}

impl OrderedByKey for Memory {}

impl Broker {
    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.get(name).cloned()
    }

    fn topic_or_new(&self, name: String, streams: NonZeroUsize) -> Arc<Topic> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry(name);
        Arc::clone(topic.or_insert_with(|| Arc::new(Topic::new(streams))))
    }

    fn topics(&self) -> Vec<Arc<Topic>> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.values().cloned().collect()
    }
}
