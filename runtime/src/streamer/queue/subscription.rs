//! One subscriber of a group, as a stream of deliveries.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tokio::task::coop;
use tokio::time::{Instant, Sleep, sleep_until};

use super::group::{Group, Membership, Next};
use super::line::SubscriberId;
use crate::streamer::{Acknowledge, Delivery, Position, Settlement, StreamError};

/// The deliveries of one subscriber. Dropped, it leaves the group.
pub(crate) struct Subscription {
    group: Arc<Group>,
    id: SubscriberId,
    /// One for each stream, as far as they were needed.
    ears: Vec<Arc<dyn Acknowledge>>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Subscription {
    pub(crate) fn new(group: Arc<Group>, membership: Membership) -> Self {
        Subscription {
            ears: Vec::new(),
            id: group.join(membership),
            group,
            alarm: None,
        }
    }

    pub(crate) fn group(&self) -> &Group {
        &self.group
    }

    fn ear(&mut self, stream: usize) -> Arc<dyn Acknowledge> {
        while self.ears.len() <= stream {
            let (group, stream) = (Arc::clone(&self.group), self.ears.len());
            self.ears.push(Arc::new(Ear { group, stream }));
        }
        Arc::clone(&self.ears[stream])
    }

    fn poll_alarm(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if alarm.deadline() != at {
            alarm.as_mut().reset(at);
        }
        alarm.as_mut().poll(cx)
    }
}

impl Stream for Subscription {
    type Item = Result<Delivery, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let budget = ready!(coop::poll_proceed(cx));
        loop {
            match self.group.next(self.id, cx.waker()) {
                Next::Deliver { stream, name, sent } => {
                    budget.made_progress();
                    let ear = self.ear(stream);
                    let delivery = Delivery::new(sent.message, name, sent.position, ear);
                    return Poll::Ready(Some(Ok(delivery.with_attempts(sent.attempts))));
                }
                Next::Wait(None) => return Poll::Pending,
                Next::Wait(Some(until)) => ready!(self.poll_alarm(until, cx)),
                Next::End => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.group.leave(self.id);
    }
}

/// Hears what becomes of the deliveries of one stream.
struct Ear {
    group: Arc<Group>,
    stream: usize,
}

impl Acknowledge for Ear {
    fn settle(&self, _stream: &str, position: &Position, settlement: Settlement) {
        self.group.settle(self.stream, position, settlement);
    }

    fn may_begin(&self, _stream: &str, position: &Position) -> bool {
        self.group.begins(self.stream, position)
    }
}
