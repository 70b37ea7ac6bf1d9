//! The service's own events, on their way to its own handlers.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How many of the service's own events wait for a handler of this process, or are in its hands.
#[derive(Default)]
pub(crate) struct OwnEvents {
    unsettled: AtomicUsize,
    all_settled: Notify,
}

impl OwnEvents {
    /// One more is on its way to a handler.
    pub(super) fn add(&self) -> OnItsWay<'_> {
        self.unsettled.fetch_add(1, Ordering::AcqRel);
        OnItsWay(self)
    }

    /// A handler is done with one.
    pub(crate) fn settle(&self) {
        if self.unsettled.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_settled.notify_waiters();
        }
    }

    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled.load(Ordering::Acquire)
    }

    /// Until there are none.
    pub(crate) async fn all_settled(&self) {
        loop {
            let mut notified = pin!(self.all_settled.notified());
            // Before the look, or the last one could slip through between the two.
            notified.as_mut().enable();
            if self.unsettled() == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// One on its way to a handler. Dropped before it is there, it is settled: nobody will do it.
pub(super) struct OnItsWay<'a>(&'a OwnEvents);

impl OnItsWay<'_> {
    /// From now on it is the handler's.
    pub(super) fn has_arrived(self) {
        std::mem::forget(self);
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.0.settle();
    }
}
