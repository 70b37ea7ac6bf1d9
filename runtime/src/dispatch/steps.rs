//! What a worker has under way: most of it is over when it was looked at once.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::lanes::Job;
use super::worker::Stepped;
use crate::streamer::BoxFuture;

/// The most seats that wait for a future.
const IDLE: usize = 32;

/// What is under way. `see_to` makes the future of a job, which gets a seat that another one had,
/// and stands among the others only if it has to wait.
pub(super) struct Steps<'a, F, S> {
    see_to: S,
    waiting: FuturesUnordered<Waiting<'a, F>>,
    idle: Vec<Seat<F>>,
}

type Seat<F> = Pin<Box<Option<F>>>;

enum Waiting<'a, F> {
    /// Empty when it is over.
    Seated(Option<Seat<F>>),
    Other(BoxFuture<'a, Stepped<'a>>),
}

impl<'a, F: Future<Output = Stepped<'a>>, S: Fn(Job) -> F> Steps<'a, F, S> {
    pub(super) fn new(see_to: S) -> Self {
        Steps {
            see_to,
            waiting: FuturesUnordered::new(),
            idle: Vec::new(),
        }
    }

    /// Adds what will have to wait.
    pub(super) fn add(&mut self, step: impl Future<Output = Stepped<'a>> + Send + 'a) {
        self.waiting.push(Waiting::Other(Box::pin(step)));
    }

    /// Begins a job: what came of it, if that does not have to be waited for.
    pub(super) async fn begin(&mut self, job: Job) -> Option<Stepped<'a>> {
        let mut seat = self.idle.pop().unwrap_or_else(|| Box::pin(None));
        seat.set(Some((self.see_to)(job)));
        let stepped = at_once(poll_fn(|cx| poll(&mut seat, cx))).await;
        match &stepped {
            Some(_) => self.rise(seat),
            None => self.waiting.push(Waiting::Seated(Some(seat))),
        }
        stepped
    }

    /// The next one that is over; none where nothing is under way.
    pub(super) async fn next(&mut self) -> Option<Stepped<'a>> {
        let (stepped, seat) = self.waiting.next().await?;
        if let Some(seat) = seat {
            self.rise(seat);
        }
        Some(stepped)
    }

    fn rise(&mut self, mut seat: Seat<F>) {
        seat.set(None);
        if self.idle.len() < IDLE {
            self.idle.push(seat);
        }
    }
}

impl<'a, F: Future<Output = Stepped<'a>>> Future for Waiting<'a, F> {
    type Output = (Stepped<'a>, Option<Seat<F>>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Waiting::Other(step) => step.as_mut().poll(cx).map(|stepped| (stepped, None)),
            Waiting::Seated(taken) => match taken {
                None => Poll::Pending,
                Some(seat) => poll(seat, cx).map(|stepped| (stepped, taken.take())),
            },
        }
    }
}

fn poll<F: Future>(seat: &mut Seat<F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    match seat.as_mut().as_pin_mut() {
        Some(job) => job.poll(cx),
        // Nobody sits here: it is idle, and not polled.
        None => Poll::Pending,
    }
}

/// What is there without waiting. Whoever is polled wakes the task when there is more.
pub(super) async fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| {
        Poll::Ready(match work.as_mut().poll(cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    })
    .await
}
