//! A consumer of one stream, as long as its channel lasts.
//!
//! A stream has a channel of its own: when that is closed, `RabbitMQ` puts back all that is not
//! acknowledged in its old place before the next consumer gets anything. So order holds from one
//! consumer to the next.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer, Error};
use tokio::sync::Notify;
use tokio::time::{Instant, interval, timeout};

use super::begun::Begun;
use super::connect::failed;
use super::message;
use super::subscribe::Subscribed;
use super::topology::{consumers, declare_exchange, is_missing};
use crate::streamer::queue::{Entry, Keeper, Ticket, locked};
use crate::streamer::{Position, StreamError};

/// How often the instances share the streams anew.
const LEVELS: Duration = Duration::from_secs(5);
/// How often it is looked whether events still lead to the queue.
const BINDS: Duration = Duration::from_secs(15);
/// How many deliveries are taken at once, if they are there.
const TAKE: usize = 128;
/// How long the broker may take for anything. A quorum queue that looks for its leader forgets what
/// it was asked meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is asked at the most.
const TRIES: usize = 3;

pub(super) struct Stint {
    of: Arc<Subscribed>,
    stream: usize,
    channel: Channel,
    consumer: Consumer,
    ledger: Arc<Ledger>,
    /// What the broker waits for, by its tag.
    outstanding: BTreeSet<u64>,
    last_position: u64,
    bound: Instant,
}

/// Why a stint is over.
pub(super) enum End {
    /// Nobody takes any more.
    Left,
    /// Another instance is to have the stream.
    GivenUp,
    /// The channel or the consumer is gone, and with it the right to settle what is in flight.
    Lost(StreamError),
}

/// What became of the deliveries of one stint.
#[derive(Default)]
struct Ledger {
    told: Mutex<Told>,
    news: Notify,
}

#[derive(Default)]
struct Told {
    acknowledged: Vec<u64>,
    /// How many have not been heard of yet.
    in_hand: usize,
}

impl Ledger {
    /// What is acknowledged, and whether nothing is in hand any more.
    fn take(&self) -> (Vec<u64>, bool) {
        let mut told = locked(&self.told);
        (std::mem::take(&mut told.acknowledged), told.in_hand == 0)
    }
}

impl Keeper for Ledger {
    /// It stays in hand.
    fn released(&self, _tag: u64, _attempts: u32) {}

    fn settled(&self, tag: u64, acknowledged: bool) {
        let mut told = locked(&self.told);
        told.in_hand -= 1;
        if acknowledged {
            told.acknowledged.push(tag);
        }
        drop(told);
        self.news.notify_one();
    }
}

impl Stint {
    /// Consumes a queue that is there.
    pub(super) async fn begin(of: &Arc<Subscribed>, stream: usize) -> Result<Self, StreamError> {
        answered(|| async move {
            let (_, channel) = of.common.link.channel().await?;
            Stint::consume(of, stream, channel).await
        })
        .await
    }

    /// Consumes a queue that may have been deleted meanwhile.
    pub(super) async fn begin_again(
        of: &Arc<Subscribed>,
        stream: usize,
    ) -> Result<Self, StreamError> {
        answered(|| Stint::declare_and_consume(of, stream)).await
    }

    async fn declare_and_consume(of: &Arc<Subscribed>, stream: usize) -> Result<Self, StreamError> {
        let link = &of.common.link;
        if of.queues.is_of_one_instance() {
            let (_, channel) = link.channel().await?;
            let queue = &of.queues.names[stream];
            if let Err(error) = consumers(&channel, queue).await
                && is_missing(&error)
            {
                tracing::warn!(%queue, "this instance was away for too long: what was published meanwhile is lost for it");
            }
        }
        let options = &of.common.options;
        if options.create_topics {
            // The exchange may be gone: it leads to what others here subscribe as soon as it is
            // there again. What is amiss with theirs is not for this one to say.
            let (_, channel) = link.channel().await?;
            let _ = declare_exchange(&channel, &of.queues.topic, options).await;
            let _ = channel.close(200, "OK".into()).await;
        }
        let (_, channel) = link.channel().await?;
        of.queues.declare(stream, &channel, options).await?;
        of.queues.bind_again(stream, &channel).await?;
        Stint::consume(of, stream, channel).await
    }

    async fn consume(
        of: &Arc<Subscribed>,
        stream: usize,
        channel: Channel,
    ) -> Result<Self, StreamError> {
        let queue = &of.queues.names[stream];
        let refused =
            |error: Error| failed(&format!("the queue `{queue}` cannot be consumed"), &error);
        let per_consumer = BasicQosOptions { global: false };
        let qos = channel.basic_qos(of.prefetch, per_consumer);
        qos.await.map_err(refused)?;
        let consuming = channel.basic_consume(
            queue.clone(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let consumer = consuming.await.map_err(refused)?;
        Ok(Stint {
            of: Arc::clone(of),
            stream,
            channel,
            consumer,
            ledger: Arc::default(),
            outstanding: BTreeSet::new(),
            last_position: 0,
            bound: Instant::now(),
        })
    }

    pub(super) fn stream(&self) -> usize {
        self.stream
    }

    /// Until it is over.
    pub(super) async fn run(&mut self) -> End {
        let of = Arc::clone(&self.of);
        let ledger = Arc::clone(&self.ledger);
        let mut levels = interval(LEVELS);
        levels.reset();
        loop {
            let done = tokio::select! {
                biased;
                () = of.left.cancelled() => return End::Left,
                () = of.share.give_up[self.stream].notified() => return End::GivenUp,
                // What has its time goes before what may come without end.
                _ = levels.tick() => in_time(self.look_around()).await,
                () = ledger.news.notified() => self.acknowledge().map(drop),
                delivery = self.consumer.next() => match delivery {
                    Some(Ok(delivery)) => self.take(delivery).await,
                    Some(Err(error)) => Err(failed("the channel is lost", &error)),
                    None => Err(StreamError::new("RabbitMQ has ended it: is the queue deleted?")),
                },
            };
            if let Err(error) = done {
                return End::Lost(error);
            }
        }
    }

    /// Takes a delivery, and those that came with it.
    async fn take(&mut self, first: Delivery) -> Result<(), StreamError> {
        let mut entries = vec![self.entry(first)];
        let mut end = Ok(());
        while entries.len() < TAKE
            && let Some(Some(next)) = self.consumer.next().now_or_never()
        {
            match next {
                Ok(delivery) => entries.push(self.entry(delivery)),
                Err(error) => {
                    end = Err(failed("the channel is lost", &error));
                    break;
                }
            }
        }
        locked(&self.ledger.told).in_hand += entries.len();
        let entries = entries.into_iter().map(|entry| (self.stream, entry));
        self.of.group.push(entries);
        end?;
        if locked(&self.of.share.active).insert(self.stream) {
            in_time(self.level(false)).await?;
        }
        Ok(())
    }

    fn entry(&mut self, delivery: Delivery) -> Entry {
        let tag = delivery.delivery_tag;
        self.outstanding.insert(tag);
        self.last_position = message::now().max(self.last_position + 1);
        let ledger: Arc<dyn Keeper> = self.ledger.clone();
        Entry {
            arrival: self.of.arrivals.fetch_add(1, Ordering::Relaxed) + 1,
            position: Position::Number(self.last_position),
            message: message::read(delivery),
            attempts: 0,
            ticket: Some(Ticket::kept(ledger, tag)),
        }
    }

    /// Sends the acknowledgements that are there, as few as it takes: whether nothing is in hand any
    /// more.
    fn acknowledge(&mut self) -> Result<bool, StreamError> {
        let (mut tags, is_over) = self.ledger.take();
        tags.sort_unstable();
        // The broker takes one for all that it waits for up to there.
        let mut run = None;
        for tag in tags {
            let is_first = self.outstanding.first() == Some(&tag);
            self.outstanding.remove(&tag);
            if is_first {
                run = Some((tag, run.is_some()));
            } else {
                if let Some((tag, multiple)) = run.take() {
                    self.send(tag, multiple)?;
                }
                self.send(tag, false)?;
            }
        }
        if let Some((tag, multiple)) = run {
            self.send(tag, multiple)?;
        }
        Ok(is_over)
    }

    /// It is sent behind what was sent before, and nobody answers.
    fn send(&self, tag: u64, multiple: bool) -> Result<(), StreamError> {
        let sending = self.channel.basic_ack(tag, BasicAckOptions { multiple });
        match Begun::of(sending).now() {
            Some(Err(error)) => Err(failed("nothing can be acknowledged", &error)),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// What nobody tells of.
    async fn look_around(&mut self) -> Result<(), StreamError> {
        if self.bound.elapsed() >= BINDS {
            self.bound = Instant::now();
            self.of
                .queues
                .bind_again(self.stream, &self.channel)
                .await?;
        }
        self.level(true).await
    }

    /// Gives streams up, if this instance has more than its share of them: those of which nothing is
    /// in flight, or else any if need be. An instance that comes waits in the line of consumers of
    /// every queue, and who gives up goes to its end.
    async fn level(&self, any: bool) -> Result<(), StreamError> {
        let share = &self.of.share;
        let streams = share.give_up.len();
        let mut active = locked(&share.active).clone();
        if active.len() < 2 || !active.contains(&self.stream) {
            return Ok(());
        }
        let queue = &self.of.queues.names[self.stream];
        let instances = consumers(&self.channel, queue).await;
        let instances = instances.map_err(|error| failed("the queue does not answer", &error))?;
        let fair = streams.div_ceil(usize::try_from(instances).unwrap_or(1).max(1));
        while active.len() > fair {
            let idle = self.of.group.leave_idle(active.iter().rev().copied());
            let given = idle.or_else(|| active.last().copied().filter(|_| any));
            let Some(stream) = given else { break };
            active.remove(&stream);
            locked(&share.active).remove(&stream);
            share.give_up[stream].notify_one();
        }
        Ok(())
    }

    /// Waits until nothing of it is in hand any more, and puts the rest back.
    pub(super) async fn finish(mut self, end: &End) {
        locked(&self.of.share.active).remove(&self.stream);
        self.of.group.leave_stream(self.stream);
        let ledger = Arc::clone(&self.ledger);
        let mut is_over = false;
        if !matches!(end, End::Lost(_)) {
            while let Ok(false) = self.acknowledge().inspect(|over| is_over = *over) {
                ledger.news.notified().await;
            }
        }
        // Those of a channel that is lost cannot be acknowledged.
        while !is_over && !ledger.take().1 {
            ledger.news.notified().await;
        }
        let closing = async {
            if self.of.queues.is_of_one_instance() && matches!(end, End::Left) {
                let queue = self.of.queues.names[self.stream].clone();
                let deleted = self
                    .channel
                    .queue_delete(queue, QueueDeleteOptions::default());
                // One that is not deleted now expires.
                let _ = deleted.await;
            }
            // One that is lost is closed.
            let _ = self.channel.close(200, "OK".into()).await;
        };
        let _ = timeout(PATIENCE, closing).await;
    }
}

/// Asks again where there is no answer.
pub(super) async fn answered<T, F>(ask: impl Fn() -> F) -> Result<T, StreamError>
where
    F: Future<Output = Result<T, StreamError>>,
{
    for _ in 1..TRIES {
        if let Ok(answer) = timeout(PATIENCE, ask()).await {
            return answer;
        }
    }
    in_time(ask()).await
}

async fn in_time<T>(work: impl Future<Output = Result<T, StreamError>>) -> Result<T, StreamError> {
    let done = timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(StreamError::new("RabbitMQ does not answer")))
}
