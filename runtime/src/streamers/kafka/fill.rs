//! From the partitions to the local queue, and back to the group.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::ear::ConsumerEar;
use super::feed::{Feed, Partition, Place};
use super::ledger::{Arrival, Ledger};
use super::read::read;
use crate::event::Message;
use crate::streamer::Position;
use crate::streamer::queue::{Entry, Keeper, Ticket};

/// The least time between two commits.
pub(super) const COMMIT: Duration = Duration::from_millis(200);

/// How many times as many messages as are given out are done at the most behind one that is not.
const AHEAD: usize = 16;

/// The most messages that are taken from a partition before the next has its turn.
const TURN: usize = 64;

impl Feed<'_> {
    /// Gives the local queue as much as it has room for.
    pub(super) fn fill(&mut self) {
        let mut room = self.place.hand.room();
        let most = self.place.hand.most() * AHEAD;
        let mut idle = 0;
        let mut turn = 0;
        let mut entries = Vec::new();
        while room > 0 && idle < self.partitions.len() {
            let at = turn % self.partitions.len();
            turn += 1;
            entries.clear();
            if !self.draw(at, room.min(TURN), most, &mut entries) {
                idle += 1;
                continue;
            }
            idle = 0;
            room -= entries.len();
            self.place.queue.push(entries.drain(..));
            self.place.connection.watch.reached();
        }
        for error in std::mem::take(&mut self.errors) {
            self.fails(error);
        }
    }

    /// Takes what one partition has; false where that is nothing. What those who handle write to as
    /// well is touched once for all of it: each time it has to come from another processor.
    fn draw(
        &mut self,
        at: usize,
        room: usize,
        most: usize,
        entries: &mut Vec<(usize, Entry)>,
    ) -> bool {
        let Partition {
            messages,
            ledger,
            is_leaving,
            ..
        } = &mut self.partitions[at];
        let room = room.min(most.saturating_sub(ledger.len()));
        let mut drawn = Vec::new();
        while drawn.len() < room && !*is_leaving {
            match messages.poll(Duration::ZERO) {
                Some(Ok(record)) => {
                    let offset = u64::try_from(record.offset()).unwrap_or_default();
                    drawn.push((offset, read(&record)));
                }
                Some(Err(error)) => self.errors.push(error),
                None => break,
            }
        }
        let has_any = !drawn.is_empty();
        while !drawn.is_empty() {
            self.enter(at, &mut drawn, entries);
        }
        has_any
    }

    /// Enters what was drawn in the ledger, up to where the partition begins anew.
    fn enter(
        &mut self,
        at: usize,
        drawn: &mut Vec<(u64, Message)>,
        entries: &mut Vec<(usize, Entry)>,
    ) {
        let Place {
            topic,
            queue,
            hand,
            arrivals,
            ..
        } = &mut *self.place;
        let partition = &mut self.partitions[at];
        let arrived = partition.ledger.arrived(drawn.iter().map(|it| it.0));
        let before = entries.len();
        for (arrival, (offset, message)) in arrived.iter().zip(drawn.drain(..arrived.len())) {
            if let Arrival::New { attempts } = *arrival {
                *arrivals += 1;
                let keeper: Arc<dyn Keeper> = partition.ledger.clone();
                let entry = Entry {
                    arrival: *arrivals,
                    position: Position::Number(offset),
                    message,
                    attempts,
                    ticket: Some(Ticket::kept(keeper, offset)),
                };
                entries.push((partition.stream, entry));
            }
        }
        hand.pick_up(entries.len() - before);
        if let Some((offset, _)) = drawn.first() {
            let number = partition.number;
            tracing::warn!(%topic, partition = number, offset, "the partition begins anew");
            queue.push(entries.drain(..));
            queue.lose_stream(partition.stream);
            partition.ledger = Ledger::new(Arc::clone(hand), None);
        }
    }

    /// Has all committed once more, since nobody tells what became of a commit that was not waited
    /// for. One that is made while the group shares out anew is refused: it stands in line at the
    /// broker until all members are there, and is of the past then.
    pub(super) fn commit_again(&self) {
        self.partitions
            .iter()
            .for_each(|it| it.ledger.commit_again());
    }

    /// Commits what is new, and waits for no answer.
    pub(super) fn commit(&mut self) {
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
            self.commit_again();
        }
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
