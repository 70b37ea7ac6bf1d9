//! A subscription: one task for each of its streams.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backon::BackoffBuilder;
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::leads::Known;
use super::link::{Link, is_there};
use super::options::Options;
use super::queues::Queues;
use super::stint::{End, Stint, answered};
use crate::event::word;
use crate::streamer::queue::{
    Ending, Group, GroupOptions, Membership, Subscription as Queued, locked,
};
use crate::streamer::{Deliveries, StreamError};
use crate::streamers::times::{LONGEST_PAUSE, PAUSES};

/// How long subscribing may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all subscriptions have in common.
pub(super) struct Consumption {
    pub(super) link: Arc<Link>,
    pub(super) options: Arc<Options>,
    /// Ends them all.
    pub(super) closed: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// Why something is not consumed at present, by queue.
    troubles: Mutex<BTreeMap<String, String>>,
}

/// One subscription.
pub(super) struct Subscribed {
    pub(super) common: Arc<Consumption>,
    pub(super) queues: Queues,
    pub(super) prefetch: u16,
    /// What is fetched and not settled.
    pub(super) group: Arc<Group>,
    pub(super) share: Share,
    pub(super) arrivals: AtomicU64,
    /// Nobody takes any more.
    pub(super) left: CancellationToken,
    /// To those that publish here.
    _known: Option<Known>,
}

/// The streams of which this instance is known to have the events, as some have come; the other
/// instances have the rest.
pub(super) struct Share {
    pub(super) active: Mutex<BTreeSet<usize>>,
    /// Tells a stream that it is to be given up.
    pub(super) give_up: Box<[Notify]>,
}

impl Consumption {
    pub(super) fn new(link: Arc<Link>, options: Arc<Options>, closed: CancellationToken) -> Self {
        Consumption {
            link,
            options,
            closed,
            tasks: TaskTracker::new(),
            troubles: Mutex::default(),
        }
    }

    /// Subscribes: when it returns, the queues are there and consumed.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        queues: Queues,
        max_in_flight: NonZeroUsize,
    ) -> Result<Deliveries, StreamError> {
        let subscribing = self.begin(queues, max_in_flight);
        let begun = timeout(PATIENCE, subscribing).await;
        let (subscribed, stints) = begun.map_err(|_| {
            let trouble = self.link.health().err();
            let why = trouble.map_or_else(
                || "RabbitMQ does not answer".to_owned(),
                |trouble| trouble.to_string(),
            );
            StreamError::new(format!("not subscribed within {PATIENCE:?}: {why}"))
        })??;
        let membership = Membership {
            max_in_flight,
            handle: 0,
        };
        let queued = Queued::new(Arc::clone(&subscribed.group), membership);
        for stint in stints {
            self.tasks.spawn(Arc::clone(&subscribed).attend(stint));
        }
        let leaves = subscribed.left.clone().drop_guard();
        let until = self.closed.clone().cancelled_owned();
        Ok(Box::pin(queued.take_until(until).inspect(move |_| {
            let _ = &leaves;
        })))
    }

    async fn begin(
        self: &Arc<Self>,
        queues: Queues,
        max_in_flight: NonZeroUsize,
    ) -> Result<(Arc<Subscribed>, Vec<Stint>), StreamError> {
        answered(|| self.make(&queues)).await?;
        let streams = queues.names.len();
        let leads = &self.options.leads;
        let lead = queues.lead_to();
        let known = lead.map(|lead| leads.add(queues.topic.clone(), lead));
        let subscribed = Arc::new(Subscribed {
            common: Arc::clone(self),
            queues,
            prefetch: u16::try_from(max_in_flight.get()).unwrap_or(u16::MAX),
            group: Arc::new(group(streams, max_in_flight)),
            share: Share {
                active: Mutex::default(),
                give_up: (0..streams).map(|_| Notify::new()).collect(),
            },
            arrivals: AtomicU64::new(0),
            left: self.closed.child_token(),
            _known: known,
        });
        let mut stints = Vec::with_capacity(streams);
        for stream in 0..streams {
            stints.push(Stint::begin(&subscribed, stream).await?);
        }
        Ok((subscribed, stints))
    }

    async fn make(&self, queues: &Queues) -> Result<(), StreamError> {
        queues.check(&self.link).await?;
        let (_, channel) = self.link.channel().await?;
        queues.declare_all(&channel, &self.options).await?;
        // One that is lost meanwhile is closed too.
        let _ = channel.close(200, "OK".into()).await;
        Ok(())
    }

    /// What is not consumed at present.
    pub(super) fn health(&self) -> Result<(), StreamError> {
        match locked(&self.troubles).first_key_value() {
            None => Ok(()),
            Some((queue, why)) => Err(StreamError::new(format!(
                "the queue `{queue}` is not consumed: {why}"
            ))),
        }
    }
}

/// What is fetched has a place as long as it is not settled: the broker sends no more of it.
fn group(streams: usize, max_in_flight: NonZeroUsize) -> Group {
    let options = GroupOptions {
        capacity: max_in_flight
            .saturating_mul(NonZeroUsize::new(streams).unwrap_or(NonZeroUsize::MIN)),
        ending: Ending::Refuses,
        redeliver: true,
        recalls: true,
    };
    let names: Vec<_> = (0..streams)
        .map(|stream| word(&stream.to_string()))
        .collect();
    Group::new(None, options, &names, Arc::default())
}

impl Subscribed {
    /// Sees to one stream until nobody takes any more.
    async fn attend(self: Arc<Self>, mut stint: Stint) {
        let stream = stint.stream();
        let queue = self.queues.names[stream].to_string();
        loop {
            let end = stint.run().await;
            if let End::Lost(why) = &end {
                self.report(&queue, why);
            }
            stint.finish(&end).await;
            if self.left.is_cancelled() {
                break;
            }
            self.group.lose_stream(stream);
            let Some(next) = self.begin_again(stream, &queue).await else {
                break;
            };
            stint = next;
        }
        locked(&self.common.troubles).remove(&queue);
    }

    fn report(&self, queue: &str, why: &StreamError) {
        // Where the connection is lost, that is said for all at once.
        if self.common.link.health().is_ok() {
            tracing::warn!(queue, error = %why, "the queue is not consumed any more; it is consumed again as soon as what is in flight is settled");
            self.set_trouble(queue, why);
        }
    }

    fn set_trouble(&self, queue: &str, why: &StreamError) {
        locked(&self.common.troubles).insert(queue.to_owned(), why.to_string());
    }

    /// Tries until it is consumed again; none where nobody takes any more.
    async fn begin_again(self: &Arc<Self>, stream: usize, queue: &str) -> Option<Stint> {
        let link = &self.common.link;
        let mut pauses = PAUSES.build();
        let mut said = String::new();
        let mut lost = None;
        loop {
            // While the connection is away, that is said for all at once.
            let dialed = link.dialed(lost.as_ref());
            let dialed = self.left.run_until_cancelled(dialed).await?.ok()?;
            if !is_there(&dialed.connection) {
                lost = Some(dialed);
                continue;
            }
            let beginning = Stint::begin_again(self, stream);
            match self.left.run_until_cancelled(beginning).await? {
                Ok(stint) => {
                    if locked(&self.common.troubles).remove(queue).is_some() {
                        tracing::info!(queue, "the queue is consumed again");
                    }
                    return Some(stint);
                }
                Err(_) if !is_there(&dialed.connection) => lost = Some(dialed),
                Err(error) => {
                    let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
                    let why = error.to_string();
                    // Another reason may be another remedy.
                    if why != said {
                        tracing::warn!(
                            queue,
                            error = why,
                            "the queue cannot be consumed; it is tried again and again"
                        );
                        said = why;
                    }
                    self.set_trouble(queue, &error);
                    self.left.run_until_cancelled(sleep(pause)).await?;
                }
            }
        }
    }
}
