//! Polling: a streamer that is asked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll as Polling, ready};
use std::time::Duration;

use arcstr::{ArcStr, literal};
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use futures_core::Stream;
use tokio::time::{Sleep, sleep};

use super::erased::{BoxFuture, SubscribeAny};
use super::queue::{Ending, Entry, Group, GroupOptions, Membership, Subscription};
use super::{Deliveries, Delivery, Position, StreamError, Streamer, SubscriptionRequest};
use crate::event::Message;

/// A streamer that is asked for what is new: a log, a table, a feed.
///
/// Each subscription asks for itself, from its own place: neither the handlers nor the instances
/// of a service share what is polled.
pub trait Poll: Streamer {
    /// What comes after a position, oldest first and at most `max` messages; nothing when there
    /// is nothing new. `None` is where the streamer deems its beginning.
    ///
    /// Called by one task at a time for each subscription, when there is room for `max` messages
    /// more, and next with the last position that it returned. So the runtime keeps the place, and
    /// it keeps it in memory only, also where there is a store: a restart begins at `None`
    /// again. What is released is kept and delivered again without asking.
    ///
    /// An error is logged, and the same place is asked for again after a growing pause. Must be
    /// safe to drop half way.
    fn poll(
        &self,
        topic: &str,
        after: Option<&Position>,
        max: usize,
    ) -> impl Future<Output = Result<Vec<(Position, Message)>, StreamError>> + Send;

    /// How long to wait when there was nothing new: a second, if not said.
    fn rest(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// A [`Poll`] as one that is subscribed to.
pub(crate) struct Polled<S>(Arc<S>);

impl<S: Poll> Polled<S> {
    pub(crate) fn new(streamer: Arc<S>) -> Self {
        Polled(streamer)
    }
}

impl<S: Poll> SubscribeAny for Polled<S> {
    fn subscribe(
        &self,
        request: SubscriptionRequest,
    ) -> BoxFuture<'_, Result<Deliveries, StreamError>> {
        let deliveries = PolledDeliveries::new(Arc::clone(&self.0), request);
        Box::pin(async { Ok(Box::pin(deliveries) as Deliveries) })
    }
}

/// All that is polled comes in one stream.
static STREAM: ArcStr = literal!("0");

const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(Duration::from_secs(30))
    .without_max_times()
    .with_jitter();

type Fetched = Result<Vec<(Position, Message)>, StreamError>;

struct PolledDeliveries<S> {
    streamer: Arc<S>,
    topic: ArcStr,
    /// What is fetched and not acknowledged.
    fetched: Subscription,
    after: Option<Position>,
    arrivals: u64,
    step: Step,
    /// There while polling fails.
    pauses: Option<ExponentialBackoff>,
}

/// What polling is at.
enum Step {
    Ask,
    Fetch(BoxFuture<'static, Fetched>),
    Rest(Pin<Box<Sleep>>),
}

impl<S: Poll> PolledDeliveries<S> {
    fn new(streamer: Arc<S>, request: SubscriptionRequest) -> Self {
        let options = GroupOptions {
            capacity: request.max_in_flight,
            ending: Ending::Refuses,
            redeliver: true,
            recalls: false,
        };
        let membership = Membership {
            max_in_flight: request.max_in_flight,
            handle: 0,
        };
        let group = Group::new(None, options, std::slice::from_ref(&STREAM), Arc::default());
        PolledDeliveries {
            streamer,
            topic: request.topic.into(),
            fetched: Subscription::new(Arc::new(group), membership),
            after: None,
            arrivals: 0,
            step: Step::Ask,
            pauses: None,
        }
    }

    fn fetch(&self, max: usize) -> BoxFuture<'static, Fetched> {
        let streamer = Arc::clone(&self.streamer);
        let (topic, after) = (self.topic.clone(), self.after.clone());
        Box::pin(async move { streamer.poll(&topic, after.as_ref(), max).await })
    }

    /// Takes what was fetched, and says what comes next.
    fn take(&mut self, messages: Vec<(Position, Message)>) -> Step {
        self.pauses = None;
        let Some((last, _)) = messages.last() else {
            return Step::rest(self.streamer.rest());
        };
        self.after = Some(last.clone());
        let first = self.arrivals;
        self.arrivals += messages.len() as u64;
        let entries = (first..)
            .zip(messages)
            .map(|(arrival, (position, message))| {
                let entry = Entry {
                    arrival,
                    position,
                    message,
                    attempts: 0,
                    ticket: None,
                };
                (0, entry)
            });
        self.fetched.group().push(entries);
        Step::Ask
    }

    fn pause(&mut self) -> Step {
        let pauses = self.pauses.get_or_insert_with(|| PAUSES.build());
        Step::rest(pauses.next().unwrap_or(Duration::from_secs(30)))
    }
}

impl Step {
    fn rest(duration: Duration) -> Self {
        Step::Rest(Box::pin(sleep(duration)))
    }
}

impl<S: Poll> Stream for PolledDeliveries<S> {
    type Item = Result<Delivery, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polling<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            // What was fetched goes first, and what was released before it.
            if let Polling::Ready(delivery) = Pin::new(&mut this.fetched).poll_next(cx) {
                return Polling::Ready(delivery);
            }
            this.step = match &mut this.step {
                Step::Ask => match this.fetched.group().free() {
                    0 => return Polling::Pending,
                    room => Step::Fetch(this.fetch(room)),
                },
                Step::Fetch(fetch) => match ready!(fetch.as_mut().poll(cx)) {
                    Ok(messages) => this.take(messages),
                    Err(error) => {
                        this.step = this.pause();
                        return Polling::Ready(Some(Err(error)));
                    }
                },
                Step::Rest(rest) => {
                    ready!(rest.as_mut().poll(cx));
                    Step::Ask
                }
            };
        }
    }
}

#[cfg(test)]
mod tests;
