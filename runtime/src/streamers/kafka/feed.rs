//! The thread of a subscription: from Kafka's client to the local queue, and back.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::oneshot;

use super::connect::Connection;
use super::ear::{Change, ConsumerEar};
use super::fill::COMMIT;
use super::hand::Hand;
use super::health::User;
use super::ledger::Ledger;
use super::prepare;
use super::search::{self, Search};
use super::start;
use super::subscribe::{HANDLE, Orders};
use super::tenure::Leaving;
use crate::streamer::StreamError;
use crate::streamer::queue::Group;
use crate::streamers::state;

/// How long what is in flight may take when its subscription is gone.
const FAREWELL: Duration = Duration::from_secs(30);

/// How long the partitions of a new member are waited for.
const WELCOME: Duration = Duration::from_secs(10);

/// How long a subscription that ends at once waits for the group to let it in.
const JOINING: Duration = Duration::from_secs(5);

/// The longest rest: the client wants to be asked for events.
const REST: Duration = Duration::from_secs(1);

/// How often it is looked whether a topic has more partitions, where no group tells; and how often a
/// group commits once more what it has committed.
const LOOK: Duration = Duration::from_secs(30);

/// How long that may take: meanwhile nothing is fed.
const GLANCE: Duration = Duration::from_secs(1);

/// Where a subscription is.
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    pub(super) topic: String,
    /// `None` for a subscriber that reads all, and commits nothing.
    pub(super) group: Option<String>,
    pub(super) queue: Arc<Group>,
    pub(super) hand: Arc<Hand>,
    pub(super) orders: Arc<Orders>,
    /// The stream of each partition that was ever ours, by its number.
    pub(super) streams: HashMap<i32, usize>,
    /// Without a group: where each partition is to be read from, should another client go on, and
    /// what is done behind that.
    pub(super) begins: HashMap<i32, (u64, String)>,
    pub(super) arrivals: u64,
}

impl Place {
    pub(super) fn is_closed(&self) -> bool {
        self.connection.closed.is_cancelled()
    }

    /// Whether anything more is to be delivered.
    pub(super) fn is_wanted(&self) -> bool {
        !self.is_closed() && !self.orders.is_to_finish()
    }

    /// Who it is that uses the topic.
    pub(super) fn user(&self) -> User {
        User::Group(self.group.clone())
    }
}

/// Hears that a subscription stands, or why not.
pub(super) type Stands = oneshot::Sender<Result<(), StreamError>>;

/// What fills the local queue, with one client.
pub(super) struct Feed<'a> {
    pub(super) place: &'a mut Place,
    pub(super) partitions: Vec<Partition>,
    pub(super) consumer: Arc<BaseConsumer<ConsumerEar>>,
    /// What went wrong with single partitions.
    pub(super) errors: Vec<KafkaError>,
    /// For the brokers, when they are lost.
    pub(super) search: Search,
    /// Why the client is of no use any more.
    pub(super) fatal: Option<KafkaError>,
    pub(super) leaving: Option<Leaving>,
    pub(super) commit_at: Instant,
    pub(super) look_at: Instant,
    /// Where the group begins, as long as that is not committed.
    pub(super) first: Option<TopicPartitionList>,
    pub(super) is_joining: bool,
    /// Whether partitions have come, be it none.
    pub(super) is_member: bool,
    pub(super) has_more: bool,
    /// How often something was amiss.
    pub(super) failures: usize,
}

/// A partition that is ours.
pub(super) struct Partition {
    pub(super) number: i32,
    pub(super) stream: usize,
    pub(super) messages: PartitionQueue<ConsumerEar>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) is_leaving: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(place: &'a mut Place, consumer: Arc<BaseConsumer<ConsumerEar>>) -> Self {
        let now = Instant::now();
        Feed {
            place,
            consumer,
            partitions: Vec::new(),
            errors: Vec::new(),
            fatal: None,
            search: Search::default(),
            leaving: None,
            commit_at: now,
            look_at: now + LOOK,
            first: None,
            is_joining: false,
            is_member: false,
            has_more: false,
            failures: 0,
        }
    }

    /// Until the subscription or the connection has ended, or the client.
    pub(super) fn run(mut self, stands: &mut Option<Stands>) -> Result<(), StreamError> {
        let begun = self.begin();
        let is_begun = begun.is_ok();
        if let Some(stands) = stands.take() {
            // Whoever does not hear it has gone, and the subscription with it.
            let _ = stands.send(begun);
        } else {
            begun?;
        }
        let mut farewell = None;
        while is_begun && !self.place.is_closed() {
            if let Some(fatal) = self.fatal.take() {
                return Err(StreamError::new(fatal));
            }
            let client = self.consumer.client();
            if self
                .search
                .is_hopeless(client, &self.consumer.context().ear)
            {
                return Err(StreamError::new(search::HOPELESS));
            }
            if self.place.orders.is_to_finish() {
                let until = *farewell.get_or_insert_with(|| Instant::now() + FAREWELL);
                if self.place.hand.is_empty() || Instant::now() >= until {
                    break;
                }
            }
            self.turn(farewell.is_none());
            self.rest();
        }
        self.end();
        Ok(())
    }

    /// What is to be done, and can be without waiting.
    fn turn(&mut self, takes: bool) {
        let (arrivals, failures) = (self.place.arrivals, self.failures);
        self.serve();
        if takes {
            self.fill();
            if self.place.arrivals != arrivals && self.failures == failures {
                let health = &self.place.connection.watch.health;
                health.topic_works(&self.place.topic, &self.place.user());
            }
        }
        self.hand_over();
        if Instant::now() >= self.commit_at {
            self.commit();
        }
        if Instant::now() >= self.look_at {
            self.look_at = Instant::now() + LOOK;
            match self.place.group {
                Some(_) => self.commit_again(),
                None => self.look(),
            }
        }
    }

    /// Until there is something to do.
    fn rest(&mut self) {
        if std::mem::take(&mut self.has_more) {
            return;
        }
        let now = Instant::now();
        let mut rest = REST;
        if !self.place.hand.is_empty() || now < self.commit_at {
            rest = self.commit_at.saturating_duration_since(now);
        }
        thread::park_timeout(rest);
    }

    /// Begins to read: all that is published from now on is delivered.
    fn begin(&mut self) -> Result<(), StreamError> {
        let ends = start::ends(&self.consumer, &self.place.topic)?;
        let Some(group) = self.place.group.clone() else {
            self.assigned(&ends);
            return Ok(());
        };
        let mut stands = self.commit_first(&ends)?;
        let waits = !stands || start::has_members(&self.consumer, &group);
        self.consumer
            .subscribe(&[&self.place.topic])
            .map_err(|error| StreamError::new(format!("the group cannot be joined: {error}")))?;
        self.is_joining = true;
        let until = Instant::now() + WELCOME;
        while waits && (!self.is_member || !stands) && Instant::now() < until {
            if !self.place.is_wanted() {
                return Err(state::closed());
            }
            self.turn(false);
            if self.is_member && !stands {
                stands = self.commit_first(&ends)?;
            }
            thread::park_timeout(COMMIT);
        }
        if stands {
            return Ok(());
        }
        let topic = &self.place.topic;
        Err(StreamError::new(format!(
            "the group `{group}` has members, and does not let another one in to begin to read the \
             topic `{topic}`"
        )))
    }

    /// Commits where the group begins, if it is new: whether that is done. Where others of the group
    /// live, one has to be a member for that.
    fn commit_first(&mut self, ends: &TopicPartitionList) -> Result<bool, StreamError> {
        let missing = start::first(&self.consumer, &self.place.topic, ends)?;
        let is_done = missing.count() == 0 || start::begin(&self.consumer, &missing)?;
        self.first = Some(missing).filter(|_| !is_done);
        Ok(is_done)
    }

    /// Sees to what the client has to say.
    fn serve(&mut self) {
        let consumer = Arc::clone(&self.consumer);
        loop {
            let served = consumer.context().served();
            match consumer.poll(Duration::ZERO) {
                // They come by the queues of their partitions, but for a message that was under way
                // when a partition had none: it is read again.
                Some(Ok(message)) => self.strays(&message),
                Some(Err(error)) => self.fails(error),
                // One event at a time is served.
                None if consumer.context().served() == served => break,
                None => {}
            }
        }
        for change in consumer.context().changes() {
            match change {
                Change::Assigned(partitions) => self.assigned(&partitions),
                Change::Revoked(partitions) => self.revoked(partitions),
            }
        }
    }

    /// Goes back to a message that came by the wrong way.
    fn strays(&mut self, message: &BorrowedMessage<'_>) {
        let (topic, number) = (&self.place.topic, message.partition());
        tracing::debug!(
            topic,
            number,
            "a message came past the queue of its partition"
        );
        let back = Offset::Offset(message.offset());
        if self.partitions.iter().any(|it| it.number == number)
            && let Err(error) = self.consumer.seek(topic, number, back, REST)
        {
            tracing::warn!(%error, topic, number, "a message came past the queue of its partition, and cannot be read again but by another client");
            self.fatal = Some(error);
        }
    }

    pub(super) fn fails(&mut self, error: KafkaError) {
        self.failures += 1;
        if let KafkaError::MessageConsumptionFatal(_) = error {
            self.fatal = Some(error);
            return;
        }
        let (topic, health) = (&self.place.topic, &self.place.connection.watch.health);
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                // The group lets nobody in who comes like this.
                | RDKafkaErrorCode::InvalidSessionTimeout
                | RDKafkaErrorCode::InconsistentGroupProtocol
                | RDKafkaErrorCode::InvalidGroupId
                | RDKafkaErrorCode::GroupMaxSizeReached,
            ) => {
                let why = format!("it cannot be read: {error}");
                if health.topic_fails(topic, self.place.user(), &why) {
                    tracing::warn!(topic, %error, "the topic cannot be read, for now");
                }
            }
            // The ear has heard of it.
            _ => tracing::debug!(topic, %error, "a consumer reports an error"),
        }
    }

    /// Whether the topic has partitions that are new.
    fn look(&mut self) {
        let Ok(numbers) = prepare::partitions(&self.consumer, &self.place.topic, GLANCE) else {
            return;
        };
        let mut new = TopicPartitionList::new();
        for number in numbers {
            if !self.place.streams.contains_key(&number) {
                let added = new.add_partition_offset(&self.place.topic, number, Offset::Beginning);
                // The beginning is an offset.
                debug_assert!(added.is_ok());
            }
        }
        if new.count() > 0 {
            self.assigned(&new);
        }
    }

    /// Joins to the end what was begun: who leaves half way is missed only after a while.
    fn join(&mut self) {
        let until = Instant::now() + JOINING;
        while self.is_joining && !self.is_member && Instant::now() < until {
            self.serve();
            self.rest();
        }
    }

    /// Commits what is done, and leaves the group.
    fn end(mut self) {
        self.join();
        self.commit();
        self.place.queue.leave_all(HANDLE);
    }
}

impl Drop for Feed<'_> {
    fn drop(&mut self) {
        self.consumer.context().close();
        // By itself librdkafka does not leave a group in which it has no partition.
        self.consumer.unsubscribe();
        for lost in self.partitions.drain(..) {
            self.place.queue.lose_stream(lost.stream);
            if self.place.group.is_none()
                && let Some(begin) = lost.ledger.commit(|| None)
            {
                self.place.begins.insert(lost.number, begin);
            }
        }
        // The client leaves when it is dropped, which is now, after the last of its queues.
    }
}

#[cfg(test)]
mod tests;
