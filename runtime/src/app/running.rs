//! An app that runs.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arcstr::literal;
use futures_util::future::FutureExt;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::connections::Connections;
use crate::dispatch::{Counters, Counts, Subscription, Worker};
use crate::error::{Error, Result};
use crate::event::{Foreign, Topic, TopicName};
use crate::publisher::{Desk, Publisher};
use crate::streamer::{Deliveries, Ingest, IngestAny, Inlet, Redeliver, StreamError};
use crate::topology::Topology;

/// How long the caller of [`Running::ingest`] waits for a handler that has no room.
const PATIENCE: Duration = Duration::from_secs(30);

/// An app that runs. Dropped, it stops at once, as a crash would: what is in flight is not
/// acknowledged, and comes again. [`shutdown`](Running::shutdown) ends it gracefully.
#[must_use = "dropping it stops the app at once: keep it, and end with `.shutdown().await`"]
pub struct Running {
    pub(super) topology: Topology,
    pub(super) desk: Arc<Desk>,
    pub(super) tasks: Vec<Task>,
    /// Ends the taking from streamers.
    pub(super) taking: CancellationToken,
    /// Ends the taking of the service's own events.
    pub(super) own: CancellationToken,
    pub(super) ingested: Vec<Ingested>,
    pub(super) connections: Connections,
    pub(super) shutdown_deadline: Duration,
}

impl Running {
    /// Publishes from outside of handlers.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.desk))
    }

    /// What became of the deliveries so far, for each handler and topic, in the order of
    /// [`Topology::subscriptions`].
    pub fn counts(&self) -> Vec<Counts> {
        self.tasks.iter().map(Task::counts).collect()
    }

    /// What the linked code declares, and this app is connected and subscribed to.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Hands over what somebody pushed at the service: the body and headers of a webhook, say.
    ///
    /// `Ok` means that every handler of the topic is done with every message in it, so that the
    /// caller may forget it.
    ///
    /// # Errors
    /// [`IngestError`] tells whether the caller is to repeat it.
    pub async fn ingest<S: Ingest>(
        &self,
        topic: Topic<S>,
        raw: Foreign,
    ) -> Result<(), IngestError> {
        let topic = topic.name();
        let ingested = self
            .ingested
            .iter()
            .find(|ingested| ingested.topic.is(&topic));
        let Some(ingested) = ingested else {
            return Err(IngestError::Unheard(topic));
        };
        let messages = ingested
            .streamer
            .transform_events(raw, topic.topic)
            .map_err(IngestError::Refused)?;
        let pushed = ingested.inlet.push(messages, PATIENCE).await;
        let acknowledged = pushed.map_err(IngestError::Busy)?.await;
        acknowledged
            .then_some(())
            .ok_or(IngestError::Unfinished(topic))
    }

    /// Stops taking, finishes what is in flight within the
    /// [deadline](crate::App::shutdown_deadline), and closes the streamers. What did not finish is
    /// aborted, is not acknowledged, and comes again. From then on publishing is an error.
    ///
    /// The service's own events that wait for a handler are handled too, as far as the deadline
    /// allows; then they are gone.
    ///
    /// # Errors
    /// Names what did not finish, and what did not close.
    pub async fn shutdown(mut self) -> Result<()> {
        let deadline = Instant::now() + self.shutdown_deadline;
        let mut problems = Vec::new();
        let (own, streamed): (Vec<_>, _) = self.tasks.drain(..).partition(Task::is_own);
        self.taking.cancel();
        self.finish(streamed, deadline, &mut problems).await;
        if timeout_at(deadline, self.desk.close()).await.is_err() {
            problems.push("events were still being published, and may or may not be".to_owned());
        }
        // Only now is nothing new announced but by those who hear it.
        if timeout_at(deadline, self.desk.own().all_settled())
            .await
            .is_err()
        {
            let lost = self.desk.own().unsettled();
            problems.push(format!(
                "{lost} of the service's own events were not handled, and are lost"
            ));
        }
        self.own.cancel();
        self.finish(own, deadline, &mut problems).await;
        let left = deadline.saturating_duration_since(Instant::now());
        problems.extend(self.connections.close(left.max(super::CLOSING)).await);
        if problems.is_empty() {
            return Ok(());
        }
        let service = &self.topology.service;
        Err(Error::msg(format!(
            "`{service}` did not shut down cleanly: {}",
            problems.join("; ")
        )))
    }

    /// Waits for tasks until the deadline, and aborts the rest.
    async fn finish(&self, mut tasks: Vec<Task>, deadline: Instant, problems: &mut Vec<String>) {
        for task in &mut tasks {
            if timeout_at(deadline, &mut task.handle).await.is_ok() {
                continue;
            }
            task.handle.abort();
            // Until it is gone, its delivery is not released. One that blocks its thread never is.
            let gone = timeout(super::CLOSING, &mut task.handle).await;
            let how = if gone.is_ok() {
                "was aborted"
            } else {
                "still blocks its thread"
            };
            problems.push(format!(
                "the handler `{}` (from {}) did not finish within {:?} and {how}: what it had in hand comes again",
                task.subscription.handler, task.subscription.from(), self.shutdown_deadline
            ));
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = &self.topology.service;
        f.debug_struct("Running")
            .field("service", service)
            .finish_non_exhaustive()
    }
}

/// Why [`Running::ingest`] did not take something, and whether its sender is to repeat it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// No handler listens on the topic. Repeating it changes nothing.
    #[error("no handler listens on `{0}`: do not repeat it")]
    Unheard(TopicName),
    /// The streamer refuses it. Repeating it changes nothing.
    #[error("refused: {0}: do not repeat it")]
    Refused(StreamError),
    /// There is no room for it. Some of its messages may have been handled.
    #[error("{0}: repeat it later")]
    Busy(StreamError),
    /// Not every handler finished, because one of them has ended.
    #[error("not every handler of `{0}` finished: repeat it later")]
    Unfinished(TopicName),
}

impl IngestError {
    /// Whether the sender is to repeat it: an HTTP server answers 503, else 400.
    pub fn is_worth_repeating(&self) -> bool {
        matches!(self, IngestError::Busy(_) | IngestError::Unfinished(_))
    }
}

/// A topic that others push at.
pub(super) struct Ingested {
    pub(super) topic: TopicName,
    pub(super) inlet: Inlet,
    streamer: Arc<dyn IngestAny>,
}

impl Ingested {
    pub(super) fn new(topic: TopicName, streamer: Arc<dyn IngestAny>) -> Self {
        Ingested {
            topic,
            inlet: Inlet::new(literal!("ingest"), Redeliver::No),
            streamer,
        }
    }
}

/// The task of one subscription.
pub(super) struct Task {
    subscription: Subscription,
    counters: Arc<Counters>,
    handle: AbortOnDropHandle<()>,
}

impl Task {
    pub(super) fn spawn(
        subscription: Subscription,
        counters: Arc<Counters>,
        worker: Worker,
        deliveries: Deliveries,
    ) -> Self {
        let handler = subscription.handler;
        // Handlers are guarded where they are called: this is about the streamer's own code.
        let guarded = async move {
            let run = AssertUnwindSafe(worker.run(deliveries));
            if run.catch_unwind().await.is_err() {
                tracing::error!(
                    handler,
                    "the subscription has panicked: this handler will hear nothing more until a restart"
                );
            }
        };
        Task {
            subscription,
            counters,
            handle: AbortOnDropHandle::new(tokio::spawn(guarded)),
        }
    }

    fn is_own(&self) -> bool {
        self.subscription.topic.is_none()
    }

    fn counts(&self) -> Counts {
        self.counters
            .read(self.subscription.handler, self.subscription.topic)
    }
}
