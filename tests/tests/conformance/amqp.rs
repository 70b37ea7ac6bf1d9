//! The conformance suite on a real `RabbitMQ`.

use std::num::NonZeroU16;
use std::time::Duration;

use bytes::Bytes;
use fanfare::event::{Foreign, Message};
use fanfare::streamer::StreamError;
use fanfare::streamers::Amqp;
use fanfare::testing::conformance::{Capability, Factory, Failure, behaviours};
use fanfare_tests::brokers::{Broker, HASHING, Options, RabbitMq};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::task::{block_in_place, spawn_blocking};

use super::PATIENCE;

const STREAMS: NonZeroU16 = NonZeroU16::new(3).expect("not zero");

const CAPABILITIES: &[Capability] = &[
    Capability::Groups,
    Capability::OrderedByKey,
    Capability::Durable,
    Capability::EachInstance,
    Capability::Backlog,
    Capability::DelayedRelease,
    Capability::Headers,
    Capability::Key,
    Capability::RawPublish,
    Capability::Refusal,
];

fn amqp(broker: &RabbitMq) -> Amqp {
    Amqp::new(broker.url())
        .with_streams(STREAMS)
        .with_create_topics(true)
}

/// The broker that all tests of this program share.
pub(crate) struct Shared(&'static RabbitMq);

impl Factory for Shared {
    type Streamer = Amqp;

    const PATIENCE: Duration = PATIENCE;
    const CAPABILITIES: &'static [Capability] = CAPABILITIES;

    async fn open() -> Result<Self, StreamError> {
        Ok(Shared(shared().await?))
    }

    fn streamer(&self) -> Amqp {
        amqp(self.0)
    }

    async fn publish_raw(&self, topic: &str, raw: Foreign) -> Result<(), StreamError> {
        publish_raw(self.0, topic, raw)
            .await
            .map_err(StreamError::new)
    }

    fn refused(&self) -> Option<Message> {
        let too_large = Bytes::from(vec![0; (128 << 20) + 1]);
        Some(Message::Foreign(Foreign::new(too_large)))
    }
}

async fn shared() -> Result<&'static RabbitMq, StreamError> {
    let starting = spawn_blocking(RabbitMq::shared);
    starting.await.map_err(StreamError::new)
}

async fn channel(broker: &RabbitMq) -> lapin::Result<(Connection, Channel)> {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

async fn publish_raw(broker: &RabbitMq, topic: &str, raw: Foreign) -> lapin::Result<()> {
    let (connection, channel) = channel(broker).await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let mut headers = FieldTable::default();
    for (name, value) in raw.headers() {
        headers.insert(
            name.into(),
            lapin::types::AMQPValue::LongString(value[..].into()),
        );
    }
    let mut properties = BasicProperties::default().with_headers(headers);
    if let Some(media_type) = raw.content_type() {
        properties = properties.with_content_type(media_type.into());
    }
    let key = raw
        .key()
        .map(|key| String::from_utf8_lossy(key).into_owned());
    let options = BasicPublishOptions::default();
    let key = key.unwrap_or_default().into();
    channel
        .basic_publish(topic.into(), key, options, raw.payload(), properties)
        .await?
        .await?;
    connection.close(200, "OK".into()).await
}

/// A broker of a test's own, which can be killed.
struct Own(RabbitMq);

impl Factory for Own {
    type Streamer = Amqp;

    const PATIENCE: Duration = PATIENCE;
    const CAPABILITIES: &'static [Capability] = &[
        Capability::Durable,
        Capability::Backlog,
        Capability::Restart,
    ];

    async fn open() -> Result<Self, StreamError> {
        let starting = spawn_blocking(|| {
            RabbitMq::start_with(&Options {
                plugins: &[HASHING],
                ..Options::default()
            })
        });
        starting.await.map(Own).map_err(StreamError::new)
    }

    fn streamer(&self) -> Amqp {
        amqp(&self.0)
    }

    async fn restart(&self) -> Result<(), StreamError> {
        block_in_place(|| {
            // What was declared a moment ago is not safe yet, and it is not what is tested.
            self.0.settle();
            self.0.restart();
        });
        Ok(())
    }
}

async fn holds(name: &str) -> Result<(), Failure> {
    let mut behaviours = behaviours::<Own>().into_iter();
    let behaviour = behaviours.find(|behaviour| behaviour.name() == name);
    behaviour.expect("a behaviour of this name").run().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn confirmed_events_survive_a_restart() -> Result<(), Failure> {
    holds("confirmed_events_survive_a_restart").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reconnects_after_a_restart() -> Result<(), Failure> {
    holds("reconnects_after_a_restart").await
}

fanfare::conformance!(Shared);
