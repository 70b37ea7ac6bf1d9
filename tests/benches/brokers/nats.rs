//! NATS by hand, with async-nats.

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream::{self, Stream};
use async_nats::jetstream::{self, Context, Message};
use async_nats::{HeaderMap, connect};
use fanfare_tests::brokers::Nats;
use futures_util::StreamExt;

use super::heard::Heard;
use super::lanes::Lanes;
use super::sample::{KIND, Sample, read, write};
use super::{HEARD_BY_HAND, Hearing, IN_FLIGHT, Raw};

#[derive(Clone)]
pub(super) struct ByHand {
    jetstream: Context,
    stream: Stream,
}

impl ByHand {
    pub(super) async fn new(broker: &Nats) -> ByHand {
        let client = connect(broker.url()).await.expect("connected");
        let jetstream = jetstream::new(client);
        let stream = jetstream.create_stream(stream::Config {
            name: HEARD_BY_HAND.to_owned(),
            subjects: vec![HEARD_BY_HAND.to_owned()],
            ..stream::Config::default()
        });
        let stream = stream.await.expect("made");
        ByHand { jetstream, stream }
    }
}

impl Raw for ByHand {
    const NAME: &str = "NATS";

    async fn publish(&self, topic: &str, sample: Sample) {
        let written = write(sample);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", written.id.as_str());
        headers.insert("content-type", "application/json");
        for (name, value) in &written.attributes {
            headers.insert(format!("ce-{name}").as_str(), value.as_str());
        }
        let topic = topic.to_owned();
        let sent = self
            .jetstream
            .publish_with_headers(topic, headers, written.payload.into());
        sent.await.expect("sent").await.expect("confirmed");
    }

    async fn hear(&self, heard: Heard) -> Hearing {
        let options = pull::Config {
            durable_name: Some("by-hand".to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: IN_FLIGHT.into(),
            ..pull::Config::default()
        };
        let consumer = self.stream.get_or_create_consumer("by-hand", options).await;
        let consumer = consumer.expect("a consumer");
        let messages = consumer.stream();
        let messages = messages.max_messages_per_batch(IN_FLIGHT.into()).messages();
        let mut messages = messages.await.expect("subscribed");
        let lanes = Lanes::new(&heard, async |message: Message| {
            message.ack().await.expect("acknowledged");
        });
        Hearing::begin(|stop| async move {
            while let Some(Some(message)) = stop.run_until_cancelled(messages.next()).await {
                let message = message.expect("a message");
                let headers = message.headers.as_ref().expect("headers");
                let kind = headers.get("ce-type").expect("a type");
                assert_eq!(kind.as_str(), KIND);
                lanes.hand(read(&message.payload), message).await;
            }
            lanes.end().await;
        })
    }
}
