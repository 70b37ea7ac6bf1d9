//! A dead letter, once more with its handler.

use std::sync::Arc;

use arcstr::literal;
use tokio::sync::Semaphore;

use super::Worker;
use super::attempts::Ended;
use super::dead_letters::Obituary;
use super::inbox::Claim;
use super::lanes::Job;
use crate::event::Message;
use crate::store::{Appended, DeadLetter};
use crate::streamer::{Acknowledge, Delivery, Position, Settlement};

/// Nobody waits for what becomes of the delivery: whoever replays it is told.
struct Nobody;

impl Acknowledge for Nobody {
    fn settle(&self, _stream: &str, _position: &Position, _settlement: Settlement) {}
}

impl Worker {
    /// One attempt at a dead letter, in the handler's layers and its time: false where the handler
    /// deduplicates and has handled the event before. The error says why it failed.
    ///
    /// It is given as it stands among the dead letters of a topic, with what is said of it, and so
    /// does not expire.
    pub(crate) async fn replay(&self, number: u64, letter: &DeadLetter) -> Result<bool, String> {
        let obituary = Obituary {
            reason: letter.reason.clone(),
            handler: self.subscription.handler,
            origin: letter.origin.clone(),
            attempts: letter.attempts,
        };
        let message = obituary.on(&letter.message);
        let mut claim = None;
        if let Some(inbox) = &self.inbox {
            let Some(claimed) = inbox.claim(&message).await else {
                return Ok(false);
            };
            match claimed.is_marked().await {
                Ok(false) => claim = Some(claimed),
                Ok(true) => {
                    claimed.keep();
                    return Ok(false);
                }
                Err(error) => {
                    return Err(format!(
                        "the store does not say whether it has been handled: {error}"
                    ));
                }
            }
        }
        let mut job = job(message, number);
        let origin = self.origin(&job.delivery);
        let slots = Semaphore::new(1);
        let tried = self.try_once(&mut job, &origin, &slots, claim.as_ref());
        match tried.await {
            Ok(Ok(handled)) => {
                claim.into_iter().for_each(Claim::keep);
                Ok(handled == Appended::New)
            }
            Ok(Err(failed)) => Err(failed.reason),
            Err(Ended::Repeated) => Ok(false),
            Err(Ended::Expired) => Err("the event has expired".to_owned()),
            Err(_) => Err("the service is shutting down".to_owned()),
        }
    }
}

fn job(message: Message, number: u64) -> Job {
    let (stream, position) = (literal!("dead-letters"), Position::Number(number));
    Job::new(Delivery::new(message, stream, position, Arc::new(Nobody)))
}
