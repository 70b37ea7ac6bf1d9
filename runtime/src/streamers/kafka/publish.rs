//! Publishing: all of a batch in flight at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::pin;
use std::slice;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::Connection;
use super::errors::{error, is_refusal};
use super::health::User;
use super::producers::{Producer, Producers};
use super::search::ANSWER;
use crate::event::cloudevents::{KAFKA, Wire};
use crate::event::{Envelope, Message};
use crate::streamer::queue::locked;
use crate::streamer::{Outgoing, StreamError};
use crate::streamers::state;

type Record<'a> = BaseRecord<'a, [u8], [u8], Box<Receipt>>;

/// Why a producer was replaced.
const FATAL: &str = "a fatal error";

/// Where the confirmation of one message goes.
pub(super) struct Receipt {
    batch: Arc<Batch>,
    index: usize,
}

impl Receipt {
    /// The client is done with the message: confirmed, or not for this reason.
    pub(super) fn lands(self, error: Option<&KafkaError>) {
        if let Some(error) = error {
            self.batch.fails(self.index, error, true);
        }
        self.batch.is_over();
    }
}

/// What is known of a batch that is being published.
struct Batch {
    /// What is not confirmed, and one more while there is more to come.
    left: AtomicUsize,
    has_failed: AtomicBool,
    failures: Mutex<Failures>,
    over: Notify,
}

/// Messages that are not confirmed, by their place in the batch.
type Failures = BTreeMap<usize, Failure>;

struct Failure {
    code: RDKafkaErrorCode,
    /// Whether it is the broker that says so, and not the client.
    is_sent: bool,
}

impl Batch {
    fn fails(&self, index: usize, error: &KafkaError, is_sent: bool) {
        let code = error.rdkafka_error_code();
        let code = code.unwrap_or(RDKafkaErrorCode::Unknown);
        if !is_refusal(code) {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        locked(&self.failures).insert(index, Failure { code, is_sent });
    }

    fn is_over(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.over.notify_one();
        }
    }
}

/// Publishes a batch.
pub(super) async fn publish(connection: &Connection, topic: &str, batch: &mut [Outgoing]) {
    let Some(mut producer) = connection.producers.producer() else {
        for outgoing in batch {
            outgoing.report(Err(state::closed()));
        }
        return;
    };
    let health = &connection.watch.health;
    let until = deadline(connection.options.publish_timeout);
    let mut failures = send_all(connection, &producer, topic, batch, until).await;
    while producer.context().has_ended()
        && Instant::now() < until
        && let Some(first) = first_unsent(&failures)
        && let Some(next) = connection.producers.producer()
    {
        producer = next;
        failures.retain(|index, _| *index < first);
        let again = send_all(connection, &producer, topic, &mut batch[first..], until).await;
        failures.extend(again.into_iter().map(|(index, it)| (first + index, it)));
    }
    if failures.is_empty() {
        return health.topic_works(topic, &User::Publisher);
    }
    send_again(connection, topic, batch, &mut failures).await;
    let mut failed_keys = HashMap::new();
    for (index, Failure { code, .. }) in failures {
        batch[index].report(Err(error(connection, topic, code)));
        if !is_refusal(code)
            && let Some(key) = batch[index].message().key()
        {
            failed_keys.entry(key.to_vec()).or_insert(index);
        }
        if code == RDKafkaErrorCode::Fatal {
            connection.producers.replace(&producer, FATAL);
        }
    }
    follow(batch, &failed_keys);
}

/// Of what a producer had not got confirmed when it came to its end.
fn first_unsent(failures: &Failures) -> Option<usize> {
    let mut failures = failures.iter();
    let is_unsent = |code| {
        matches!(
            code,
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight
        )
    };
    let unsent = failures.find(|(_, failure)| is_unsent(failure.code));
    unsent.map(|(index, _)| *index)
}

/// Sends each by itself that the broker found too large: it looks at all that the client sends
/// together. What stands behind one of them and has its key comes once more, after it.
async fn send_again(
    connection: &Connection,
    topic: &str,
    batch: &mut [Outgoing],
    failures: &mut Failures,
) {
    let is_too_large = |failure: &Failure| {
        failure.is_sent && failure.code == RDKafkaErrorCode::MessageSizeTooLarge
    };
    if !failures.values().any(is_too_large) {
        return;
    }
    let Some(alone) = connection.producers.alone() else {
        // It may be small enough: that is not known.
        for failure in failures.values_mut().filter(|it| is_too_large(it)) {
            failure.code = RDKafkaErrorCode::PurgeQueue;
        }
        return;
    };
    let mut keys = HashSet::new();
    let mut has_fit = false;
    for (index, outgoing) in batch.iter_mut().enumerate() {
        let key = outgoing.message().key().map(<[u8]>::to_vec);
        let is_again = match failures.get(&index) {
            Some(failure) => is_too_large(failure),
            None => key.as_ref().is_some_and(|key| keys.contains(key)),
        };
        if !is_again {
            continue;
        }
        failures.remove(&index);
        let until = deadline(connection.options.publish_timeout);
        let again = slice::from_mut(outgoing);
        let again = send_all(connection, &alone, topic, again, until).await;
        if let Some(failure) = again.into_values().next() {
            if failure.code == RDKafkaErrorCode::Fatal {
                connection.producers.replace(&alone, FATAL);
            }
            failures.insert(index, failure);
        } else {
            has_fit = true;
            keys.extend(key);
        }
    }
    if has_fit {
        tracing::warn!(
            topic,
            "the topic takes less at once than the client sends: lower `batch.size`, with \
             `Kafka::with_producer_option` (in a URL `producer_options.batch.size`), to the topic's \
             `max.message.bytes`"
        );
    }
}

/// What stands behind one of its key that failed is to come again after it, even if it is there.
fn follow(batch: &mut [Outgoing], failed_keys: &HashMap<Vec<u8>, usize>) {
    if failed_keys.is_empty() {
        return;
    }
    for (index, outgoing) in batch.iter_mut().enumerate() {
        let failed = outgoing
            .message()
            .key()
            .and_then(|key| failed_keys.get(key));
        if failed.is_some_and(|failed| *failed < index) {
            let error = "an event before it, of the same key, failed";
            outgoing.report(Err(StreamError::new(error)));
        }
    }
}

/// Sends a batch and waits until all of it is confirmed, but for the failures.
async fn send_all(
    connection: &Connection,
    producer: &Arc<Producer>,
    topic: &str,
    batch: &mut [Outgoing],
    until: Instant,
) -> Failures {
    let publishing = Publishing {
        producers: &connection.producers,
        producer,
        topic,
        is_structured: connection.options.structured_events,
        until,
        batch: Arc::new(Batch {
            left: AtomicUsize::new(1),
            has_failed: AtomicBool::new(false),
            failures: Mutex::default(),
            over: Notify::new(),
        }),
    };
    let mut sent = 0;
    while sent < batch.len() && publishing.send(sent, batch[sent].message()).await {
        sent += 1;
    }
    publishing.batch.is_over();
    publishing.wait().await;
    let (sent, unsent) = batch.split_at_mut(sent);
    for outgoing in sent {
        outgoing.report(Ok(()));
    }
    for outgoing in unsent {
        let error = "it was not sent, for one before it failed";
        outgoing.report(Err(StreamError::new(error)));
    }
    let failures = std::mem::take(&mut *locked(&publishing.batch.failures));
    for (index, failure) in &failures {
        // Until it is known why.
        batch[*index].report(Err(StreamError::new(failure.code)));
    }
    failures
}

/// The end of a time that may be longer than the clock can count.
fn deadline(timeout: Duration) -> Instant {
    const LONGEST: Duration = Duration::from_hours(24 * 365);
    Instant::now() + timeout.min(LONGEST)
}

struct Publishing<'a> {
    producers: &'a Producers,
    producer: &'a Arc<Producer>,
    topic: &'a str,
    is_structured: bool,
    until: Instant,
    batch: Arc<Batch>,
}

impl Publishing<'_> {
    /// Until all of the batch is confirmed or failed. Only one whose producer is in trouble looks at
    /// the clock.
    async fn wait(&self) {
        let ear = self.producer.context();
        while self.batch.left.load(Ordering::Acquire) > 0 {
            let over = self.batch.over.notified();
            let mut trouble = pin!(ear.trouble());
            // Before the look, or it could come between the two.
            trouble.as_mut().enable();
            if !ear.is_in_trouble() {
                tokio::select! {
                    biased;
                    () = over => {}
                    () = trouble => {}
                }
            } else if timeout(ANSWER, over).await.is_err() {
                self.producers.look_after(self.producer).await;
            }
        }
    }

    /// Hands a message over; false where no later one is to be.
    async fn send(&self, index: usize, message: &Message) -> bool {
        // One that came in between would overtake what has failed.
        if self.batch.has_failed.load(Ordering::Relaxed) {
            return false;
        }
        self.batch.left.fetch_add(1, Ordering::AcqRel);
        let receipt = Box::new(Receipt {
            batch: Arc::clone(&self.batch),
            index,
        });
        let sent = match message {
            Message::Event(event) if !self.is_structured => {
                let record = BaseRecord::with_opaque_to(self.topic, receipt);
                self.send_record(event_record(event, record)).await
            }
            Message::Event(event) => {
                self.send_wire(&KAFKA.write_structured(event), receipt)
                    .await
            }
            Message::Foreign(_) => self.send_wire(&KAFKA.write_message(message), receipt).await,
        };
        if let Err(error) = sent {
            self.batch.fails(index, &error, false);
            self.batch.is_over();
        }
        true
    }

    async fn send_wire(&self, wire: &Wire, receipt: Box<Receipt>) -> Result<(), KafkaError> {
        let mut headers = OwnedHeaders::new_with_capacity(wire.headers.len());
        for (key, value) in &wire.headers {
            let value = Some(&value[..]);
            headers = headers.insert(Header { key, value });
        }
        let mut record = BaseRecord::with_opaque_to(self.topic, receipt)
            .payload(&wire.payload[..])
            .headers(headers);
        record.key = wire.key.as_deref();
        self.send_record(record).await
    }

    /// Waits for room, no longer than the batch may take.
    async fn send_record(&self, mut record: Record<'_>) -> Result<(), KafkaError> {
        let mut was_full = false;
        loop {
            let mut room = pin!(self.producer.context().room());
            if was_full {
                room.as_mut().enable();
            }
            let (error, unsent) = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || Instant::now() >= self.until {
                return Err(error);
            }
            if !was_full {
                // Once more, with an ear for room that there is meanwhile.
                (was_full, record) = (true, unsent);
                continue;
            }
            let glance = self.until.min(Instant::now() + ANSWER);
            if timeout_at(glance, room).await.is_err() {
                self.producers.look_after(self.producer).await;
            }
            record = unsent;
        }
    }
}

/// An event in binary mode. The record's time is that of its publishing: by it the broker decides
/// how long the record is kept, and `ce_time` may be long ago.
fn event_record<'a>(event: &'a Envelope, mut record: Record<'a>) -> Record<'a> {
    let mut headers = Some(OwnedHeaders::new_with_capacity(12));
    KAFKA.for_each_header(event, |key, value| {
        let value = Some(value);
        headers = headers
            .take()
            .map(|headers| headers.insert(Header { key, value }));
    });
    record.headers = headers;
    record.key = event.key().map(str::as_bytes);
    record.payload(&event.payload()[..])
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::{Failure, Failures, first_unsent};

    #[test]
    fn what_an_ended_producer_did_not_get_confirmed_begins_with_the_first_that_it_gave_up() {
        let failures = |codes: &[(usize, RDKafkaErrorCode)]| -> Failures {
            let failure = |code| Failure {
                code,
                is_sent: true,
            };
            codes
                .iter()
                .map(|(at, code)| (*at, failure(*code)))
                .collect()
        };
        let refused = (1, RDKafkaErrorCode::MessageSizeTooLarge);
        assert_eq!(first_unsent(&failures(&[refused])), None);
        let queued = (5, RDKafkaErrorCode::PurgeQueue);
        let in_flight = (3, RDKafkaErrorCode::PurgeInflight);
        assert_eq!(
            first_unsent(&failures(&[refused, queued, in_flight])),
            Some(3)
        );
    }
}
