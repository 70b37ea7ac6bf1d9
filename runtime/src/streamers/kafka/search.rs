//! Looking whether a broker is there again.

use std::sync::Weak;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;

use super::ear::Ear;
use super::health::Health;

/// Any topic's name will do, and this one is there in every cluster.
const SOME_TOPIC: &str = "__consumer_offsets";

/// How long an answer may take.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// How often a client may fail to find a broker that is there.
const MOST_FAILURES: u32 = 5;

/// Why a client was replaced.
pub(super) const HOPELESS: &str = "its client does not find the brokers again that others find";

/// Who only asks whether somebody is there has nothing to say that the others do not.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

/// Asks until a broker answers, and tells.
pub(super) fn look(health: &Weak<Health>, config: &ClientConfig) {
    let create = || config.create_with_context::<_, BaseConsumer<Quiet>>(Quiet);
    let mut asker = create();
    let mut failures = 0;
    while let Ok(asking) = &asker
        && let Some(health) = health.upgrade()
        && health.is_lost()
        && !health.is_closed()
    {
        let _ = asking.poll(Duration::ZERO);
        let asked = Instant::now();
        if asking.fetch_metadata(Some(SOME_TOPIC), ANSWER).is_ok() {
            health.reached();
            continue;
        }
        health.say_lost();
        // It may fail at once.
        thread::sleep(ANSWER.saturating_sub(asked.elapsed()));
        failures += 1;
        // The asker may be lost itself.
        if failures % MOST_FAILURES == 0
            && let Ok(another) = create()
        {
            asker = Ok(another);
        }
    }
}

/// What is known of a client that has lost every broker.
///
/// librdkafka forgets the brokers that its cluster does not list. Where the cluster lists none, as it
/// does for a moment when its only broker was not heard of for a while, the client is to begin anew
/// with the addresses that it was given; but if that was planned while the list was still being read,
/// it is forgotten, for good (`rd_kafka_rebootstrap_tmr_stop` in `rd_kafka_handle_Metadata`, up to
/// 2.15). Nothing but another client helps.
#[derive(Default)]
pub(super) struct Search {
    failures: u32,
    again: Option<Instant>,
}

impl Search {
    /// Whether the client does not find a broker, although others do. May take a second, where the
    /// client has lost the brokers.
    pub(super) fn is_hopeless<C: ClientContext>(&mut self, client: &Client<C>, ear: &Ear) -> bool {
        let is_early = self.again.is_some_and(|again| Instant::now() < again);
        if !ear.is_lost() || ear.watch.health.is_lost() || is_early {
            return false;
        }
        if client.fetch_metadata(Some(SOME_TOPIC), ANSWER).is_ok() {
            ear.finds();
            *self = Search::default();
            return false;
        }
        self.again = Some(Instant::now() + ANSWER);
        self.failures += 1;
        self.failures >= MOST_FAILURES
    }
}
