//! One subscription, one task.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBackoff;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::attempts::Ended;
use super::lanes::{Job, Lane, Lanes};
use super::{Counters, DeadLetters, Hears, Observer, Policy, States, Subscription};
use crate::event::Message;
use crate::publisher::Desk;
use crate::streamer::{Deliveries, Delivery, Origin, StreamError};

/// The name of the streamer that the service's own events come from.
const LOCAL: &str = "local";

/// Runs one subscription: takes its deliveries and sees each to its end.
pub(crate) struct Worker {
    pub(crate) subscription: Subscription,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) states: Arc<States>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Ends the taking and all pauses; an attempt under way is finished.
    pub(crate) stop: CancellationToken,
}

/// What a worker does beside its other work.
enum Step {
    Try(Job),
    /// Lets a job wait for its next attempt while others of its key go on.
    SetAside(Job, Duration),
    /// Asks a subscription that reported an error no sooner than that.
    Rest(Duration),
}

/// How a step ended.
enum Stepped {
    Over(Lane),
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
    pub(crate) async fn run(self, deliveries: Deliveries) {
        let attempts = Semaphore::new(self.policy().concurrency.get());
        let mut taken = pin!(deliveries.take_until(self.stop.cancelled()));
        let mut lanes = Lanes::default();
        let mut steps = FuturesUnordered::new();
        let (mut takes, mut pauses) = (true, None);
        loop {
            let begun = tokio::select! {
                biased;
                Some(stepped) = steps.next() => match stepped {
                    Stepped::Rested => {
                        takes = true;
                        continue;
                    }
                    stepped => self.go_on(stepped, &mut lanes),
                },
                next = taken.next(), if takes => match next {
                    Some(Ok(delivery)) => {
                        pauses = None;
                        let job = self.accept(delivery).and_then(|job| lanes.enter(job));
                        [job.map(Step::Try), None]
                    }
                    Some(Err(error)) => {
                        takes = false;
                        [Some(Step::Rest(self.report(&error, &mut pauses))), None]
                    }
                    None => {
                        takes = false;
                        continue;
                    }
                },
                else => break,
            };
            for step in begun.into_iter().flatten() {
                steps.push(self.step(step, &attempts));
            }
        }
        if !self.stop.is_cancelled() {
            tracing::error!(
                handler = self.subscription.handler, from = %self.subscription.from(),
                "the subscription has ended: this handler will hear nothing more until a restart"
            );
        }
    }

    async fn step(&self, step: Step, attempts: &Semaphore) -> Stepped {
        match step {
            Step::Try(job) => self.see_to(job, attempts).await,
            Step::SetAside(job, pause) => {
                self.pause(pause).await;
                Stepped::MayBeTried(job)
            }
            Step::Rest(pause) => {
                self.pause(pause).await;
                Stepped::Rested
            }
        }
    }

    /// What begins when a step has ended.
    fn go_on(&self, stepped: Stepped, lanes: &mut Lanes) -> [Option<Step>; 2] {
        match stepped {
            Stepped::Over(lane) => {
                self.is_over();
                [lanes.next(lane).map(Step::Try), None]
            }
            Stepped::MayBeTriedAfter(job, pause) => {
                let next = lanes.next(job.lane()).map(Step::Try);
                [next, Some(Step::SetAside(job, pause))]
            }
            Stepped::MayBeTried(job) => [lanes.enter(job).map(Step::Try), None],
            Stepped::Rested => [None, None],
        }
    }

    /// Says that one more delivery is done with.
    fn is_over(&self) {
        if self.subscription.topic.is_none() {
            self.desk.own().settle();
        }
        if let Some(observer) = &self.observer {
            observer.settled();
        }
    }

    /// Makes a job of a delivery that the handler asked for; any other is done with.
    fn accept(&self, delivery: Delivery) -> Option<Job> {
        if self.subscription.hears.takes(delivery.message()) {
            return Some(Job::new(delivery));
        }
        self.counters.ignored();
        delivery.acknowledge();
        self.is_over();
        None
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

    /// Sees a delivery to its end, and settles it.
    async fn see_to(&self, mut job: Job, attempts: &Semaphore) -> Stepped {
        let origin = self.origin(&job.delivery);
        let lane = job.lane();
        match self.attempts(&mut job.delivery, &origin, attempts).await {
            Ended::Handled => {
                self.counters.handled();
                job.delivery.acknowledge();
            }
            Ended::DeadLettered => {
                self.counters.dead_lettered();
                job.delivery.acknowledge();
            }
            Ended::SetAside(pause) => return Stepped::MayBeTriedAfter(job, pause),
            Ended::Interrupted => job.delivery.release(Duration::ZERO),
        }
        Stepped::Over(lane)
    }

    fn origin(&self, delivery: &Delivery) -> Origin {
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
        self.desk.event_name(name).unwrap_or_default()
    }

    /// Whether the pause came to its end; if not, the worker is to stop.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        self.unless_stopped(tokio::time::sleep(pause))
            .await
            .is_some()
    }

    /// What comes of it, unless the worker is to stop before.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(work).await
    }
}
