//! Attempts at one delivery, until one succeeds or the dead letters have it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;

use super::call::Failed;
use super::dead_letters::Obituary;
use super::inbox::{Claim, Inbox};
use super::lanes::Job;
use super::{About, Context, RetryOrder, Worker, dead_letters};
use crate::event::{Envelope, Message, printable};
use crate::store::Appended;
use crate::streamer::{Delivery, Origin};

/// What became of a delivery.
pub(super) enum Ended {
    /// It is handled, and what the handler announced is published.
    Handled,
    /// It had been handled before.
    Repeated,
    /// It has lost its worth before it could be handled.
    Expired,
    /// It is safe among the dead letters.
    DeadLettered,
    /// It may be tried again after the pause, and others of its key meanwhile.
    SetAside(Duration),
    /// Nothing, because the worker is to stop: it must come again.
    Interrupted,
}

impl From<Appended> for Ended {
    fn from(appended: Appended) -> Self {
        match appended {
            Appended::New => Ended::Handled,
            Appended::Repeated => Ended::Repeated,
        }
    }
}

impl Worker {
    /// Tries until an attempt succeeds, the policy says enough, or the worker is to stop.
    pub(super) async fn attempts(
        &self,
        job: &mut Job,
        origin: &Origin,
        slots: &Semaphore,
    ) -> Ended {
        let claim = match &self.inbox {
            None => None,
            Some(inbox) => match Box::pin(self.claim(inbox, &job.delivery)).await {
                Ok(claim) => Some(claim),
                Err(ended) => return ended,
            },
        };
        let attempts = job.delivery.attempts();
        let outcome = match job.failed.take() {
            Some(failed) => Ok(Err(*failed)),
            None if attempts >= self.policy().attempts => {
                // Whoever had it before was stopped in the last attempt, perhaps by it.
                let reason = "every attempt at it ended before it did".to_owned();
                let message = job.delivery.message();
                return Box::pin(self.give_up(message, origin, attempts, reason)).await;
            }
            None => self.try_once(job, origin, slots, claim.as_ref()).await,
        };
        let outcome = match outcome {
            Ok(Err(failed)) => {
                Box::pin(self.retry(failed, job, origin, slots, claim.as_ref())).await
            }
            Ok(Ok(handled)) => Ok(handled),
            Err(ended) => Err(ended),
        };
        match outcome {
            Ok(handled) => {
                claim.into_iter().for_each(Claim::keep);
                Ended::from(handled)
            }
            Err(ended) => ended,
        }
    }

    /// What comes of an attempt that failed, and of those after it.
    async fn retry(
        &self,
        mut failed: Failed,
        job: &mut Job,
        origin: &Origin,
        slots: &Semaphore,
        claim: Option<&Claim>,
    ) -> Result<Appended, Ended> {
        loop {
            let attempt = job.delivery.attempts();
            if let Some(ended) = self.after(failed, &job.delivery, origin, attempt).await {
                return Err(ended);
            }
            match self.try_once(job, origin, slots, claim).await? {
                Ok(handled) => return Ok(handled),
                Err(again) => failed = again,
            }
        }
    }

    /// The claim of an event; unless it has been handled.
    async fn claim(&self, inbox: &Arc<Inbox>, delivery: &Delivery) -> Result<Claim, Ended> {
        let claimed = self.unless_stopped(inbox.claim(delivery.message())).await;
        let claim = claimed.ok_or(Ended::Interrupted)?.ok_or(Ended::Repeated)?;
        self.unless_marked(claim, delivery).await
    }

    /// The claim, unless the store knows that the event has been handled. One that fails is asked
    /// until it answers: the handler would do twice what only the mark keeps from it.
    pub(super) async fn unless_marked(
        &self,
        claim: Claim,
        delivery: &Delivery,
    ) -> Result<Claim, Ended> {
        let mut pauses = self.policy().endless_pauses();
        loop {
            let asked = self.unless_stopped(claim.is_marked()).await;
            let error = match asked.ok_or(Ended::Interrupted)? {
                Ok(false) => return Ok(claim),
                Ok(true) => {
                    claim.keep();
                    return Err(Ended::Repeated);
                }
                Err(error) => error,
            };
            let pause = pauses.next().unwrap_or(self.policy().longest_pause);
            let message = delivery.message();
            tracing::warn!(
                event = event_of(message), id = id_of(message), handler = self.subscription.handler,
                %error, "the store does not say whether the event has been handled; it is asked again in {pause:?}"
            );
            if !self.pause_with(delivery, pause).await {
                return Err(Ended::Interrupted);
            }
        }
    }

    /// One attempt, when its turn comes; unless it has to end without.
    pub(super) async fn try_once(
        &self,
        job: &mut Job,
        origin: &Origin,
        slots: &Semaphore,
        claim: Option<&Claim>,
    ) -> Result<Result<Appended, Failed>, Ended> {
        // Those who wait for one come first in any case.
        let slot = match slots.try_acquire() {
            Ok(slot) => Some(Ok(slot)),
            Err(_) => Box::pin(self.unless_stopped(slots.acquire())).await,
        };
        let Some(_slot) = slot else {
            return Err(Ended::Interrupted);
        };
        // The slot may have come with the stop.
        if self.stop.is_cancelled() || !job.delivery.may_begin() {
            return Err(Ended::Interrupted);
        }
        if is_expired(job.delivery.message()) {
            return Err(Ended::Expired);
        }
        let outcome = self.call(self.context(job, origin), claim).await;
        self.attempted(job, origin, outcome.as_ref().err());
        Ok(outcome)
    }

    /// What a handler is given for the next attempt, which this begins.
    pub(super) fn context(&self, job: &mut Job, origin: &Origin) -> Context {
        let attempt = job.delivery.begin_attempt();
        let message = job.delivery.message().clone();
        if let Some(observer) = &self.observer {
            observer.attempting(&self.about(&message, origin), attempt);
        }
        Context::new(message, origin.clone(), attempt, &self.supplies)
    }

    /// Counts an attempt that has ended.
    pub(super) fn attempted(&self, job: &Job, origin: &Origin, failed: Option<&Failed>) {
        if failed.is_some() {
            self.counters.failed_attempt();
        }
        if let Some(observer) = &self.observer {
            let about = self.about(job.delivery.message(), origin);
            let reason = failed.map(|failed| failed.reason.as_str());
            observer.attempted(&about, job.delivery.attempts(), reason);
        }
    }

    /// What comes of a failed attempt; nothing but the next one, where the pause is over.
    async fn after(
        &self,
        failed: Failed,
        delivery: &Delivery,
        origin: &Origin,
        attempt: u32,
    ) -> Option<Ended> {
        let message = delivery.message();
        let Failed {
            reason, verdict, ..
        } = failed;
        let Some(pause) = self.policy().pause(attempt, verdict) else {
            return Some(self.give_up(message, origin, attempt, reason).await);
        };
        tracing::warn!(
            event = event_of(message), id = id_of(message), handler = self.subscription.handler,
            origin = %printable(origin), attempt, error = reason,
            "the handler failed; next attempt in {pause:?}"
        );
        if self.policy().order == RetryOrder::Requeue {
            return Some(Ended::SetAside(pause));
        }
        if self.pause_with(delivery, pause).await {
            return None;
        }
        if self.is_volatile() {
            // Nobody would deliver the service's own event again.
            return Some(self.give_up(message, origin, attempt, reason).await);
        }
        Some(Ended::Interrupted)
    }

    pub(super) fn about<'a>(&self, message: &'a Message, origin: &'a Origin) -> About<'a> {
        About {
            handler: self.subscription.handler,
            message,
            origin,
        }
    }

    /// Moves it to the dead letters, however long they take: until then it is not settled.
    async fn give_up(
        &self,
        message: &Message,
        origin: &Origin,
        attempts: u32,
        reason: String,
    ) -> Ended {
        let handler = self.subscription.handler;
        let (event, id) = (event_of(message), id_of(message));
        let place = self.dead_letters.place();
        if let Some(observer) = &self.observer {
            observer.gave_up(&self.about(message, origin), attempts, &reason);
        }
        let obituary = Obituary {
            reason,
            handler,
            origin: printable(origin),
            attempts,
        };
        let origin = &obituary.origin;
        tracing::error!(
            event, id, handler, %origin, attempt = attempts, error = obituary.reason,
            "giving the event up; its dead letter goes to {place}"
        );
        let mut pauses = self.policy().endless_pauses();
        loop {
            let Err(error) = self.dead_letters.keep(message, &obituary).await else {
                return Ended::DeadLettered;
            };
            let pause = pauses.next().unwrap_or(self.policy().longest_pause);
            tracing::error!(
                event, id, handler, %origin, %error,
                "the dead letter could not be published to {place}; the handler waits, and it is tried again in {pause:?}"
            );
            if !self.pause(pause).await {
                return Ended::Interrupted;
            }
        }
    }
}

/// Whether an event's `expirytime` has passed. One that cannot be read says nothing, and a dead
/// letter is there for whoever looks after it, however late.
pub(super) fn is_expired(message: &Message) -> bool {
    let event = message.event();
    let event = event.filter(|event| event.extension(dead_letters::REASON).is_none());
    let expires = event.and_then(Envelope::expires);
    expires.is_some_and(|expires| expires <= SystemTime::now())
}

// A name and an id come from outside, and may be of any length.

fn event_of(message: &Message) -> String {
    let name = message
        .event()
        .map_or("no CloudEvent", |event| event.kind());
    format!("{name:.200}")
}

fn id_of(message: &Message) -> Option<String> {
    message.event().map(|event| format!("{:.200}", event.id()))
}
