//! An app that runs.

use std::any::{TypeId, type_name};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::connections::Connections;
use super::ingester::Ingester;
use super::replay::Replays;
use super::staff::Staff;
use crate::dispatch::{Counters, Counts, Subscription, Worker};
use crate::error::{Error, Result, words_of};
use crate::publisher::{Desk, Publisher};
use crate::store::Store;
use crate::streamer::Deliveries;
use crate::topology::Topology;

/// What a deadline that the clock cannot count is shortened to.
const FOREVER: Duration = Duration::from_hours(24 * 365 * 30);

/// An app that runs. Dropped, it stops at once, as a crash would: what is in flight is not
/// acknowledged, and comes again. [`shutdown`](Running::shutdown) ends it gracefully.
#[must_use = "dropping it stops the app at once: keep it, and end with `.shutdown().await`"]
pub struct Running {
    pub(super) topology: Topology,
    pub(super) desk: Arc<Desk>,
    pub(super) staff: Staff,
    pub(super) tasks: Vec<Task>,
    /// Ends the taking from streamers.
    pub(super) taking: CancellationToken,
    /// Ends the taking of the service's own events.
    pub(super) own: CancellationToken,
    pub(super) store_type: Option<(TypeId, &'static str)>,
    /// What reads the log of the store, if there is one.
    pub(super) readers: Vec<AbortOnDropHandle<()>>,
    pub(super) reading: Reading,
    pub(super) ingester: Ingester,
    pub(super) replays: Replays,
    pub(super) connections: Connections,
    pub(super) shutdown_deadline: Duration,
}

/// What ends the reading of the log.
#[derive(Clone, Default)]
pub(super) struct Reading {
    /// Ends what feeds the service's own handlers.
    pub(super) feeding: CancellationToken,
    /// Ends, when it has caught up, what streams: after those handlers, which announce until then.
    pub(super) streaming: CancellationToken,
}

/// How long a task that has nothing in hand may take to notice that it is to end.
const GRACE: Duration = Duration::from_millis(100);

impl Running {
    /// Publishes from outside of handlers.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(Arc::clone(&self.desk))
    }

    /// As [`publisher`](Running::publisher), for publishing
    /// [`within`](Publisher::within) transactions of the app's store. Ask for it at the start.
    ///
    /// # Errors
    /// When the app has another store than this, or none.
    pub fn publisher_with<S: Store>(&self) -> Result<Publisher<S>> {
        let (service, wanted) = (&self.topology.service, type_name::<S>());
        match self.store_type {
            Some((has, _)) if has == TypeId::of::<S>() => Ok(self.publisher().knowing()),
            Some((_, has)) => Err(Error::msg(format!(
                "the store of the app `{service}` is `{has}`, and not `{wanted}`"
            ))),
            None => Err(Error::msg(format!(
                "the app `{service}` has no store: give it a `{wanted}` with `.store(...)`"
            ))),
        }
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

    /// Takes what others push at the service, through a streamer that
    /// [ingests](crate::streamer::Ingest).
    pub fn ingester(&self) -> Ingester {
        self.ingester.clone()
    }

    /// Stops taking, finishes what is in flight within the
    /// [deadline](crate::App::shutdown_deadline), and closes the streamers. What did not finish is
    /// aborted, is not acknowledged, and comes again. From then on publishing is an error.
    ///
    /// Without a store, the service's own events that wait for a handler are handled too, as far as
    /// the deadline allows; then they are gone. With one, those that no handler has begun wait for
    /// the next start, and everything that is stored is streamed, as far as the deadline allows:
    /// also what handlers announce at the end.
    ///
    /// # Errors
    /// Names what did not finish, and what did not close.
    pub async fn shutdown(mut self) -> Result<()> {
        let now = Instant::now();
        let deadline = now.checked_add(self.shutdown_deadline);
        let deadline = deadline.unwrap_or_else(|| now + FOREVER);
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
        self.reading.feeding.cancel();
        // Those that have nothing in hand end by themselves, also when the deadline is over.
        let soon = deadline.max(Instant::now() + GRACE);
        self.finish(own, soon, &mut problems).await;
        // Nothing more is stored.
        self.reading.streaming.cancel();
        let soon = deadline.max(Instant::now() + GRACE);
        let readers = join_all(self.readers.drain(..));
        if timeout_at(soon, readers).await.is_err() {
            problems.push(
                "not everything that is stored was streamed; the next start goes on".to_owned(),
            );
        }
        let left = || deadline.saturating_duration_since(Instant::now());
        if let Some(log) = self.desk.log() {
            problems.extend(close_store(&*log.store, left().max(super::CLOSING)).await);
        }
        problems.extend(self.connections.close(left().max(super::CLOSING)).await);
        if problems.is_empty() {
            return Ok(());
        }
        let service = &self.topology.service;
        Err(Error::msg(format!(
            "`{service}` did not shut down cleanly: {}",
            problems.join("; ")
        )))
    }

    /// Waits for all tasks until the deadline, and aborts those that are left. Names them, and
    /// those that had died before.
    async fn finish(&self, mut tasks: Vec<Task>, deadline: Instant, problems: &mut Vec<String>) {
        // What became of each says its handle: it is looked at below.
        let _ = timeout_at(deadline, ended(&mut tasks)).await;
        let (died, mut overdue): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|task| task.handle.is_finished());
        problems.extend(died.iter().filter_map(Task::death));
        for task in &overdue {
            task.handle.abort();
        }
        // Until one is gone, its delivery is not released. One that blocks its thread never is.
        let _ = timeout(super::CLOSING, ended(&mut overdue)).await;
        for task in &overdue {
            let how = if task.handle.is_finished() {
                "was aborted"
            } else {
                "still blocks its thread"
            };
            problems.push(format!(
                "{} did not finish within {:?} and {how}: what it had in hand comes again",
                task.name(),
                self.shutdown_deadline
            ));
        }
    }
}

/// Closes the store within `limit`, and says what went wrong, if anything did.
pub(super) async fn close_store(store: &dyn Store, limit: Duration) -> Option<String> {
    match timeout(limit, store.close()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("the store did not close well: {error}")),
        Err(_) => Some(format!("the store did not close within {limit:?}")),
    }
}

/// Until all tasks have ended.
async fn ended(tasks: &mut [Task]) {
    join_all(tasks.iter_mut().map(|task| &mut task.handle)).await;
}

impl Drop for Running {
    fn drop(&mut self) {
        self.desk.refuse();
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

/// The task of one subscription.
pub(super) struct Task {
    subscription: Subscription,
    counters: Arc<Counters>,
    /// What was said with the panic that has ended it.
    died: Arc<OnceLock<String>>,
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
        let died = Arc::new(OnceLock::new());
        let death = Arc::clone(&died);
        // Handlers and their errors are guarded at each attempt: a panic here is the streamer's.
        let guarded = async move {
            let run = AssertUnwindSafe(worker.run(deliveries));
            if let Err(panic) = run.catch_unwind().await {
                let words = death.get_or_init(|| words_of(&*panic));
                tracing::error!(
                    handler,
                    "the subscription has panicked ({words}): this handler will hear nothing more until a restart"
                );
            }
        };
        Task {
            subscription,
            counters,
            died,
            handle: AbortOnDropHandle::new(tokio::spawn(guarded)),
        }
    }

    fn is_own(&self) -> bool {
        self.subscription.topic.is_none()
    }

    fn name(&self) -> impl fmt::Display {
        let subscription = &self.subscription;
        fmt::from_fn(|f| {
            let from = subscription.from();
            write!(f, "the handler `{}` (from {from})", subscription.handler)
        })
    }

    /// That it had died, in words, if it had.
    fn death(&self) -> Option<String> {
        let words = self.died.get()?;
        Some(format!(
            "{} has heard nothing since its subscription panicked: {words}",
            self.name()
        ))
    }

    fn counts(&self) -> Counts {
        self.counters
            .read(self.subscription.handler, self.subscription.topic)
    }
}
