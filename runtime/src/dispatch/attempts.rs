//! Attempts at one delivery, until one succeeds or the dead letters have it.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::future::FutureExt;

use super::dead_letters::{Verdict, printable};
use super::{Context, Failure, Outcome, Worker};
use crate::error::Error;
use crate::event::Message;
use crate::streamer::Origin;

/// What became of a delivery.
pub(super) enum Ended {
    /// It is handled, and what the handler announced is published.
    Handled,
    /// It is safe among the dead letters.
    DeadLettered,
    /// Neither, because the worker is to stop: it must come again.
    Interrupted,
}

impl Worker {
    /// Tries until an attempt succeeds, the policy says enough, or the worker is to stop.
    pub(super) async fn attempts(&self, message: &Message, origin: &Origin) -> Ended {
        let mut pauses = None;
        let mut attempt = 1;
        loop {
            let error = match self.attempt(message, origin, attempt).await {
                Ok(()) => return Ended::Handled,
                Err(failure) => failure,
            };
            self.counters.failed_attempt();
            let error = match error {
                Failure::Undecodable(error) => {
                    return self.give_up(message, origin, attempt, error).await;
                }
                Failure::Failed(error) => error,
            };
            // Made at the first failure: an event that is handled at once pays for none of it.
            let pauses = pauses.get_or_insert_with(|| self.policy.pauses());
            let Some(pause) = pauses.next() else {
                return self.give_up(message, origin, attempt, error).await;
            };
            tracing::warn!(
                event = event_of(message), id = id_of(message), handler = self.subscription.handler,
                %origin, attempt, error = printable(&error),
                "the handler failed; next attempt in {pause:?}"
            );
            if !self.pause(pause).await {
                return match self.subscription.topic {
                    Some(_) => Ended::Interrupted,
                    // Nobody would deliver the service's own event again.
                    None => self.give_up(message, origin, attempt, error).await,
                };
            }
            attempt += 1;
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
        match AssertUnwindSafe(handled).catch_unwind().await {
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
        let mut pauses = self.policy.endless_pauses();
        loop {
            let Err(error) = self.dead_letters.keep(letter.clone()).await else {
                return Ended::DeadLettered;
            };
            let pause = pauses.next().unwrap_or(self.policy.longest);
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
