//! Attempts at one delivery, until one succeeds or the dead letters have it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures_util::future::FutureExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::dead_letters::Obituary;
use super::{About, Context, Failure, RetryOrder, Worker};
use crate::error::{Error, Verdict};
use crate::event::{Message, printable};
use crate::streamer::{Delivery, Origin};

/// What became of a delivery.
pub(super) enum Ended {
    /// It is handled, and what the handler announced is published.
    Handled,
    /// It is safe among the dead letters.
    DeadLettered,
    /// It may be tried again after the pause, and others of its key meanwhile.
    SetAside(Duration),
    /// Neither, because the worker is to stop: it must come again.
    Interrupted,
}

/// Why an attempt failed, in words that a header and the log can take.
struct Failed {
    reason: String,
    verdict: Verdict,
}

impl Worker {
    /// Tries until an attempt succeeds, the policy says enough, or the worker is to stop.
    pub(super) async fn attempts(
        &self,
        delivery: &mut Delivery,
        origin: &Origin,
        slots: &Semaphore,
    ) -> Ended {
        let message = delivery.message().clone();
        if delivery.attempts() >= self.policy().attempts {
            // Whoever had it before was stopped in the last attempt, perhaps by it.
            let reason = "every attempt at it ended before it did".to_owned();
            return self
                .give_up(&message, origin, delivery.attempts(), reason)
                .await;
        }
        loop {
            if self.stop.is_cancelled() {
                return Ended::Interrupted;
            }
            let Some(slot) = self.unless_stopped(slots.acquire()).await else {
                return Ended::Interrupted;
            };
            let attempt = delivery.begin_attempt();
            let outcome = self.attempt(&message, origin, attempt).await;
            drop(slot);
            if let Some(observer) = &self.observer {
                let failed = outcome.as_ref().err().map(|failed| failed.reason.as_str());
                observer.attempted(&self.about(&message, origin), attempt, failed);
            }
            let Err(Failed { reason, verdict }) = outcome else {
                return Ended::Handled;
            };
            self.counters.failed_attempt();
            let Some(pause) = self.policy().pause(attempt, verdict) else {
                return self.give_up(&message, origin, attempt, reason).await;
            };
            tracing::warn!(
                event = event_of(&message), id = id_of(&message), handler = self.subscription.handler,
                origin = %printable(origin), attempt, error = reason,
                "the handler failed; next attempt in {pause:?}"
            );
            if self.policy().order == RetryOrder::Requeue {
                return Ended::SetAside(pause);
            }
            if !self.pause(pause).await {
                return match self.subscription.topic {
                    Some(_) => Ended::Interrupted,
                    // Nobody would deliver the service's own event again.
                    None => self.give_up(&message, origin, attempt, reason).await,
                };
            }
        }
    }

    /// One attempt: the handler, and then what it announced. Whatever panics in it, or when it is
    /// dropped, is an error.
    async fn attempt(
        &self,
        message: &Message,
        origin: &Origin,
        attempt: u32,
    ) -> Result<(), Failed> {
        let context = Context::new(
            message.clone(),
            origin.clone(),
            attempt,
            &self.states,
            &self.desk,
        );
        let handled = async {
            (self.subscription.handle)(&context).await?;
            context.publish_staged().await.map_err(Failure::Failed)
        };
        let ended = async {
            let outcome = match self.policy().timeout {
                None => handled.await,
                Some(limit) => timeout(limit, handled).await.unwrap_or_else(|_| {
                    Err(Failure::Failed(Error::msg(format!(
                        "the attempt took longer than {limit:?}, and was ended"
                    ))))
                }),
            };
            outcome.map_err(Failed::from)
        };
        let ended = AssertUnwindSafe(ended).catch_unwind().await;
        ended.unwrap_or_else(|panic| {
            Err(Failed {
                reason: printable(format_args!("the handler panicked: {}", words_of(&*panic))),
                verdict: Verdict::ByPolicy,
            })
        })
    }

    fn about<'a>(&self, message: &'a Message, origin: &'a Origin) -> About<'a> {
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
        let letter = obituary.on(message);
        let mut pauses = self.policy().endless_pauses();
        loop {
            let Err(error) = self
                .dead_letters
                .keep(letter.clone(), &obituary.reason)
                .await
            else {
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

impl From<Failure> for Failed {
    /// Writes the error out and drops it: both run code of the user's, and may panic.
    fn from(failure: Failure) -> Self {
        let (error, verdict) = match failure {
            // Another attempt would end the same way.
            Failure::Undecodable(error) => (error, Verdict::Reject),
            Failure::Failed(error) => {
                let verdict = error.verdict();
                (error, verdict)
            }
        };
        let written = catch_unwind(AssertUnwindSafe(move || printable(error)));
        let reason = written.unwrap_or_else(|panic| {
            printable(format_args!(
                "the handler failed, and its error panicked when it was written out: {}",
                words_of(&*panic)
            ))
        });
        Failed { reason, verdict }
    }
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

/// What was said with a panic.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    if let Some(words) = panic.downcast_ref::<&str>() {
        printable(words)
    } else if let Some(words) = panic.downcast_ref::<String>() {
        printable(words)
    } else {
        "without words".to_owned()
    }
}
