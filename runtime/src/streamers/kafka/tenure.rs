//! Partitions that come and go.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::feed::{Feed, Partition};
use super::ledger::Ledger;
use super::start;
use crate::event::word;

/// How long what was begun of a partition may take when another instance is to have it.
const HANDOVER: Duration = Duration::from_secs(5);

/// Partitions that another instance is to have, when what was begun is done.
pub(super) struct Leaving {
    partitions: TopicPartitionList,
    until: Instant,
}

impl Feed<'_> {
    /// Partitions are ours.
    pub(super) fn assigned(&mut self, partitions: &TopicPartitionList) {
        self.is_member = true;
        self.commit_again();
        let commits = match self.place.group {
            Some(_) if partitions.count() > 0 => start::commits(&self.consumer, partitions),
            Some(_) => HashMap::new(),
            None => self.place.begins.clone(),
        };
        let is_first = self.place.begins.is_empty();
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
                (None, None) if is_first => {
                    if let Offset::Offset(end) = partition.offset() {
                        let begin = (u64::try_from(end).unwrap_or_default(), String::new());
                        self.place.begins.insert(number, begin);
                    }
                    partition.offset()
                }
                // It has come since.
                (None, None) => Offset::Beginning,
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
                .topic_works(&self.place.topic, &self.place.user());
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
        let stream = self.place.streams.entry(number);
        let stream = *stream.or_insert_with(|| queue.add_stream(word(&number.to_string())));
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
    pub(super) fn revoked(&mut self, partitions: TopicPartitionList) {
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
        self.commit_again();
        self.place.hand.listen(true);
        self.leaving = Some(Leaving { partitions, until });
    }

    /// Gives partitions away, when what was begun of them is done.
    pub(super) fn hand_over(&mut self) {
        let Some(leaving) = &self.leaving else { return };
        let mut those = self.partitions.iter().filter(|it| it.is_leaving);
        let is_done = those.all(|it| it.ledger.is_idle());
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
}

fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    let elements = partitions.elements();
    elements
        .iter()
        .map(TopicPartitionListElem::partition)
        .collect()
}
