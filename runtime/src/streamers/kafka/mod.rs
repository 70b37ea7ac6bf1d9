//! Apache Kafka.

mod connect;
mod ear;
mod errors;
mod feed;
mod fill;
mod hand;
mod health;
mod ledger;
mod options;
mod prepare;
mod producers;
mod publish;
mod read;
mod sasl;
mod search;
mod start;
mod subscribe;
mod tenure;

use std::fmt;
use std::num::NonZeroU16;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use self::connect::Connection;
use self::options::Options;
use super::{Tls, state};
use crate::streamer::{
    Deliver, Deliveries, Durable, Groups, Leftover, Needs, OrderedByKey, Outgoing, Publish, Source,
    StreamError, Streamer, Subscribe, SubscriptionRequest,
};

pub use sasl::Sasl;

/// Apache Kafka, and what speaks its protocol.
///
/// ```no_run
/// use fanfare::streamers::{Kafka, Sasl, Secret, Tls};
///
/// let kafka = Kafka::new("kafka-1:9093,kafka-2:9093")
///     .with_tls(Tls::new().with_authority("/etc/blog/kafka-ca.pem"))
///     .with_sasl(Sasl::scram_sha_512("blog", Secret::from_env("KAFKA_PASSWORD")))
///     .with_create_topics(true);
/// # let _ = kafka;
/// ```
///
/// - **Confirmed** is what all replicas that are in sync have (`acks=all`), sent by an idempotent
///   producer. An event that all of them have survives the crash of any of them; whether it is on
///   a disk by then is for the brokers' options to say. Everything of a batch is in flight at once.
///   While no broker is there, publishing waits, up to the
///   [publish timeout](Kafka::with_publish_timeout).
/// - **Streams** are the partitions of a topic, `0`, `1` and so on, and a position is an offset.
///   The key of an event is the key of its record, and decides the partition as it does for Java's
///   producers (murmur2). Events of one key come in the order of their publishing, also while
///   instances come and go, as long as the topic gets no more partitions. Events without a key
///   go to any.
/// - **Groups** are Kafka's consumer groups, by their names. A group that is new to a partition
///   commits its end before the subscription stands, and so gets what is published from then on,
///   even if it crashes before it has handled anything. A partition that a topic gets later is read
///   from its beginning.
/// - **Acknowledged** events are committed within a fifth of a second, when the subscription or the
///   connection ends, and before a partition goes to another instance. An offset is committed when
///   all before it is acknowledged; what is acknowledged behind one that is not, and how many
///   attempts were made, is noted with the commit, so that the next instance neither repeats the
///   one nor forgets the other. (There is room for some hundreds of such notes; what finds none
///   comes again.)
/// - **After a crash** what it had in flight comes again, and what it had done in the last fifth of
///   a second. If it crashes while its group shares out anew, all that it has done since that began
///   comes again: until all members are there, the broker lets commits stand in line, and then it
///   refuses them. They are made again at once when that is over. A group that misses a crashed
///   member shares out anew until that member's `session.timeout.ms` is over, so what comes again
///   after two crashes in short succession is the work of that time.
/// - **A partition that goes to another instance** is not begun any more; what was begun of it is
///   waited for (5 seconds), and abandoned then: its acknowledgement does not count, and the
///   other instance handles it again. An instance that crashes is missed after 15 seconds
///   (`session.timeout.ms`, to be set by [`with_consumer_option`](Kafka::with_consumer_option); the
///   broker takes no less than its `group.min.session.timeout.ms`, which is 6 seconds).
/// - **Released** events come again before any later one of their partition, and a delay holds the
///   partition back. That happens within the process: nothing goes to the broker.
/// - **Bounded.** Of each subscription no more than about twice as many events are in the process as
///   may be in flight, and beside them what the client library reads ahead (16 MiB for each
///   partition). A slow handler stops the reading, and costs no membership of the group.
/// - **Each instance**: reads all partitions from their ends, or where it was should its client come
///   to a fatal error and be replaced. It commits nothing and leaves nothing
///   behind. Partitions that are added are found within half a minute.
///
/// What it cannot do: delete or change topics, transactions, and telling which events wait for a
/// group. A record that has no value (a tombstone) comes as an empty payload. A record's time is that
/// of its publishing, not that of the event, since by it Kafka decides what is old.
///
/// From a file or the environment it is read as a table, of which only `brokers` is needed:
///
/// ```
/// use fanfare::streamers::Kafka;
///
/// let kafka: Kafka = serde_json::from_str(
///     r#"{
///         "brokers": "localhost:9092",
///         "create_topics": false, "partitions": 8, "replication_factor": -1,
///         "publish_timeout": "30s", "connect_timeout": "10s",
///         "structured_events": false, "group_prefix": "",
///         "options": {"client.id": "blog"},
///         "producer_options": {"linger.ms": "1"},
///         "consumer_options": {"session.timeout.ms": "15000"}
///     }"#,
/// )?;
/// # let _ = kafka;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Deserialize)]
#[serde(from = "Options")]
pub struct Kafka {
    options: Options,
    connection: OnceLock<Arc<Connection>>,
    closed: CancellationToken,
}

impl From<Options> for Kafka {
    fn from(options: Options) -> Self {
        Kafka {
            options,
            connection: OnceLock::new(),
            closed: CancellationToken::new(),
        }
    }
}

impl Kafka {
    /// Kafka at these addresses, `host:port`, with commas between: one that answers is enough to
    /// find the others.
    pub fn new(brokers: impl Into<String>) -> Self {
        Options::new(brokers.into()).into()
    }

    /// Whether topics that are missing are created when the service starts; not, if not said: then
    /// it does not start.
    #[must_use]
    pub fn with_create_topics(mut self, creates: bool) -> Self {
        self.options.create_topics = creates;
        self
    }

    /// How many partitions a topic gets that is created: 8, if not said. No more instances than
    /// that can share the work of a handler.
    #[must_use]
    pub fn with_partitions(mut self, partitions: NonZeroU16) -> Self {
        self.options.partitions = partitions.get().into();
        self
    }

    /// How many replicas a topic gets that is created: what the broker deems right, if not said.
    #[must_use]
    pub fn with_replication_factor(mut self, replicas: NonZeroU16) -> Self {
        self.options.replication_factor = replicas.get().into();
        self
    }

    /// What stands before the name of every group at the broker: for clusters in which each team
    /// has groups of one prefix. Nothing, if not said.
    #[must_use]
    pub fn with_group_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.group_prefix = prefix.into();
        self
    }

    /// How long a publish waits for its confirmation, and for room to wait in: 30 seconds, if not
    /// said.
    #[must_use]
    pub fn with_publish_timeout(mut self, timeout: Duration) -> Self {
        self.options.publish_timeout = timeout;
        self
    }

    /// How long a broker is looked for when the service starts: 10 seconds, if not said.
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.options.connect_timeout = timeout;
        self
    }

    /// Whether events are written in structured mode, all of an event as one JSON text; in binary
    /// mode, if not said. Both are read.
    #[must_use]
    pub fn with_structured_events(mut self, structured: bool) -> Self {
        self.options.structured_events = structured;
        self
    }

    /// Speaks TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.options.tls = Some(tls);
        self
    }

    /// Proves who one is.
    #[must_use]
    pub fn with_sasl(mut self, sasl: Sasl) -> Self {
        self.options.sasl = Some(sasl);
        self
    }

    /// Sets an option of librdkafka, for producers and consumers.
    ///
    /// The names are those of its
    /// [list](https://docs.confluent.io/platform/current/clients/librdkafka/html/md_CONFIGURATION.html).
    /// One that it does not know, or does not take, ends the start of the service, as does one that
    /// fanfare's guarantees rest on.
    #[must_use]
    pub fn with_option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.options.insert(name.into(), value.into());
        self
    }

    /// Sets an option of librdkafka for producers, as [`with_option`](Kafka::with_option).
    #[must_use]
    pub fn with_producer_option(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let options = &mut self.options.producer_options;
        options.insert(name.into(), value.into());
        self
    }

    /// Sets an option of librdkafka for consumers, as [`with_option`](Kafka::with_option).
    #[must_use]
    pub fn with_consumer_option(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let options = &mut self.options.consumer_options;
        options.insert(name.into(), value.into());
        self
    }

    fn connection(&self) -> Result<&Arc<Connection>, StreamError> {
        if self.closed.is_cancelled() {
            return Err(state::closed());
        }
        self.connection.get().ok_or_else(state::not_connected)
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("options", &self.options)
            .field("connected", &self.connection.get().is_some())
            .field("closed", &self.closed.is_cancelled())
            .finish()
    }
}

/// How long subscriptions may take to end, and what is queued to be sent.
const CLOSING: Duration = Duration::from_secs(10);

impl Streamer for Kafka {
    async fn connect(&self) -> Result<(), StreamError> {
        if self.closed.is_cancelled() {
            return Err(state::closed());
        }
        if self.connection.get().is_some() {
            return Err(state::connected_already());
        }
        let connection = Connection::open(&self.options, self.closed.clone()).await?;
        let known = self.connection.set(connection);
        known.map_err(|_| state::connected_already())
    }

    async fn prepare(&self, needs: &Needs) -> Result<(), StreamError> {
        prepare::prepare(self.connection()?, needs).await
    }

    fn check(&self) -> Result<(), StreamError> {
        self.options.check()
    }

    fn health(&self) -> Result<(), StreamError> {
        self.connection()?.watch.health.check()
    }

    async fn leftovers(&self, needs: &Needs) -> Result<Vec<Leftover>, StreamError> {
        prepare::leftovers(self.connection()?, needs).await
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), StreamError> {
        prepare::remove(self.connection()?, leftover).await
    }

    async fn close(&self) -> Result<(), StreamError> {
        self.closed.cancel();
        match self.connection.get() {
            Some(connection) => connection.close(CLOSING).await,
            None => Ok(()),
        }
    }
}

/// What was subscribed through it ends.
impl Drop for Kafka {
    fn drop(&mut self) {
        self.closed.cancel();
        if let Some(connection) = self.connection.get() {
            connection.wake();
        }
    }
}

impl Publish for Kafka {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        match self.connection() {
            Ok(connection) => publish::publish(connection, topic, batch).await,
            Err(_) => {
                for outgoing in batch {
                    outgoing.report(self.connection().map(drop));
                }
            }
        }
    }
}

impl Subscribe for Kafka {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        subscribe::subscribe(self.connection()?, request).await
    }
}

impl Deliver for Kafka {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Durable for Kafka {}

impl OrderedByKey for Kafka {}

impl Groups for Kafka {}
