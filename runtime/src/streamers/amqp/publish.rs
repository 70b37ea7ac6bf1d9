//! Publishing: each batch on a channel of its own, all of it in flight at once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation, Error};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::batch::{Batch, report_all, take_back};
use super::begun::Begun;
use super::connect::{Dialed, failed};
use super::gather::{FULL, Gathering};
use super::link::{Link, is_there};
use super::message::Parcel;
use super::options::{Options, Unroutable};
use super::topology::{declare_exchange, is_forbidden_key, is_missing, larger_than};
use crate::streamer::queue::locked;
use crate::streamer::{Outgoing, StreamError};

/// As many batches are on their way at once.
const BATCHES: usize = 64;
/// As much of one batch is on its way at once: what it holds of memory.
const WINDOW: usize = 16 << 20;
/// What a message weighs at least.
const WEIGHT: usize = 1024;

pub(super) struct Publisher {
    pub(super) link: Arc<Link>,
    options: Arc<Options>,
    pub(super) gathering: Gathering,
    turns: Semaphore,
    /// Channels in confirm mode, on which nothing is in flight.
    idle: Mutex<Vec<(Arc<Dialed>, Channel)>>,
    /// Tells those messages apart that have no key.
    keyless: AtomicUsize,
    /// The largest payload that the broker takes.
    largest: AtomicUsize,
    /// How many events of each topic no queue took.
    unroutable: Mutex<HashMap<String, u64>>,
}

/// Why not all of a batch is confirmed.
enum Fault {
    /// It is lost what became of it, or mended: what is left is sent again.
    Lost,
    /// For all that are not reported yet.
    Final(StreamError),
}

impl Publisher {
    pub(super) fn new(link: Arc<Link>, options: Arc<Options>) -> Self {
        Publisher {
            link,
            largest: AtomicUsize::new(options.max_message_size),
            options,
            gathering: Gathering::default(),
            turns: Semaphore::new(BATCHES),
            idle: Mutex::default(),
            keyless: AtomicUsize::new(0),
            unroutable: Mutex::default(),
        }
    }

    /// Publishes and reports each.
    pub(super) async fn publish(self: &Arc<Self>, topic: &str, outgoing: &mut [Outgoing]) {
        if outgoing.len() < FULL {
            self.publish_gathered(topic, outgoing).await;
        } else {
            self.publish_batch(topic, outgoing).await;
        }
    }

    pub(super) async fn publish_batch(&self, topic: &str, outgoing: &mut [Outgoing]) {
        let mut batch = match Batch::new(topic, outgoing) {
            Ok(batch) => batch,
            Err(error) => return report_all(outgoing, &error.to_string()),
        };
        let error = match timeout_at(self.deadline(), self.send_all(&mut batch)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(_) => self.late(),
        };
        batch.fail(&error.to_string());
    }

    /// When what is published now is late.
    pub(super) fn deadline(&self) -> Instant {
        let deadline = Instant::now().checked_add(self.options.publish_timeout);
        deadline.unwrap_or_else(|| Instant::now() + Duration::from_hours(24 * 365))
    }

    pub(super) fn late(&self) -> StreamError {
        let timeout = self.options.publish_timeout;
        let trouble = self.link.trouble();
        let why = trouble.map_or_else(
            || "RabbitMQ has not confirmed it".to_owned(),
            |trouble| trouble.to_string(),
        );
        StreamError::new(format!("not confirmed within {timeout:?}: {why}"))
    }

    async fn send_all(&self, batch: &mut Batch<'_>) -> Result<(), StreamError> {
        // The semaphore is never closed, so this is always a permit.
        let _turn = self.turns.acquire().await;
        let mut lost = None;
        while batch.next < batch.outgoing.len() {
            let (dialed, channel) = self.channel(lost.as_ref()).await?;
            match self.send(&channel, batch).await {
                Ok(()) => locked(&self.idle).push((dialed, channel)),
                Err(error) if !is_there(&dialed.connection) => {
                    tracing::debug!(topic = batch.topic, %error, "what is not confirmed is sent again");
                    lost = Some(dialed);
                }
                Err(error) => match self.mend(batch, &error).await {
                    Fault::Lost => {}
                    Fault::Final(error) => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// The broker has closed a channel: what is to be done about it.
    async fn mend(&self, batch: &mut Batch<'_>, error: &Error) -> Fault {
        if is_forbidden_key(error) {
            batch.refuse_or_part(&failed("RabbitMQ forbids its routing key", error));
            return Fault::Lost;
        }
        if let Some(largest) = larger_than(error) {
            // Another batch may have learnt it first.
            let known = self.largest.fetch_min(largest, Ordering::Relaxed);
            if self.has_larger(batch, known.min(largest)) {
                return Fault::Lost;
            }
        }
        if is_missing(error) && self.options.create_topics {
            let declared = match self.link.channel().await {
                Ok((_, channel)) => declare_exchange(&channel, batch.topic, &self.options).await,
                Err(error) => Err(error),
            };
            return declared.map_or_else(Fault::Final, |()| Fault::Lost);
        }
        let topic = batch.topic;
        Fault::Final(if is_missing(error) {
            StreamError::new(format!(
                "the topic `{topic}` is not there: RabbitMQ has no exchange of this name ({error})"
            ))
        } else {
            failed("RabbitMQ refuses what is published", error)
        })
    }

    /// Whether one that is left is larger, and so is refused when it is its turn again.
    fn has_larger(&self, batch: &Batch<'_>, largest: usize) -> bool {
        let left = batch.outgoing.iter().zip(&batch.refused).skip(batch.next);
        let mut left = left.filter(|(_, is_refused)| !**is_refused);
        left.any(|(outgoing, _)| {
            let parcel = Parcel::new(outgoing.message(), self.options.structured_events, 0);
            parcel.is_ok_and(|parcel| parcel.payload.len() > largest)
        })
    }

    /// One that nobody else uses meanwhile.
    async fn channel(
        &self,
        lost: Option<&Arc<Dialed>>,
    ) -> Result<(Arc<Dialed>, Channel), StreamError> {
        loop {
            let dialed = self.link.dialed(lost).await?;
            let idle = locked(&self.idle).pop();
            if let Some((of, channel)) = idle {
                if Arc::ptr_eq(&of, &dialed) && channel.status().connected() {
                    return Ok((of, channel));
                }
                continue;
            }
            let (dialed, channel) = self.link.channel().await?;
            let confirms = channel.confirm_select(ConfirmSelectOptions::default());
            match confirms.await {
                Ok(()) => return Ok((dialed, channel)),
                Err(_) if !is_there(&dialed.connection) => {}
                Err(error) => return Err(failed("RabbitMQ confirms nothing", &error)),
            }
        }
    }

    /// Sends what is not reported yet, and reports what is confirmed, up to the first of which it is
    /// not known.
    async fn send(&self, channel: &Channel, batch: &mut Batch<'_>) -> Result<(), Error> {
        let mut sending = VecDeque::new();
        let all = batch.end();
        let mut answers = Vec::with_capacity(all - batch.next);
        let mut weight = 0;
        let mut end = Ok(());
        for at in batch.next..all {
            let Some(parcel) = self.parcel(batch, at) else {
                continue;
            };
            let next = parcel.payload.len() + WEIGHT;
            while end.is_ok()
                && weight + next > WINDOW
                && let Some(first) = sending.pop_front()
            {
                weight -= wait_for(first, &mut answers).await.unwrap_or_else(|error| {
                    end = Err(error);
                    0
                });
            }
            if end.is_err() {
                break;
            }
            weight += next;
            let publishing = Begun::of(publish(channel, batch.exchange.clone(), parcel));
            sending.push_back((at, next, publishing));
        }
        while end.is_ok()
            && let Some(first) = sending.pop_front()
        {
            end = wait_for(first, &mut answers).await.map(drop);
        }
        let known = match (&end, answers.last()) {
            (Ok(()), _) => all,
            (Err(_), Some((last, _))) => last + 1,
            (Err(_), None) => batch.next,
        };
        // What came back is told with any confirmation.
        let rest = sending.into_iter();
        let rest = rest.filter_map(|(_, _, begun)| begun.now()?.ok()?.take_message());
        let returned = rest.collect();
        self.report(batch, known, answers, returned);
        end
    }

    /// One of a batch, ready to be sent; none where the broker cannot take it, which is reported.
    fn parcel(&self, batch: &mut Batch<'_>, at: usize) -> Option<Parcel> {
        let outgoing = &mut batch.outgoing[at];
        let turn = self.keyless.fetch_add(1, Ordering::Relaxed);
        let largest = self.largest.load(Ordering::Relaxed);
        let parcel = Parcel::new(outgoing.message(), self.options.structured_events, turn);
        let parcel = parcel.and_then(|parcel| match parcel.payload.len() {
            size if size > largest => Err(StreamError::refused(format!(
                "its payload has {size} bytes, and RabbitMQ takes {largest}"
            ))),
            _ => Ok(parcel),
        });
        batch.refused[at] = parcel.is_err();
        parcel.map_err(|error| outgoing.report(Err(error))).ok()
    }

    /// Reports all before `known`.
    fn report(
        &self,
        batch: &mut Batch<'_>,
        known: usize,
        answers: Vec<(usize, Confirmation)>,
        mut returned: VecDeque<BasicReturnMessage>,
    ) {
        let mut nacked = HashSet::new();
        for (at, confirmation) in answers {
            if confirmation.is_nack() {
                nacked.insert(at);
            }
            returned.extend(confirmation.take_message());
        }
        let mut unheard = 0;
        for at in batch.next..known {
            if batch.refused[at] {
                continue;
            }
            let outgoing = &mut batch.outgoing[at];
            let message = outgoing.message();
            let came_back = take_back(&mut returned, message);
            let failed = if nacked.contains(&at) {
                Some("RabbitMQ could not take it (basic.nack)")
            } else if message
                .key()
                .is_some_and(|key| batch.failed_keys.contains(key))
            {
                Some("an event before it, of the same key, failed")
            } else if came_back && self.options.unroutable == Unroutable::Fail {
                Some("no queue takes it: nobody is bound to the exchange of its topic")
            } else {
                None
            };
            if let Some(why) = failed {
                batch.failed_keys.extend(message.key().map(<[u8]>::to_vec));
                outgoing.report(Err(StreamError::new(why)));
            } else if came_back {
                unheard += 1;
                outgoing.report_unheard();
            } else {
                outgoing.report(Ok(()));
            }
        }
        batch.next = known;
        if unheard > 0 {
            self.warn(batch.topic, unheard);
        }
    }

    /// Each time that they have doubled.
    fn warn(&self, topic: &str, more: u64) {
        let mut counts = locked(&self.unroutable);
        let count = counts.entry(topic.to_owned()).or_default();
        let before = *count;
        *count += more;
        let count = *count;
        drop(counts);
        if before.checked_ilog2() != count.checked_ilog2() {
            tracing::warn!(
                topic,
                count,
                "events were published that no queue takes, and RabbitMQ has dropped them: nobody subscribes to the topic"
            );
        }
    }
}

async fn publish(
    channel: &Channel,
    exchange: ShortString,
    parcel: Parcel,
) -> Result<Confirmation, Error> {
    let Parcel {
        routing_key,
        properties,
        payload,
    } = parcel;
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    channel
        .basic_publish(exchange, routing_key, options, &payload, properties)
        .await?
        .await
}

/// Waits for an answer: what the message weighed.
async fn wait_for(
    (at, weight, begun): (usize, usize, Begun<'_, Result<Confirmation, Error>>),
    answers: &mut Vec<(usize, Confirmation)>,
) -> Result<usize, Error> {
    answers.push((at, begun.answer().await?));
    Ok(weight)
}
