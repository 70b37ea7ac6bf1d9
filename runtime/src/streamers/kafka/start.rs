//! Where a subscription begins to read.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::connect::ANSWER;
use super::ear::{ConsumerEar, is_stale};
use super::prepare;
use crate::streamer::StreamError;

/// How long a topic may take to have leaders, or to be known at all.
const SETTLING: Duration = Duration::from_secs(10);

const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(20))
    .with_max_delay(Duration::from_millis(500))
    .without_max_times()
    .with_jitter();

/// The end of each partition, at the time of asking.
pub(super) fn ends(
    consumer: &BaseConsumer<ConsumerEar>,
    topic: &str,
) -> Result<TopicPartitionList, StreamError> {
    let until = Instant::now() + SETTLING;
    let mut pauses = PAUSES.build();
    loop {
        let error = match try_ends(consumer, topic) {
            Ok(ends) => return Ok(ends),
            Err(error) => error,
        };
        let code = error.rdkafka_error_code();
        if !code.is_some_and(is_passing) || Instant::now() >= until {
            return Err(match code {
                Some(RDKafkaErrorCode::UnknownTopicOrPartition) => {
                    StreamError::new(format!("Kafka has no topic `{topic}`"))
                }
                _ => StreamError::new(format!(
                    "Kafka does not say where the topic `{topic}` ends: {error}"
                )),
            });
        }
        thread::sleep(pauses.next().unwrap_or(SETTLING));
    }
}

fn is_passing(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::ReplicaNotAvailable
            | RDKafkaErrorCode::KafkaStorageError
            | RDKafkaErrorCode::OffsetNotAvailable
            | RDKafkaErrorCode::FencedLeaderEpoch
            | RDKafkaErrorCode::UnknownLeaderEpoch
            | RDKafkaErrorCode::BrokerTransportFailure
    )
}

fn try_ends(
    consumer: &BaseConsumer<ConsumerEar>,
    topic: &str,
) -> Result<TopicPartitionList, KafkaError> {
    let mut ends = TopicPartitionList::new();
    for partition in prepare::partitions(consumer, topic)? {
        // As a time, the number of this offset means the end.
        ends.add_partition_offset(topic, partition, Offset::End)?;
    }
    let ends = consumer.offsets_for_times(ends, ANSWER)?;
    for end in ends.elements() {
        end.error()?;
    }
    Ok(ends)
}

/// What a group that may be new is to commit.
pub(super) enum First {
    /// Nothing: it has begun everywhere.
    Begun,
    /// These, where it has not.
    Missing(TopicPartitionList),
}

/// Sees where a group has not begun to read.
///
/// `ends` was asked for before. So it holds nothing that was promised to any of the group: whoever
/// promised something had committed before, and this one finds it. That is why it may be committed
/// without a lock: at the worst, something comes twice.
pub(super) fn first(
    consumer: &BaseConsumer<ConsumerEar>,
    topic: &str,
    ends: &TopicPartitionList,
) -> Result<First, StreamError> {
    let unknown = |error: KafkaError| {
        StreamError::new(format!(
            "Kafka does not say how far the group has come in the topic `{topic}`: {error}"
        ))
    };
    let committed = consumer
        .committed_offsets(ends.clone(), ANSWER)
        .map_err(unknown)?;
    let mut missing = TopicPartitionList::new();
    let begun = committed.to_topic_map();
    for end in ends.elements() {
        let at = begun.get(&(topic.to_owned(), end.partition()));
        if !matches!(at, Some(Offset::Offset(_))) {
            missing
                .add_partition_offset(topic, end.partition(), end.offset())
                .map_err(unknown)?;
        }
    }
    Ok(if missing.count() == 0 {
        First::Begun
    } else {
        First::Missing(missing)
    })
}

/// Commits where a new group begins: false where one has to be a member for that.
pub(super) fn begin(
    consumer: &BaseConsumer<ConsumerEar>,
    first: &TopicPartitionList,
) -> Result<bool, StreamError> {
    match consumer.commit(first, CommitMode::Sync) {
        Ok(()) => Ok(true),
        Err(error) if is_stale(&error) => Ok(false),
        Err(error) => Err(StreamError::new(format!(
            "the group cannot begin to read: {error}"
        ))),
    }
}

/// Whether others of the group are there, who have to give some partitions away.
pub(super) fn has_members(consumer: &BaseConsumer<ConsumerEar>, group: &str) -> bool {
    // Where the broker does not say, nobody is waited for.
    consumer
        .fetch_group_list(Some(group), ANSWER)
        .is_ok_and(|groups| groups.groups().iter().any(|it| !it.members().is_empty()))
}

/// Where the group stands in these partitions, with what it noted there.
pub(super) fn commits(
    consumer: &BaseConsumer<ConsumerEar>,
    partitions: &TopicPartitionList,
) -> HashMap<i32, (u64, String)> {
    let mut asked = partitions.clone();
    let committed = asked
        .set_all_offsets(Offset::Invalid)
        .and_then(|()| consumer.committed_offsets(asked, ANSWER));
    let committed = committed.unwrap_or_else(|error| {
        // The client asks once more by itself, and what is noted is forgotten.
        tracing::warn!(%error, "Kafka does not say what a group has noted with its offsets");
        TopicPartitionList::new()
    });
    let known = committed
        .elements()
        .into_iter()
        .filter_map(|at| match at.offset() {
            Offset::Offset(offset) => {
                let note = (u64::try_from(offset).ok()?, at.metadata().to_owned());
                Some((at.partition(), note))
            }
            _ => None,
        });
    known.collect()
}
