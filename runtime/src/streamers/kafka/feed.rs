//! The thread of a subscription: from Kafka's client to the local queue, and back.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arcstr::format as arc_format;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::oneshot;

use super::connect::Connection;
use super::ear::{Change, ConsumerEar};
use super::hand::Hand;
use super::ledger::{Arrival, Ledger};
use super::prepare;
use super::read::read;
use super::start;
use super::subscribe::{HANDLE, Orders};
use crate::streamer::queue::{Entry, Group, Keeper, Ticket};
use crate::streamer::{Position, StreamError};

/// The least time between two commits.
const COMMIT: Duration = Duration::from_millis(200);

/// How long what was begun of a partition may take when another instance is to have it.
const HANDOVER: Duration = Duration::from_secs(5);

/// How long what is in flight may take when its subscription is gone.
const FAREWELL: Duration = Duration::from_secs(30);

/// How long the partitions of a new member are waited for.
const WELCOME: Duration = Duration::from_secs(10);

/// How long a subscription that ends at once waits for the group to let it in.
const JOINING: Duration = Duration::from_secs(5);

/// The longest rest: the client wants to be asked for events.
const REST: Duration = Duration::from_secs(1);

/// How often it is looked whether a topic has more partitions, where no group tells.
const LOOK: Duration = Duration::from_secs(30);

/// How many times as many messages as are given out are done at the most behind one that is not.
const AHEAD: usize = 16;

/// The most messages that are taken from a partition before the next has its turn.
const TURN: usize = 64;

/// Where a subscription is.
pub(super) struct Place {
    pub(super) connection: Arc<Connection>,
    pub(super) topic: String,
    /// `None` for a subscriber that reads all, and commits nothing.
    pub(super) group: Option<String>,
    pub(super) queue: Arc<Group>,
    pub(super) hand: Arc<Hand>,
    pub(super) orders: Arc<Orders>,
}

pub(super) struct Feed {
    place: Place,
    /// Before the client: it must not go before its queues.
    partitions: Vec<Partition>,
    consumer: Arc<BaseConsumer<ConsumerEar>>,
    /// What went wrong with single partitions.
    errors: Vec<KafkaError>,
    /// The stream of each partition that was ever ours, by its number.
    streams: HashMap<i32, usize>,
    leaving: Option<Leaving>,
    arrivals: u64,
    commit_at: Instant,
    look_at: Instant,
    /// Where the group begins, as long as that is not committed.
    first: Option<TopicPartitionList>,
    is_joining: bool,
    /// Whether partitions have come, be it none.
    is_member: bool,
    has_more: bool,
}

/// A partition that is ours.
struct Partition {
    number: i32,
    stream: usize,
    messages: PartitionQueue<ConsumerEar>,
    ledger: Arc<Ledger>,
    is_leaving: bool,
}

/// Partitions that another instance is to have, when what was begun is done.
struct Leaving {
    partitions: TopicPartitionList,
    until: Instant,
}

impl Feed {
    pub(super) fn new(place: Place, consumer: Arc<BaseConsumer<ConsumerEar>>) -> Self {
        let now = Instant::now();
        Feed {
            place,
            consumer,
            partitions: Vec::new(),
            errors: Vec::new(),
            streams: HashMap::new(),
            leaving: None,
            arrivals: 0,
            commit_at: now,
            look_at: now + LOOK,
            first: None,
            is_joining: false,
            is_member: false,
            has_more: false,
        }
    }

    /// Until the subscription or the connection has ended.
    pub(super) fn run(mut self, stands: oneshot::Sender<Result<(), StreamError>>) {
        self.place.hand.wake_this_thread();
        let begun = self.begin();
        let is_begun = begun.is_ok();
        // Whoever does not hear it has gone, and the subscription with it.
        let _ = stands.send(begun);
        let mut farewell = None;
        while is_begun && !self.is_closed() {
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
    }

    fn is_closed(&self) -> bool {
        self.place.connection.closed.is_cancelled()
    }

    /// What is to be done, and can be without waiting.
    fn turn(&mut self, takes: bool) {
        self.serve();
        if takes {
            self.fill();
        }
        self.hand_over();
        if Instant::now() >= self.commit_at {
            self.commit();
        }
        if self.place.group.is_none() && Instant::now() >= self.look_at {
            self.look();
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
            rest = COMMIT.max(self.commit_at.saturating_duration_since(now));
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
            if self.is_closed() || self.place.orders.is_to_finish() {
                return Err(StreamError::new("the streamer is closed"));
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
                Some(Err(error)) => self.fails(&error),
                // One event at a time is served.
                None if consumer.context().served() == served => break,
                None => {}
            }
        }
        for change in consumer.context().changes() {
            match change {
                Change::Assigned(partitions) => self.assigned(&partitions),
                Change::Revoked(partitions) => self.revoked(partitions),
                Change::NotCommitted(error) => {
                    tracing::warn!(%error, topic = self.place.topic, "a commit failed, and is made again");
                    self.partitions
                        .iter()
                        .for_each(|it| it.ledger.commit_again());
                }
            }
        }
    }

    /// Goes back to a message that came by the wrong way.
    fn strays(&self, message: &BorrowedMessage<'_>) {
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
            tracing::warn!(%error, topic, number, "a message came past the queue of its partition");
        }
    }

    fn fails(&self, error: &KafkaError) {
        let (topic, health) = (&self.place.topic, &self.place.connection.watch.health);
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed,
            ) => {
                let why = format!("it cannot be read: {error}");
                if health.topic_fails(topic, &why) {
                    tracing::warn!(topic, %error, "the topic cannot be read, until it is there again");
                }
            }
            // The ear has heard of it.
            _ => tracing::debug!(topic, %error, "a consumer reports an error"),
        }
    }

    /// Partitions are ours.
    fn assigned(&mut self, partitions: &TopicPartitionList) {
        self.is_member = true;
        let commits = match self.place.group {
            Some(_) if partitions.count() > 0 => start::commits(&self.consumer, partitions),
            _ => HashMap::new(),
        };
        let mut places = TopicPartitionList::with_capacity(partitions.count());
        for partition in partitions.elements() {
            let number = partition.partition();
            let known = commits.get(&number);
            let commit = known.map(|(offset, note)| (*offset, note.as_str()));
            let offset = match (known, &self.place.group) {
                (Some((offset, _)), _) => {
                    Offset::Offset(i64::try_from(*offset).unwrap_or(i64::MAX))
                }
                (None, Some(_)) => self.first_of(number).unwrap_or(Offset::Stored),
                (None, None) => partition.offset(),
            };
            let added = places.add_partition_offset(&self.place.topic, number, offset);
            if let Err(error) = added.and_then(|()| self.take(number, commit)) {
                tracing::error!(%error, number, topic = self.place.topic, "a partition cannot be read");
            }
        }
        if let Err(error) = self.consumer.incremental_assign(&places) {
            tracing::warn!(%error, topic = self.place.topic, "partitions were not taken");
        }
        if partitions.count() > 0 {
            self.place
                .connection
                .watch
                .health
                .topic_works(&self.place.topic);
        }
        self.has_more = true;
    }

    fn first_of(&self, number: i32) -> Option<Offset> {
        let first = self.first.as_ref()?;
        Some(first.find_partition(&self.place.topic, number)?.offset())
    }

    /// Gets a partition ready to be read.
    fn take(&mut self, number: i32, commit: Option<(u64, &str)>) -> Result<(), KafkaError> {
        let consumer = &self.consumer;
        let messages = consumer.split_partition_queue(&self.place.topic, number);
        let mut messages = messages.ok_or(KafkaError::Canceled)?;
        let hand = Arc::clone(&self.place.hand);
        messages.set_nonempty_callback(move || hand.wake());
        let queue = &self.place.queue;
        let stream = self.streams.entry(number);
        let stream = *stream.or_insert_with(|| queue.add_stream(arc_format!("{number}")));
        self.partitions.push(Partition {
            number,
            stream,
            messages,
            ledger: Ledger::new(Arc::clone(&self.place.hand), commit),
            is_leaving: false,
        });
        Ok(())
    }

    /// Partitions are to be another's.
    fn revoked(&mut self, partitions: TopicPartitionList) {
        let mut until = Instant::now();
        if self.consumer.assignment_lost() {
            let topic = &self.place.topic;
            tracing::warn!(
                topic,
                "the group has given our partitions to others: we were not heard of in time"
            );
            for number in numbers(&partitions) {
                self.lose(number);
            }
        } else {
            until += HANDOVER;
            let numbers = numbers(&partitions);
            let mut ours = self.partitions.iter_mut();
            for leaving in ours.by_ref().filter(|it| numbers.contains(&it.number)) {
                leaving.is_leaving = true;
                self.place.queue.leave_stream(leaving.stream);
            }
        }
        self.place.hand.listen(true);
        self.leaving = Some(Leaving { partitions, until });
    }

    /// Gives partitions away, when what was begun of them is done.
    fn hand_over(&mut self) {
        let Some(leaving) = &self.leaving else { return };
        let mut those = self.partitions.iter().filter(|it| it.is_leaving);
        let is_done = those.all(|it| self.place.queue.is_idle(it.stream));
        if !is_done && Instant::now() < leaving.until {
            return;
        }
        // librdkafka gives them away when that is done.
        self.commit();
        let Some(Leaving { partitions, .. }) = self.leaving.take() else {
            return;
        };
        for number in numbers(&partitions) {
            self.lose(number);
        }
        if let Err(error) = self.consumer.incremental_unassign(&partitions) {
            tracing::warn!(%error, topic = self.place.topic, "partitions were not given away");
        }
        self.place.hand.listen(false);
        self.has_more = true;
    }

    fn lose(&mut self, number: i32) {
        let queue = &self.place.queue;
        for lost in self.partitions.extract_if(.., |it| it.number == number) {
            queue.lose_stream(lost.stream);
        }
    }

    /// Gives the local queue as much as it has room for.
    fn fill(&mut self) {
        let mut room = self.place.hand.room();
        let most = self.place.hand.most() * AHEAD;
        let mut idle = 0;
        let mut turn = 0;
        let mut entries = Vec::new();
        while room > 0 && idle < self.partitions.len() {
            let at = turn % self.partitions.len();
            turn += 1;
            entries.clear();
            self.draw(at, room.min(TURN), most, &mut entries);
            if entries.is_empty() {
                idle += 1;
                continue;
            }
            idle = 0;
            room -= entries.len();
            self.place.queue.push(entries.drain(..));
            self.place.connection.watch.reached();
        }
        for error in std::mem::take(&mut self.errors) {
            self.fails(&error);
        }
    }

    /// Takes what one partition has.
    fn draw(&mut self, at: usize, room: usize, most: usize, entries: &mut Vec<(usize, Entry)>) {
        let Place { queue, hand, .. } = &self.place;
        let Partition {
            number,
            stream,
            messages,
            ledger,
            is_leaving,
        } = &mut self.partitions[at];
        while entries.len() < room && !*is_leaving && ledger.len() < most {
            let message = match messages.poll(Duration::ZERO) {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    self.errors.push(error);
                    continue;
                }
                None => break,
            };
            let offset = u64::try_from(message.offset()).unwrap_or_default();
            let mut arrival = ledger.arrived(offset);
            if arrival == Arrival::Backwards {
                let (topic, partition) = (&self.place.topic, *number);
                tracing::warn!(topic, partition, offset, "the partition begins anew");
                queue.push(entries.drain(..));
                queue.lose_stream(*stream);
                *ledger = Ledger::new(Arc::clone(hand), None);
                arrival = ledger.arrived(offset);
            }
            if let Arrival::New { attempts } = arrival {
                hand.pick_up();
                self.arrivals += 1;
                let keeper: Arc<dyn Keeper> = ledger.clone();
                let entry = Entry {
                    arrival: self.arrivals,
                    position: Position::Number(offset),
                    message: read(&message),
                    attempts,
                    ticket: Some(Ticket::kept(keeper, offset)),
                };
                entries.push((*stream, entry));
            }
        }
    }

    /// Commits what is new, and waits for no answer.
    fn commit(&mut self) {
        self.commit_at = Instant::now() + COMMIT;
        if self.place.group.is_none() {
            return;
        }
        let mut positions = None;
        let mut commits = TopicPartitionList::new();
        for Partition { number, ledger, .. } in &self.partitions {
            let position = || {
                positions
                    .get_or_insert_with(|| positions_of(&self.consumer))
                    .get(number)
                    .copied()
            };
            let Some((offset, note)) = ledger.commit(position) else {
                continue;
            };
            let mut commit = commits.add_partition(&self.place.topic, *number);
            let offset = Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX));
            if let Err(error) = commit.set_offset(offset) {
                tracing::error!(%error, number, "an offset cannot be committed");
            }
            if !note.is_empty() {
                commit.set_metadata(note);
            }
        }
        if commits.count() == 0 {
            return;
        }
        if let Err(error) = self.consumer.commit(&commits, CommitMode::Async) {
            tracing::debug!(%error, topic = self.place.topic, "a commit could not be sent");
            self.partitions
                .iter()
                .for_each(|it| it.ledger.commit_again());
        }
    }

    /// Whether the topic has partitions that are new.
    fn look(&mut self) {
        self.look_at = Instant::now() + LOOK;
        let Ok(numbers) = prepare::partitions(&self.consumer, &self.place.topic) else {
            return;
        };
        let mut new = TopicPartitionList::new();
        for number in numbers {
            if !self.streams.contains_key(&number) {
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
        self.consumer.context().close();
        // By itself librdkafka does not leave a group in which it has no partition.
        self.consumer.unsubscribe();
        // It leaves when it is dropped, after the last of its queues.
        self.partitions.clear();
    }
}

/// Where the client reads on.
fn positions_of(consumer: &BaseConsumer<ConsumerEar>) -> HashMap<i32, u64> {
    let positions = consumer.position();
    let positions = positions.iter().flat_map(TopicPartitionList::elements);
    let known = positions.filter_map(|at| match at.offset() {
        Offset::Offset(offset) => Some((at.partition(), u64::try_from(offset).ok()?)),
        _ => None,
    });
    known.collect()
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    let elements = partitions.elements();
    elements.iter().map(|it| it.partition()).collect()
}
