//! One subscription, one task.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use futures_util::stream::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::agenda::{Agenda, Step};
use super::attempts::Ended;
use super::batch::Tried;
use super::lanes::{Job, Lane};
use super::steps::{Steps, at_once};
use super::{
    Counters, DeadLetters, HandlerService, Hears, Inbox, Observer, Policy, Subscription, Supplies,
};
use crate::event::Message;
#[cfg(feature = "avro")]
use crate::registry::Registry;
use crate::streamer::{Deliveries, Delivery, Origin, StreamError};

/// The name of the streamer that the service's own events come from.
const LOCAL: &str = "local";

/// How often it is looked whether a delivery that pauses is still to be handled here.
const GLANCE: Duration = Duration::from_secs(1);

/// How many deliveries are taken before anything else is looked at: not before that is the stop seen
/// here, while no attempt begins after it.
const IN_A_ROW: usize = 32;

/// Runs one subscription: takes its deliveries and sees each to its end.
pub(crate) struct Worker {
    pub(crate) subscription: Subscription,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) supplies: Arc<Supplies>,
    pub(crate) counters: Arc<Counters>,
    /// The handler within its layers.
    pub(crate) service: HandlerService,
    /// Where the handler deduplicates; one for all its subscriptions.
    pub(crate) inbox: Option<Arc<Inbox>>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// What says what Avro is written by, if the app has one.
    #[cfg(feature = "avro")]
    pub(crate) registry: Option<Arc<Registry>>,
    /// Nothing new will come soon: what is gathered waits for no more.
    pub(crate) hurry: CancellationToken,
    /// Ends the taking and all pauses; an attempt under way is finished.
    pub(crate) stop: CancellationToken,
}

/// What there is to see to.
enum Turn<'a> {
    Stepped(Stepped<'a>),
    Taken(Option<Result<Delivery, StreamError>>),
    Stopped,
    Gathered,
    Hurry,
}

/// How a step ended.
pub(super) enum Stepped<'a> {
    Over(Lane),
    Slot(SemaphorePermit<'a>),
    BatchOver(Tried),
    MayBeTriedAfter(Job, Duration),
    MayBeTried(Job),
    Rested,
}

impl Worker {
    pub(super) fn policy(&self) -> &Policy {
        &self.subscription.policy
    }

    /// Until the worker is stopped, or nothing will come any more.
    ///
    /// As many steps are under way as deliveries are in flight, which the streamer bounds; as
    /// many attempts as the policy allows.
    pub(crate) async fn run(self, mut deliveries: Deliveries) {
        let concurrency = self.policy().concurrency.get();
        let slots = Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS));
        let mut stopped = pin!(self.stop.cancelled());
        let mut agenda = Agenda::new(self.policy().batch);
        let mut steps = Steps::new(|job| self.see_to(job, &slots));
        let (mut takes, mut pauses) = (true, None);
        let mut in_a_row = 0;
        loop {
            let takes_now = takes && agenda.has_room();
            // While they come one after the other, nothing else need be looked at for each.
            let there = if takes_now && in_a_row < IN_A_ROW {
                at_once(deliveries.next()).await
            } else {
                None
            };
            in_a_row = there.as_ref().map_or(0, |_| in_a_row + 1);
            let turn = match there {
                Some(next) => Turn::Taken(next),
                None => tokio::select! {
                    biased;
                    () = &mut stopped, if takes => Turn::Stopped,
                    Some(stepped) = steps.next() => Turn::Stepped(stepped),
                    () = agenda.gathered(), if agenda.is_gathering() => Turn::Gathered,
                    () = self.hurry.cancelled(), if agenda.is_gathering() => Turn::Hurry,
                    next = deliveries.next(), if takes_now => Turn::Taken(next),
                    else => break,
                },
            };
            match turn {
                Turn::Stepped(Stepped::Rested) => takes = !self.stop.is_cancelled(),
                Turn::Stepped(stepped) => go_on(stepped, &mut agenda),
                Turn::Gathered => {}
                Turn::Hurry => agenda.hurry(),
                Turn::Taken(Some(Ok(delivery))) => {
                    pauses = None;
                    self.accept(delivery, &mut agenda);
                }
                Turn::Taken(Some(Err(error))) => {
                    takes = false;
                    agenda.add(Step::Rest(self.report(&error, &mut pauses)));
                }
                Turn::Taken(None) | Turn::Stopped => takes = false,
            }
            self.begin_all(&mut agenda, &mut steps, &slots).await;
        }
        if !self.stop.is_cancelled() {
            tracing::error!(
                handler = self.subscription.handler, from = %self.subscription.from(),
                "the subscription has ended: this handler will hear nothing more until a restart"
            );
        }
    }

    /// Begins what is to be begun now. What is over at once is done with here.
    async fn begin_all<'a, F: Future<Output = Stepped<'a>>>(
        &'a self,
        agenda: &mut Agenda<'a>,
        steps: &mut Steps<'a, F, impl Fn(Job) -> F>,
        slots: &'a Semaphore,
    ) {
        while let Some(step) = agenda.next() {
            match step {
                Step::Try(job) => {
                    if let Some(stepped) = steps.begin(job).await {
                        go_on(stepped, agenda);
                    }
                }
                Step::AwaitSlot => steps.add(async {
                    match slots.acquire().await {
                        Ok(slot) => Stepped::Slot(slot),
                        // The semaphore is never closed.
                        Err(_) => Stepped::Rested,
                    }
                }),
                Step::TryBatch(jobs, slot) => {
                    steps.add(async { Stepped::BatchOver(self.try_batch(jobs, slot).await) });
                }
                Step::SetAside(job, pause) => steps.add(async move {
                    self.pause_with(&job.delivery, pause).await;
                    Stepped::MayBeTried(job)
                }),
                Step::Rest(pause) => steps.add(async move {
                    self.pause(pause).await;
                    Stepped::Rested
                }),
            }
        }
    }

    /// Says that one more delivery is done with; the origin is for who watches.
    fn is_over(&self, origin: Option<&Origin>) {
        if self.is_volatile() {
            self.supplies.desk.own().settle();
        }
        if let (Some(observer), Some(origin)) = (&self.observer, origin) {
            observer.settled(self.subscription.handler, origin);
        }
    }

    /// Whether it is fed with the service's own events from memory: what is released is gone.
    pub(super) fn is_volatile(&self) -> bool {
        self.subscription.topic.is_none() && self.supplies.desk.log().is_none()
    }

    fn observed(&self, delivery: &Delivery) -> Option<Origin> {
        self.observer.as_ref().map(|_| self.origin(delivery))
    }

    /// Makes a job of a delivery that the handler asked for; any other is done with.
    fn accept(&self, delivery: Delivery, agenda: &mut Agenda<'_>) {
        if self.subscription.hears.takes(delivery.message()) {
            return agenda.enter(Job::new(delivery));
        }
        self.counters.ignored();
        let origin = self.observed(&delivery);
        delivery.acknowledge();
        self.is_over(origin.as_ref());
    }

    /// Logs an error of the subscription, and says how long to wait.
    fn report(&self, error: &StreamError, pauses: &mut Option<ExponentialBackoff>) -> Duration {
        let pauses = pauses.get_or_insert_with(|| self.policy().endless_pauses());
        let pause = pauses.next().unwrap_or(self.policy().longest_pause);
        tracing::warn!(
            handler = self.subscription.handler, from = %self.subscription.from(), %error,
            "the subscription reports an error; it is asked again in {pause:?}"
        );
        pause
    }

    /// Sees a delivery to its end, and settles it. Made anew for each: what is large in it and seldom
    /// is in boxes.
    fn see_to<'a>(
        &'a self,
        mut job: Job,
        slots: &'a Semaphore,
    ) -> impl Future<Output = Stepped<'a>> + 'a {
        let origin = self.origin(&job.delivery);
        async move {
            let ended = self.attempts(&mut job, &origin, slots).await;
            if let Ended::SetAside(pause) = ended {
                return Stepped::MayBeTriedAfter(job, pause);
            }
            let lane = job.lane();
            self.settle(job, &ended);
            Stepped::Over(lane)
        }
    }

    /// Acknowledges a delivery, or releases it where nothing came of it.
    pub(super) fn settle(&self, job: Job, ended: &Ended) {
        let delivery = job.delivery;
        let origin = self.observed(&delivery);
        match ended {
            Ended::Handled => self.counters.handled(),
            Ended::Repeated => self.counters.repeated(),
            Ended::DeadLettered => self.counters.dead_lettered(),
            Ended::Expired => {
                self.counters.expired();
                tracing::warn!(
                    id = delivery
                        .message()
                        .event()
                        .map(|event| format!("{:.200}", event.id())),
                    event = delivery
                        .message()
                        .event()
                        .map(|event| format!("{:.200}", event.kind())),
                    handler = self.subscription.handler,
                    "the event has expired before it could be handled"
                );
            }
            Ended::SetAside(_) | Ended::Interrupted => {
                delivery.release(Duration::ZERO);
                return self.is_over(origin.as_ref());
            }
        }
        delivery.acknowledge();
        self.is_over(origin.as_ref());
    }

    pub(super) fn origin(&self, delivery: &Delivery) -> Origin {
        let (streamer, topic) = match self.subscription.topic {
            Some(topic) => (topic.streamer, topic.topic),
            None => (LOCAL, self.own_event(delivery.message())),
        };
        Origin {
            streamer,
            topic,
            stream: delivery.stream().clone(),
            position: delivery.position().clone(),
        }
    }

    /// The name of one of the service's own events. Only one who hears them all has to look.
    fn own_event(&self, message: &Message) -> &'static str {
        if let Hears::Event { name, .. } = self.subscription.hears {
            return name;
        }
        let name = message.event().map_or("", |event| event.kind());
        self.supplies.desk.event_name(name).unwrap_or_default()
    }

    /// Whether the pause came to its end; if not, the worker is to stop.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        self.unless_stopped(tokio::time::sleep(pause))
            .await
            .is_some()
    }

    /// As [`pause`](Worker::pause), while the delivery may be tried again.
    pub(super) async fn pause_with(&self, delivery: &Delivery, pause: Duration) -> bool {
        // By the clock, or what each step is late by would add up.
        let begun = Instant::now();
        loop {
            let left = pause.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return true;
            }
            if !self.pause(left.min(GLANCE)).await || !delivery.may_begin() {
                return false;
            }
        }
    }

    /// What comes of it, unless the worker is to stop before.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(work).await
    }
}

/// What begins when a step has ended.
fn go_on<'a>(stepped: Stepped<'a>, agenda: &mut Agenda<'a>) {
    match stepped {
        Stepped::Over(lane) => agenda.is_over(lane),
        Stepped::BatchOver(tried) => agenda.batch_is_over(tried.lanes, tried.left),
        Stepped::MayBeTriedAfter(job, pause) => {
            agenda.is_over(job.lane());
            agenda.add(Step::SetAside(job, pause));
        }
        Stepped::MayBeTried(job) => agenda.enter(job),
        Stepped::Slot(slot) => agenda.begin_batch(slot),
        Stepped::Rested => {}
    }
}
