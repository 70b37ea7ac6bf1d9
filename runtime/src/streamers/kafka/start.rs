//! Where a subscription begins to read.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
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

/// Asks again while the cluster is sorting itself out.
fn patiently<T>(
    what: impl Fn() -> String,
    ask: impl Fn() -> KafkaResult<T>,
) -> Result<T, StreamError> {
    let until = Instant::now() + SETTLING;
    let mut pauses = PAUSES.build();
    loop {
        let error = match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let code = error.rdkafka_error_code();
        if !code.is_some_and(is_passing) || Instant::now() >= until {
            return Err(StreamError::new(format!("{}: {error}", what())));
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
            | RDKafkaErrorCode::NotCoordinator
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::WaitingForCoordinator
            | RDKafkaErrorCode::BrokerTransportFailure
    )
}

/// The end of each partition, at the time of asking.
pub(super) fn ends(
    consumer: &BaseConsumer<ConsumerEar>,
    topic: &str,
) -> Result<TopicPartitionList, StreamError> {
    let what = || format!("Kafka does not say where the topic `{topic}` ends");
    patiently(what, || try_ends(consumer, topic))
}

fn try_ends(consumer: &BaseConsumer<ConsumerEar>, topic: &str) -> KafkaResult<TopicPartitionList> {
    let mut ends = TopicPartitionList::new();
    for partition in prepare::partitions(consumer, topic, ANSWER)? {
        // As a time, the number of this offset means the end.
        ends.add_partition_offset(topic, partition, Offset::End)?;
    }
    let ends = consumer.offsets_for_times(ends, ANSWER)?;
    for end in ends.elements() {
        end.error()?;
    }
    Ok(ends)
}

/// Where a new group is to begin to read: the ends of the partitions. One that has committed anything
/// in the topic has begun, and what it has no commit of is read from its beginning: a partition that
/// was added since, of which nothing is done.
///
/// `ends` was asked for before. So it holds nothing that was promised to any of the group: whoever
/// promised something had committed before, and this one finds it. That is why it may be committed
/// without a lock: at the worst, something comes twice.
pub(super) fn first(
    consumer: &BaseConsumer<ConsumerEar>,
    topic: &str,
    ends: &TopicPartitionList,
) -> Result<TopicPartitionList, StreamError> {
    let what = || format!("Kafka does not say how far the group has come in `{topic}`");
    patiently(what, || {
        let committed = consumer.committed_offsets(ends.clone(), ANSWER)?;
        let mut is_new = true;
        for at in committed.elements() {
            // Of one that is not known nobody knows whether it has a commit.
            at.error()?;
            is_new &= !matches!(at.offset(), Offset::Offset(_));
        }
        Ok(if is_new {
            ends.clone()
        } else {
            TopicPartitionList::new()
        })
    })
}

/// Commits where a new group begins: false where one has to be a member for that.
pub(super) fn begin(
    consumer: &BaseConsumer<ConsumerEar>,
    first: &TopicPartitionList,
) -> Result<bool, StreamError> {
    let what = || "the group cannot begin to read".to_owned();
    patiently(what, || match consumer.commit(first, CommitMode::Sync) {
        Ok(()) => Ok(true),
        Err(error) if is_stale(&error) => Ok(false),
        Err(error) => Err(error),
    })
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
