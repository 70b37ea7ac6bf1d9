//! Kafka by hand, with rdkafka.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fanfare_tests::brokers::Kafka;
use futures_util::FutureExt;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::heard::Heard;
use super::lanes::Lanes;
use super::sample::{KIND, Sample, read, write};
use super::{HEARD_BY_HAND, Hearing, Raw};

#[derive(Clone)]
pub(super) struct ByHand {
    servers: String,
    producer: FutureProducer,
}

impl ByHand {
    pub(super) async fn new(broker: &Kafka) -> ByHand {
        let servers = broker.bootstrap();
        let admin: AdminClient<DefaultClientContext> = config(&servers).create().expect("admin");
        let topic = NewTopic::new(HEARD_BY_HAND, 8, TopicReplication::Fixed(1));
        let made = admin.create_topics([&topic], &AdminOptions::new()).await;
        made.expect("answered")[0].as_ref().expect("made");
        let mut options = config(&servers);
        options
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", "1")
            .set("partitioner", "murmur2_random");
        let producer = options.create().expect("a producer");
        ByHand { servers, producer }
    }
}

fn config(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers);
    config
}

impl Raw for ByHand {
    const NAME: &str = "Kafka";
    const EVENTS: u64 = 100_000;

    async fn publish(&self, topic: &str, sample: Sample) {
        let written = write(sample);
        let mut headers = OwnedHeaders::new_with_capacity(8).insert(Header {
            key: "content-type",
            value: Some("application/json"),
        });
        for (name, value) in &written.attributes {
            headers = headers.insert(Header {
                key: &format!("ce_{name}"),
                value: Some(value),
            });
        }
        let record = FutureRecord::to(topic)
            .key(&written.key)
            .payload(&written.payload)
            .headers(headers);
        let sent = self.producer.send(record, Duration::from_secs(30)).await;
        sent.expect("confirmed");
    }

    async fn hear(&self, heard: Heard) -> Hearing {
        let mut options = config(&self.servers);
        options
            .set("group.id", "by-hand")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.offset.store", "false")
            .set("auto.commit.interval.ms", "1000");
        let consumer: StreamConsumer = options.create().expect("a consumer");
        consumer.subscribe(&[HEARD_BY_HAND]).expect("subscribed");
        let consumer = Arc::new(consumer);
        let place = Arc::new(Place::new(Arc::clone(&consumer)));
        let done = Arc::clone(&place);
        let lanes = Lanes::new(&heard, move |at| {
            done.done(at);
            std::future::ready(())
        });
        Hearing::begin(|stop| async move {
            let mut stopped = Box::pin(stop.cancelled_owned()).shared();
            loop {
                let message = tokio::select! {
                    message = consumer.recv() => message.expect("a message"),
                    () = &mut stopped => break,
                };
                let mut headers = message.headers().into_iter().flat_map(Headers::iter);
                let kind = headers.find(|header| header.key == "ce_type");
                assert_eq!(kind.and_then(|kind| kind.value), Some(KIND.as_bytes()));
                let sample = read(message.payload().unwrap_or_default());
                let at = (message.partition(), message.offset());
                place.begin(at);
                lanes.hand(sample, at).await;
            }
            lanes.end().await;
            // Nothing new may have come since the last one.
            let _ = consumer.commit_consumer_state(CommitMode::Sync);
        })
    }
}

/// How far each partition is done, without a gap: what may be committed.
struct Place {
    consumer: Arc<StreamConsumer>,
    open: Mutex<HashMap<i32, Open>>,
}

/// What of a partition is begun and not done, and what is behind the last that was begun.
#[derive(Default)]
struct Open {
    begun: BTreeSet<i64>,
    next: i64,
}

impl Place {
    fn new(consumer: Arc<StreamConsumer>) -> Place {
        let open = Mutex::default();
        Place { consumer, open }
    }

    fn begin(&self, (partition, offset): (i32, i64)) {
        let mut open = self.open.lock().expect("no panic");
        let open = open.entry(partition).or_default();
        open.begun.insert(offset);
        open.next = offset + 1;
    }

    fn done(&self, (partition, offset): (i32, i64)) {
        let mut open = self.open.lock().expect("no panic");
        let open = open.entry(partition).or_default();
        let first = open.begun.first().copied();
        open.begun.remove(&offset);
        if first == Some(offset) {
            let next = open.begun.first().copied().unwrap_or(open.next);
            let stored = self
                .consumer
                .store_offset(HEARD_BY_HAND, partition, next - 1);
            stored.expect("stored");
        }
    }
}
