//! What was published and is not confirmed yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_nats::{Message, StatusCode, Subject};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::Notify;

use super::api::{HEADERS_TOO_LARGE, MESSAGE_TOO_LARGE};
use crate::streamer::queue::locked;

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    /// No stream was there to take it, or not yet.
    NoStream,
    /// Refused for good.
    Refused(String),
    Failed(String),
}

/// All that is under way over one connection.
pub(super) struct Flights {
    /// The answers to it begin with this.
    inbox: String,
    next: AtomicU64,
    all: Mutex<HashMap<u64, Arc<Flight>>>,
}

/// Messages that were sent together.
struct Flight {
    state: Mutex<State>,
    landed: Notify,
}

struct State {
    outcomes: Vec<Option<Outcome>>,
    missing: usize,
}

/// A flight, as the one who sends it has it. Dropped, nobody waits for it any more.
pub(super) struct Ticket<'a> {
    flights: &'a Flights,
    flight: Arc<Flight>,
    number: u64,
}

impl Flights {
    pub(super) fn new(inbox: String) -> Self {
        Flights {
            inbox,
            next: AtomicU64::new(0),
            all: Mutex::default(),
        }
    }

    /// Begins a flight of so many messages.
    pub(super) fn begin(&self, messages: usize) -> Ticket<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let state = State {
            outcomes: vec![None; messages],
            missing: messages,
        };
        let flight = Arc::new(Flight {
            state: Mutex::new(state),
            landed: Notify::new(),
        });
        locked(&self.all).insert(number, Arc::clone(&flight));
        Ticket {
            flights: self,
            flight,
            number,
        }
    }

    /// Takes answers as they come.
    pub(super) fn land(&self, answers: Vec<Message>) {
        let mut last: Option<(u64, Arc<Flight>)> = None;
        for answer in answers {
            let Some((number, index)) = self.place(&answer.subject) else {
                continue;
            };
            if last.as_ref().is_none_or(|(other, _)| *other != number) {
                let flight = locked(&self.all).get(&number).cloned();
                last = flight.map(|flight| (number, flight));
            }
            if let Some((_, flight)) = &last {
                flight.land(index, outcome(&answer));
            }
        }
    }

    /// Which flight an answer is for, and which message of it: `<inbox>.<flight>-<message>`.
    fn place(&self, subject: &str) -> Option<(u64, usize)> {
        let place = subject.strip_prefix(&self.inbox)?.strip_prefix('.')?;
        let (flight, message) = place.split_once('-')?;
        Some((flight.parse().ok()?, message.parse().ok()?))
    }
}

impl Flight {
    fn land(&self, index: usize, outcome: Outcome) {
        let mut state = locked(&self.state);
        if let Some(place @ None) = state.outcomes.get_mut(index) {
            *place = Some(outcome);
            state.missing -= 1;
            if state.missing == 0 {
                self.landed.notify_one();
            }
        }
    }
}

impl Ticket<'_> {
    /// Where the answer to a message is to go.
    pub(super) fn reply(&self, index: usize) -> Subject {
        Subject::from(format!("{}.{}-{index}", self.flights.inbox, self.number))
    }

    /// Says what is known without an answer.
    pub(super) fn set(&self, index: usize, outcome: Outcome) {
        self.flight.land(index, outcome);
    }

    /// Until there is an answer to every message.
    pub(super) async fn landed(&self) {
        if locked(&self.flight.state).missing > 0 {
            self.flight.landed.notified().await;
        }
    }

    /// What became of each, as far as is known.
    pub(super) fn outcomes(self) -> Vec<Option<Outcome>> {
        std::mem::take(&mut locked(&self.flight.state).outcomes)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        locked(&self.flights.all).remove(&self.number);
    }
}

#[derive(Deserialize)]
struct Answer {
    stream: Option<IgnoredAny>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

fn outcome(answer: &Message) -> Outcome {
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Outcome::NoStream;
    }
    match serde_json::from_slice(&answer.payload) {
        Ok(Answer {
            error: Some(error), ..
        }) => match error.err_code {
            MESSAGE_TOO_LARGE | HEADERS_TOO_LARGE => Outcome::Refused(error.description),
            _ => Outcome::Failed(error.description),
        },
        Ok(Answer {
            stream: Some(_), ..
        }) => Outcome::Stored,
        // Whoever subscribes to the subject may answer.
        _ => Outcome::Failed("something else than JetStream has answered".to_owned()),
    }
}
