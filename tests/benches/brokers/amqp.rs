//! RabbitMQ by hand, with lapin.

use std::sync::Arc;

use fanfare_tests::brokers::RabbitMq;
use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

use super::heard::Heard;
use super::lanes::Lanes;
use super::sample::{KIND, Sample, read, write};
use super::{HEARD_BY_HAND, Hearing, IN_FLIGHT, Raw};

#[derive(Clone)]
pub(super) struct ByHand {
    connection: Arc<Connection>,
    publishing: Channel,
}

impl ByHand {
    pub(super) async fn new(broker: &RabbitMq) -> ByHand {
        let url = broker.url();
        let connection = Connection::connect(&url, ConnectionProperties::default());
        let connection = connection.await.expect("connected");
        let publishing = connection.create_channel().await.expect("a channel");
        let selected = publishing.confirm_select(ConfirmSelectOptions::default());
        selected.await.expect("confirms");
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        let name = HEARD_BY_HAND.into();
        let declared =
            publishing.exchange_declare(name, ExchangeKind::Topic, durable, FieldTable::default());
        declared.await.expect("an exchange");
        let by_hand = ByHand {
            connection: Arc::new(connection),
            publishing,
        };
        by_hand.queue(HEARD_BY_HAND, FieldTable::default()).await;
        by_hand
    }

    async fn queue(&self, topic: &str, arguments: FieldTable) {
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        let declared = self
            .publishing
            .queue_declare(topic.into(), durable, arguments);
        declared.await.expect("a queue");
        let (all, options) = ("#".into(), QueueBindOptions::default());
        let none = FieldTable::default();
        let bound = self
            .publishing
            .queue_bind(topic.into(), topic.into(), all, options, none);
        bound.await.expect("bound");
    }
}

impl Raw for ByHand {
    const NAME: &str = "RabbitMQ";

    /// A queue for the topic, or the exchange would send back what it is given. It keeps the last few:
    /// where nobody reads, a longer one is soon slower than all else.
    async fn keep(&self, topic: &str) {
        let mut few = FieldTable::default();
        few.insert("x-max-length".into(), AMQPValue::LongInt(1_000));
        self.queue(topic, few).await;
    }

    async fn publish(&self, topic: &str, sample: Sample) {
        let written = write(sample);
        let mut headers = FieldTable::default();
        for (name, value) in written.attributes {
            let value = AMQPValue::LongString(value.into());
            headers.insert(format!("cloudEvents_{name}").into(), value);
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type("application/json".into())
            .with_message_id(written.id.into())
            .with_headers(headers);
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let key = written.key.into();
        let sent =
            self.publishing
                .basic_publish(topic.into(), key, options, &written.payload, properties);
        sent.await.expect("sent").await.expect("confirmed");
    }

    async fn hear(&self, heard: Heard) -> Hearing {
        let channel = self.connection.create_channel().await.expect("a channel");
        let qos = channel.basic_qos(IN_FLIGHT, BasicQosOptions::default());
        qos.await.expect("a bound");
        let consumer = channel.basic_consume(
            HEARD_BY_HAND.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut consumer = consumer.await.expect("a consumer");
        let lanes = Lanes::new(&heard, async |delivery: Delivery| {
            let acked = delivery.ack(BasicAckOptions::default());
            acked.await.expect("acknowledged");
        });
        Hearing::begin(|stop| async move {
            while let Some(Some(delivery)) = stop.run_until_cancelled(consumer.next()).await {
                let delivery = delivery.expect("a delivery");
                let headers = delivery.properties.headers().as_ref().expect("headers");
                let kind = headers.inner().get("cloudEvents_type");
                assert_eq!(kind, Some(&AMQPValue::LongString(KIND.into())));
                lanes.hand(read(&delivery.data), delivery).await;
            }
            lanes.end().await;
            channel.close(200, "done".into()).await.expect("closed");
        })
    }
}
