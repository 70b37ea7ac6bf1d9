//! What librdkafka tells: its log, its errors, and what becomes of partitions.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::connect::Watch;
use crate::streamer::queue::locked;

/// What every client tells: each has one of its own.
pub(super) struct Ear {
    pub(super) watch: Arc<Watch>,
    is_lost: AtomicBool,
}

impl Ear {
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        let is_lost = AtomicBool::new(false);
        Ear { watch, is_lost }
    }

    /// Whether the client has lost every broker, as far as it has said.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }

    /// The client has found a broker.
    pub(super) fn finds(&self) {
        if self.is_lost() {
            self.is_lost.store(false, Ordering::Relaxed);
        }
    }
}

impl ClientContext for Ear {
    /// At a lower level than librdkafka deems right: what matters comes as an error, too.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" {
            // Not all that fails at a broker is an error by itself.
            let after_thread = message.split_once("]: ").map(|(_, after)| after);
            self.watch.health.explain(after_thread.unwrap_or(message));
        }
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, "librdkafka: {message}");
            }
            RDKafkaLogLevel::Debug => tracing::trace!(facility, "librdkafka: {message}"),
            _ => tracing::debug!(facility, "librdkafka: {message}"),
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        // Whoever asks for them by a raw option reads them in the log.
        let statistics = String::from_utf8_lossy(statistics);
        tracing::debug!("librdkafka: {statistics}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        match code.unwrap_or(RDKafkaErrorCode::Unknown) {
            RDKafkaErrorCode::AllBrokersDown => {
                self.is_lost.store(true, Ordering::Relaxed);
                self.watch.lost();
            }
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut => self.watch.fails(reason),
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism => self.watch.refused(reason),
            // Those of one topic are told to whoever reads it.
            _ => tracing::debug!(%error, "librdkafka: {reason}"),
        }
    }
}

/// What a consumer tells beyond that.
pub(super) struct ConsumerEar {
    pub(super) ear: Ear,
    /// How many events were served.
    served: AtomicU64,
    changes: Mutex<Vec<Change>>,
    /// Whether partitions go without being looked at.
    is_closing: AtomicBool,
}

/// What a rebalance brings, for the thread that polls.
pub(super) enum Change {
    Assigned(TopicPartitionList),
    Revoked(TopicPartitionList),
}

impl ConsumerEar {
    pub(super) fn new(ear: Ear) -> Self {
        ConsumerEar {
            ear,
            served: AtomicU64::new(0),
            changes: Mutex::default(),
            is_closing: false.into(),
        }
    }

    pub(super) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub(super) fn changes(&self) -> Vec<Change> {
        std::mem::take(&mut *locked(&self.changes))
    }

    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    fn serve(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, change: Change) {
        locked(&self.changes).push(change);
    }
}

impl ClientContext for ConsumerEar {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.serve();
        self.ear.log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.serve();
        self.ear.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.serve();
        self.ear.error(error, reason);
    }
}

impl ConsumerContext for ConsumerEar {
    /// Called while the thread of the subscription polls, which sees to it afterwards: librdkafka
    /// waits for the answer as long as `max.poll.interval.ms`.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.serve();
        let is_assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if !self.is_closing.load(Ordering::Relaxed) {
            let partitions = partitions.clone();
            return self.tell(if is_assigned {
                Change::Assigned(partitions)
            } else {
                Change::Revoked(partitions)
            });
        }
        let answered = if is_assigned {
            consumer.incremental_assign(partitions)
        } else {
            consumer.incremental_unassign(partitions)
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "partitions are given back while a consumer closes");
        }
    }
}

/// Whether a commit is refused because the committer is none of the group (any more).
pub(super) fn is_stale(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::AssignmentLost
                | RDKafkaErrorCode::NoOffset
        )
    )
}
