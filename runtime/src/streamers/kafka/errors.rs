//! What is said of a message that is not confirmed.

use rdkafka::error::RDKafkaErrorCode;

use super::connect::Connection;
use super::health::User;
use crate::streamer::StreamError;

/// Whether the broker would refuse it again.
pub(super) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::MessageSizeTooLarge
            | RDKafkaErrorCode::InvalidRecord
            | RDKafkaErrorCode::InvalidTimestamp
            | RDKafkaErrorCode::PolicyViolation
    )
}

/// Why a message is not confirmed, for the operator.
pub(super) fn error(connection: &Connection, topic: &str, code: RDKafkaErrorCode) -> StreamError {
    let health = &connection.watch.health;
    let timeout = connection.options.publish_timeout;
    match code {
        RDKafkaErrorCode::MessageSizeTooLarge => StreamError::refused(format!(
            "it is larger than Kafka takes for the topic `{topic}`: raise `message.max.bytes` of the \
             client, with `Kafka::with_producer_option` (in a URL `producer_options.message.max.bytes`), \
             and `max.message.bytes` of the topic"
        )),
        code if is_refusal(code) => {
            StreamError::refused(format!("Kafka refuses it for the topic `{topic}`: {code}"))
        }
        RDKafkaErrorCode::MessageTimedOut => {
            health.explain("what is published is not confirmed in time");
            connection.watch.lost();
            let why = health.check().err();
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            StreamError::new(format!("Kafka did not confirm it within {timeout:?}{why}"))
        }
        RDKafkaErrorCode::QueueFull => StreamError::new(format!(
            "the client's queue has been full for {timeout:?}: Kafka does not take events as fast \
             as they are published"
        )),
        RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownPartition => {
            let why = "it is not there, and nothing can be published to it";
            if health.topic_fails(topic, User::Publisher, why) {
                tracing::warn!(topic, "the topic is not there");
            }
            StreamError::new(format!("the topic `{topic}` is not there"))
        }
        RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight => {
            StreamError::new(if connection.closed.is_cancelled() {
                "the streamer was closed before Kafka confirmed it"
            } else {
                "its client came to its end before Kafka confirmed it"
            })
        }
        code => StreamError::new(format!(
            "Kafka did not take it for the topic `{topic}`: {code}"
        )),
    }
}
