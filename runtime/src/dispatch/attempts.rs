//! Attempts at one delivery, until one succeeds or the dead letters have it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::future::FutureExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::dead_letters::{Verdict, printable};
use super::{Context, Failure, Outcome, RetryOrder, Worker};
use crate::error::Error;
use crate::event::Message;
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
            let error = Error::msg("every attempt at it ended before it did");
            return self
                .give_up(&message, origin, delivery.attempts(), error)
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
            let (error, pause) = match outcome {
                Ok(()) => return Ended::Handled,
                Err(Failure::Undecodable(error)) => (error, None),
                Err(Failure::Failed(error)) => {
                    let pause = self.policy().pause(attempt, error.verdict());
                    (error, pause)
                }
            };
            self.counters.failed_attempt();
            let Some(pause) = pause else {
                return self.give_up(&message, origin, attempt, error).await;
            };
            tracing::warn!(
                event = event_of(&message), id = id_of(&message), handler = self.subscription.handler,
                %origin, attempt, error = printable(&error),
                "the handler failed; next attempt in {pause:?}"
            );
            if self.policy().order == RetryOrder::Requeue {
                return Ended::SetAside(pause);
            }
            if !self.pause(pause).await {
                return match self.subscription.topic {
                    Some(_) => Ended::Interrupted,
                    // Nobody would deliver the service's own event again.
                    None => self.give_up(&message, origin, attempt, error).await,
                };
            }
        }
    }

    /// One attempt: the handler, and then what it announced.
    async fn attempt(&self, message: &Message, origin: &Origin, attempt: u32) -> Outcome {
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
        let handled = AssertUnwindSafe(handled).catch_unwind();
        let ended = match self.policy().timeout {
            None => handled.await,
            Some(limit) => match timeout(limit, handled).await {
                Ok(ended) => ended,
                Err(_) => {
                    return Err(Failure::Failed(Error::msg(format!(
                        "the attempt took longer than {limit:?}, and was ended"
                    ))));
                }
            },
        };
        match ended {
            Ok(outcome) => outcome,
            Err(panic) => Err(Failure::Failed(Error::msg(format!(
                "the handler panicked: {}",
                words_of(&*panic)
            )))),
        }
    }

    /// Moves it to the dead letters, however long they take: until then it is not settled.
    async fn give_up(
        &self,
        message: &Message,
        origin: &Origin,
        attempts: u32,
        error: Error,
    ) -> Ended {
        let handler = self.subscription.handler;
        let (event, id) = (event_of(message), id_of(message));
        let place = self.dead_letters.place();
        let verdict = Verdict {
            reason: printable(&error),
            handler,
            origin: printable(origin),
            attempts,
        };
        tracing::error!(
            event, id, handler, %origin, attempt = attempts, error = verdict.reason,
            "giving the event up; its dead letter goes to {place}"
        );
        let letter = verdict.on(message);
        let mut pauses = self.policy().endless_pauses();
        loop {
            let Err(error) = self.dead_letters.keep(letter.clone()).await else {
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
fn words_of(panic: &(dyn Any + Send)) -> &str {
    if let Some(words) = panic.downcast_ref::<&str>() {
        words
    } else if let Some(words) = panic.downcast_ref::<String>() {
        words
    } else {
        "without words"
    }
}
