//! What one subscription has in its hands: what waits for the handler, and what the handler has.
//!
//! Not the queue under the other streamers: here the broker may deliver again what is held already,
//! wants to hear of each message that it is still worked on, and is told of each by its own address.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use arcstr::ArcStr;
use async_nats::Subject;
use futures_core::Stream;
use tokio::sync::Notify;
use tokio::task::coop;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::event::Message;
use crate::streamer::queue::locked;
use crate::streamer::{Acknowledge, Delivery, Position, Settlement, StreamError};

/// A message as it comes.
pub(super) struct Arrival {
    pub(super) sequence: u64,
    /// Where the server wants to hear of it.
    pub(super) reply: Subject,
    pub(super) message: Message,
}

/// What the server is to be told of a message.
pub(super) struct Settled {
    pub(super) sequence: u64,
    pub(super) reply: Subject,
    /// Whether it is done with; if not, it goes to another subscriber.
    pub(super) is_done: bool,
}

/// What was delivered before us to one who is gone comes again, and goes first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    /// It is among the messages up to this one.
    pub(super) through: u64,
    pub(super) missing: u64,
}

/// The messages of one subscription, by their numbers in the stream.
pub(super) struct Desk {
    pub(super) capacity: usize,
    /// Whether the server wants to hear what becomes of messages.
    answers: bool,
    state: Mutex<State>,
    /// Something was settled, or the subscription has ended.
    pub(super) news: Notify,
}

struct State {
    /// The name of the stream.
    stream: ArcStr,
    /// How many other streams of that name there were.
    streams_before: u32,
    waiting: BTreeMap<u64, Held>,
    given: BTreeMap<u64, Held>,
    settled: Vec<Settled>,
    /// A released one holds all back so long.
    pause: Option<Instant>,
    hold: Option<Hold>,
    waker: Option<Waker>,
    has_ended: bool,
}

struct Held {
    message: Message,
    reply: Subject,
    attempts: u32,
    /// The beat of the pump at which it came, or was last said to be worked on.
    beat: u32,
}

impl Desk {
    pub(super) fn new(stream: &str, capacity: usize, answers: bool) -> Self {
        let state = State {
            stream: stream.into(),
            streams_before: 0,
            waiting: BTreeMap::new(),
            given: BTreeMap::new(),
            settled: Vec::new(),
            pause: None,
            hold: None,
            waker: None,
            has_ended: false,
        };
        Desk {
            capacity,
            answers,
            state: Mutex::new(state),
            news: Notify::new(),
        }
    }

    /// Takes what has come. What it holds already is not held twice, but answered where it came
    /// from last.
    pub(super) fn take_in(&self, arrivals: Vec<Arrival>, beat: u32) {
        let mut state = locked(&self.state);
        for arrival in arrivals {
            state.take_in(arrival, beat, self.answers);
        }
        state.wake();
    }

    /// How many more it could hold.
    pub(super) fn room(&self) -> usize {
        let state = locked(&self.state);
        let held = state.waiting.len() + state.given.len();
        self.capacity.saturating_sub(held)
    }

    pub(super) fn hold(&self) -> Option<Hold> {
        locked(&self.state).hold
    }

    /// Forgets what it holds: the stream is another one, with the same numbers for other messages.
    /// What was given is done by whoever has it, and nobody is told.
    pub(super) fn begin_anew(&self) {
        let mut state = locked(&self.state);
        state.waiting.clear();
        state.given.clear();
        state.settled.clear();
        let name = state
            .stream
            .split('#')
            .next()
            .unwrap_or_default()
            .to_owned();
        state.streams_before += 1;
        state.stream = arcstr::format!("{name}#{}", state.streams_before);
    }

    /// Gives out nothing more until so many of those up to a number have come.
    pub(super) fn hold_back(&self, hold: Hold) {
        locked(&self.state).hold = Some(hold);
    }

    pub(super) fn hold_no_more(&self) {
        let mut state = locked(&self.state);
        state.hold = None;
        state.wake();
    }

    /// How many it holds of those up to a number.
    pub(super) fn held(&self, through: u64) -> u64 {
        let state = locked(&self.state);
        let held = |map: &BTreeMap<u64, Held>| map.range(..=through).count() as u64;
        held(&state.waiting) + held(&state.given)
    }

    /// What the server is to be told.
    pub(super) fn settled(&self) -> Vec<Settled> {
        std::mem::take(&mut locked(&self.state).settled)
    }

    /// Where to say that it is still worked on: of what it has held for a beat or longer.
    pub(super) fn worked_on(&self, beat: u32) -> Vec<Subject> {
        let mut state = locked(&self.state);
        let State { waiting, given, .. } = &mut *state;
        let mut replies = Vec::new();
        for held in waiting.values_mut().chain(given.values_mut()) {
            if held.beat != beat {
                held.beat = beat;
                replies.push(held.reply.clone());
            }
        }
        replies
    }

    /// Whether the subscription has ended.
    pub(super) fn has_ended(&self) -> bool {
        locked(&self.state).has_ended
    }

    /// Whether nothing is left that could be settled, or of which the server is to be told.
    pub(super) fn is_clear(&self) -> bool {
        let state = locked(&self.state);
        state.waiting.is_empty() && state.given.is_empty() && state.settled.is_empty()
    }

    /// Ends the subscription: what waits goes back. What was given may still be settled.
    pub(super) fn end(&self) {
        let mut state = locked(&self.state);
        state.has_ended = true;
        state.hold = None;
        let waiting = std::mem::take(&mut state.waiting);
        state.give_back(waiting, self.answers);
        state.wake();
        drop(state);
        self.news.notify_one();
    }

    /// Ends the subscription, and everything goes back.
    pub(super) fn close(&self) {
        self.end();
        let mut state = locked(&self.state);
        let given = std::mem::take(&mut state.given);
        state.give_back(given, self.answers);
    }

    /// The next message, or until when there is none.
    fn next(&self, cx: &Context<'_>) -> Next {
        let mut state = locked(&self.state);
        if state.has_ended {
            return Next::End;
        }
        let pause = state.pause.filter(|until| Instant::now() < *until);
        state.pause = pause;
        let may_give = state.hold.is_none() && state.given.len() < self.capacity;
        if may_give
            && pause.is_none()
            && let Some((sequence, held)) = state.waiting.pop_first()
        {
            let (message, attempts) = (held.message.clone(), held.attempts);
            state.given.insert(sequence, held);
            let stream = state.stream.clone();
            return Next::Give {
                stream,
                sequence,
                message,
                attempts,
            };
        }
        state.waker = Some(cx.waker().clone());
        Next::Wait(pause.filter(|_| may_give && !state.waiting.is_empty()))
    }
}

impl State {
    fn take_in(&mut self, arrival: Arrival, beat: u32, answers: bool) {
        let Arrival {
            sequence,
            reply,
            message,
        } = arrival;
        let held = self.given.get_mut(&sequence);
        if let Some(held) = held.or_else(|| self.waiting.get_mut(&sequence)) {
            held.reply = reply;
            return;
        }
        let held = Held {
            message,
            reply,
            attempts: 0,
            beat,
        };
        if self.has_ended {
            return self.give_back(BTreeMap::from([(sequence, held)]), answers);
        }
        self.waiting.insert(sequence, held);
        if let Some(hold) = &mut self.hold
            && sequence <= hold.through
        {
            hold.missing = hold.missing.saturating_sub(1);
            if hold.missing == 0 {
                self.hold = None;
            }
        }
    }

    fn give_back(&mut self, all: BTreeMap<u64, Held>, answers: bool) {
        if answers {
            self.settled
                .extend(all.into_iter().map(|(sequence, held)| Settled {
                    sequence,
                    reply: held.reply,
                    is_done: false,
                }));
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Acknowledge for Desk {
    fn settle(&self, stream: &str, position: &Position, settlement: Settlement) {
        let Position::Number(sequence) = *position else {
            return;
        };
        let mut state = locked(&self.state);
        if stream != state.stream {
            return;
        }
        let Some(mut held) = state.given.remove(&sequence) else {
            return;
        };
        match settlement {
            Settlement::Released { delay, attempts } if !state.has_ended => {
                held.attempts = attempts;
                state.waiting.insert(sequence, held);
                if delay > Duration::ZERO {
                    let now = Instant::now();
                    let until = now.checked_add(delay).unwrap_or(now + FOREVER);
                    state.pause = state.pause.max(Some(until));
                }
                return state.wake();
            }
            _ if self.answers => state.settled.push(Settled {
                sequence,
                reply: held.reply,
                is_done: settlement == Settlement::Acknowledged,
            }),
            _ => {}
        }
        // There may have been as many given as may be.
        state.wake();
        drop(state);
        self.news.notify_one();
    }
}

/// What a delay that the clock cannot count is shortened to.
const FOREVER: Duration = Duration::from_hours(24 * 365);

enum Next {
    Give {
        stream: ArcStr,
        sequence: u64,
        message: Message,
        attempts: u32,
    },
    /// Until it is woken, or until then.
    Wait(Option<Instant>),
    End,
}

/// The deliveries of a subscription. Dropped, it ends.
pub(super) struct Given {
    desk: Arc<Desk>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Given {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Given { desk, alarm: None }
    }
}

impl Stream for Given {
    type Item = Result<Delivery, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let budget = ready!(coop::poll_proceed(cx));
        loop {
            let until = match self.desk.next(cx) {
                Next::End => return Poll::Ready(None),
                Next::Give {
                    stream,
                    sequence,
                    message,
                    attempts,
                } => {
                    budget.made_progress();
                    let (position, ear) = (Position::Number(sequence), Arc::clone(&self.desk));
                    let delivery = Delivery::new(message, stream, position, ear);
                    return Poll::Ready(Some(Ok(delivery.with_attempts(attempts))));
                }
                Next::Wait(None) => return Poll::Pending,
                Next::Wait(Some(until)) => until,
            };
            let alarm = self
                .alarm
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            if alarm.deadline() != until {
                alarm.as_mut().reset(until);
            }
            ready!(alarm.as_mut().poll(cx));
        }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.desk.end();
    }
}
