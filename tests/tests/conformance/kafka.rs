//! The conformance suite on Apache Kafka.

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use fanfare::event::{Envelope, EventId, Foreign, Message};
use fanfare::streamer::StreamError;
use fanfare::streamers::Kafka;
use fanfare::testing::conformance::{Capability, Factory, behaviours};
use fanfare_tests::brokers::{Broker, Kafka as Server};
use fanfare_tests::kafka::create_topic;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use tokio::task::spawn_blocking;

use super::PATIENCE;

/// The node that all tests share.
pub(crate) struct Shared(Client);

/// A node of one test's own, which can restart.
struct Own(Client, std::sync::Arc<Server>);

/// What the tests of either do.
struct Client {
    bootstrap: String,
    /// Groups are the broker's, and not a topic's.
    prefix: String,
}

impl Client {
    fn new(server: &Server) -> Self {
        Client {
            bootstrap: server.bootstrap(),
            prefix: format!("{}.", EventId::new()),
        }
    }

    fn streamer(&self) -> Kafka {
        Kafka::new(&self.bootstrap)
            .with_group_prefix(&self.prefix)
            // Dead letters have a topic, whether a test looks at them or not.
            .with_create_topics(true)
            .with_partitions(const { NonZeroU16::new(2).expect("not zero") })
            // Nobody is to wait long for an instance that comes, or is gone.
            .with_consumer_option("heartbeat.interval.ms", "100")
            .with_consumer_option("session.timeout.ms", "6000")
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    async fn topic(&self, name: String) -> Result<String, StreamError> {
        create_topic(&self.bootstrap, &name, 3).await;
        Ok(name)
    }

    async fn publish_raw(&self, topic: &str, raw: Foreign) -> Result<(), StreamError> {
        let producer: FutureProducer = self.config().create().map_err(StreamError::new)?;
        let mut headers = OwnedHeaders::new();
        for (key, value) in raw.headers() {
            let value = Some(&value[..]);
            headers = headers.insert(Header { key, value });
        }
        if let Some(value) = raw.content_type() {
            let (key, value) = ("content-type", Some(value));
            headers = headers.insert(Header { key, value });
        }
        let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic)
            .payload(&raw.payload()[..])
            .headers(headers);
        let sent = producer.send(record, Duration::from_secs(20)).await;
        spawn_blocking(move || drop(producer));
        sent.map(drop).map_err(|(error, _)| StreamError::new(error))
    }
}

/// More than the client sends at once.
fn refused() -> Message {
    let event = Envelope::new(EventId::new(), "/conformance", "conformance.event");
    let payload = Bytes::from(vec![0; 2 << 20]);
    let event = event.and_then(|event| event.with_payload("application/octet-stream", payload));
    event.expect("an event").into()
}

// The broker takes records of 1 MiB with all that stands around them.
const LARGE_PAYLOAD: usize = 960 << 10;

impl Factory for Shared {
    type Streamer = Kafka;

    const PATIENCE: Duration = PATIENCE;
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
        Capability::RawPublish,
        Capability::Refusal,
    ];
    const LARGE_PAYLOAD: usize = LARGE_PAYLOAD;

    async fn open() -> Result<Self, StreamError> {
        let server = spawn_blocking(Server::shared).await;
        Ok(Shared(Client::new(server.map_err(StreamError::new)?)))
    }

    fn streamer(&self) -> Kafka {
        self.0.streamer()
    }

    async fn topic(&self, name: String) -> Result<String, StreamError> {
        self.0.topic(name).await
    }

    async fn publish_raw(&self, topic: &str, raw: Foreign) -> Result<(), StreamError> {
        self.0.publish_raw(topic, raw).await
    }

    fn refused(&self) -> Option<Message> {
        Some(refused())
    }
}

fanfare::conformance!(Shared);

impl Factory for Own {
    type Streamer = Kafka;

    const PATIENCE: Duration = PATIENCE;
    const CAPABILITIES: &'static [Capability] = &[
        Capability::Groups,
        Capability::OrderedByKey,
        Capability::Durable,
        Capability::Backlog,
        Capability::Restart,
    ];

    async fn open() -> Result<Self, StreamError> {
        let server = spawn_blocking(Server::start).await;
        let server = std::sync::Arc::new(server.map_err(StreamError::new)?);
        Ok(Own(Client::new(&server), server))
    }

    fn streamer(&self) -> Kafka {
        self.0.streamer()
    }

    async fn topic(&self, name: String) -> Result<String, StreamError> {
        self.0.topic(name).await
    }

    async fn restart(&self) -> Result<(), StreamError> {
        let server = self.1.clone();
        let restarted = spawn_blocking(move || server.restart()).await;
        restarted.map_err(StreamError::new)
    }
}

mod restarting {
    use super::{Own, behaviours};
    use fanfare::testing::conformance::Failure;

    #[tokio::test]
    async fn reconnects_after_a_restart() -> Result<(), Failure> {
        behaviours::reconnects_after_a_restart::<Own>().await
    }

    #[tokio::test]
    async fn confirmed_events_survive_a_restart() -> Result<(), Failure> {
        behaviours::confirmed_events_survive_a_restart::<Own>().await
    }
}
