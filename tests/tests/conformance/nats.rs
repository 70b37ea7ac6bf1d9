//! The conformance suite on a NATS server: one for all tests that leave it alone, and one for each of
//! those that restart it.

use std::str::FromStr;
use std::sync::Arc;

use async_nats::{HeaderMap, HeaderName, HeaderValue, jetstream};
use bytes::Bytes;
use fanfare::event::{Foreign, Message};
use fanfare::streamer::StreamError;
use fanfare::streamers;
use fanfare::testing::conformance::{Capability, Factory};
use fanfare_tests::brokers::{self, Broker};

const CAPABILITIES: [Capability; 9] = [
    Capability::Groups,
    Capability::Durable,
    Capability::EachInstance,
    Capability::Backlog,
    Capability::DelayedRelease,
    Capability::Headers,
    Capability::RawPublish,
    Capability::Refusal,
    Capability::Restart,
];

/// The factory of a server.
macro_rules! factory {
    ($name:ident($server:ty), $open:expr, $capabilities:expr) => {
        pub(crate) struct $name($server);

        impl Factory for $name {
            type Streamer = streamers::Nats;

            const PATIENCE: std::time::Duration = super::PATIENCE;
            const CAPABILITIES: &'static [Capability] = $capabilities;
            // With a payload, the headers are as large as what NATS takes at most.
            const LARGE_PAYLOAD: usize = 1_000_000;

            async fn open() -> Result<Self, StreamError> {
                let server = tokio::task::spawn_blocking($open).await;
                server.map($name).map_err(StreamError::new)
            }

            fn streamer(&self) -> streamers::Nats {
                streamers::Nats::new(self.0.url()).with_create_topics(true)
            }

            async fn topic(&self, name: String) -> Result<String, StreamError> {
                let stream = jetstream::stream::Config {
                    name: name.replace('.', "~"),
                    subjects: vec![name.clone()],
                    ..Default::default()
                };
                let jetstream = jetstream::new(client(&self.0).await?);
                jetstream
                    .create_stream(stream)
                    .await
                    .map_err(StreamError::new)?;
                Ok(name)
            }

            async fn restart(&self) -> Result<(), StreamError> {
                let server = self.0.clone();
                let restarting = tokio::task::spawn_blocking(move || server.restart());
                restarting.await.map_err(StreamError::new)
            }

            async fn publish_raw(&self, topic: &str, raw: Foreign) -> Result<(), StreamError> {
                publish_raw(&self.0, topic, &raw).await
            }

            fn refused(&self) -> Option<Message> {
                let payload = Bytes::from(vec![0; 2 << 20]);
                Some(Foreign::new(payload).into())
            }
        }
    };
}

async fn client(server: &brokers::Nats) -> Result<async_nats::Client, StreamError> {
    let client = async_nats::connect(server.url()).await;
    client.map_err(StreamError::new)
}

async fn publish_raw(
    server: &brokers::Nats,
    topic: &str,
    raw: &Foreign,
) -> Result<(), StreamError> {
    let mut headers = HeaderMap::new();
    for (name, value) in raw.headers() {
        let name = HeaderName::from_str(name).map_err(StreamError::new)?;
        let value = str::from_utf8(value).map_err(StreamError::new)?;
        headers.append(
            name,
            HeaderValue::from_str(value).map_err(StreamError::new)?,
        );
    }
    if let Some(content_type) = raw.content_type() {
        headers.insert("Content-Type", content_type);
    }
    let jetstream = jetstream::new(client(server).await?);
    let published =
        jetstream.publish_with_headers(topic.to_owned(), headers, raw.payload().clone());
    let confirmed = published.await.map_err(StreamError::new)?;
    confirmed.await.map(drop).map_err(StreamError::new)
}

factory!(
    Shared(&'static brokers::Nats),
    brokers::Nats::shared,
    CAPABILITIES.split_at(8).0
);
factory!(
    Restarted(Arc<brokers::Nats>),
    || Arc::new(brokers::Nats::start()),
    &CAPABILITIES
);

fanfare::conformance!(Shared);

/// What only a server of its own is put through.
macro_rules! restarted {
    ($($name:ident)*) => {
        mod restarted {
            use fanfare::testing::conformance::{Failure, Threads, test};

            $(
                #[test]
                fn $name() -> Result<(), Failure> {
                    test::<super::Restarted>(Threads::One, stringify!($name))?;
                    test::<super::Restarted>(Threads::Many, stringify!($name))
                }
            )*
        }
    };
}

restarted!(reconnects_after_a_restart confirmed_events_survive_a_restart);
