//! Handing things to the client library without waiting for each.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// What was handed over: `lapin` sends in this order, and the answer comes later.
pub(super) enum Begun<'a, T> {
    Done(T),
    Under(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

impl<'a, T> Begun<'a, T> {
    pub(super) fn of(work: impl Future<Output = T> + Send + 'a) -> Self {
        let mut work = Box::pin(work);
        // Nobody is to be woken yet: it is polled again when its turn has come.
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Begun::Done(done),
            Poll::Pending => Begun::Under(work),
        }
    }

    pub(super) async fn answer(self) -> T {
        match self {
            Begun::Done(done) => done,
            Begun::Under(work) => work.await,
        }
    }

    /// The answer, if it is there.
    pub(super) fn now(self) -> Option<T> {
        match self {
            Begun::Done(done) => Some(done),
            Begun::Under(work) => match Begun::of(work) {
                Begun::Done(done) => Some(done),
                Begun::Under(_) => None,
            },
        }
    }
}
