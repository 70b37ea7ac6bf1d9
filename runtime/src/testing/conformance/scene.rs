//! What every test is made of: a broker, connections to it, and subscribers.

use std::num::NonZeroUsize;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::task::coop::{consume_budget, unconstrained};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::failure::Clock;
use super::messages::{Tally, difference, text};
use super::{Factory, Failure};
use crate::event::Message;
use crate::streamer::{
    Deliver, Deliveries, Delivery, ErasedStreamer, Group, Outgoing, Publish, SourceKind,
    StreamError, Streamer, SubscriptionRequest,
};

/// Where a test takes place.
pub(super) struct Scene<F> {
    pub(super) factory: F,
    pub(super) clock: Clock,
    /// What the names of its topics have in common.
    namespace: Uuid,
}

impl<F: Factory> Scene<F> {
    pub(super) async fn open() -> Result<Self, Failure> {
        let clock = Clock {
            start: Instant::now(),
            patience: F::PATIENCE,
            quiet: F::QUIET,
        };
        let opened = clock.wait("the factory to open", F::open()).await?;
        let factory = opened.map_err(|error| clock.fail("an open factory", said(&error)))?;
        Ok(Scene {
            factory,
            clock,
            namespace: Uuid::now_v7(),
        })
    }

    /// A connection to the broker, connected.
    pub(super) async fn connect(&self) -> Result<Connection<F::Streamer>, Failure> {
        let streamer = Arc::new(self.factory.streamer());
        let connecting = Streamer::connect(&*streamer);
        let connected = self.clock.wait("to connect", connecting).await?;
        connected.map_err(|error| self.clock.fail("to connect", said(&error)))?;
        Ok(Connection {
            streamer,
            clock: self.clock,
        })
    }

    pub(super) async fn topic(&self, name: &str) -> Result<String, Failure> {
        self.ready(format!("conformance-{}-{name}", self.namespace))
            .await
    }

    /// Gets a topic ready, and says what it is called.
    pub(super) async fn ready(&self, name: String) -> Result<String, Failure> {
        let topic = self.clock.wait("a topic", self.factory.topic(name)).await?;
        topic.map_err(|error| self.clock.fail("a topic", said(&error)))
    }

    /// The name of the service that the test runs.
    pub(super) fn service(&self) -> String {
        format!("conformance-{}", self.namespace)
    }
}

/// One scene, one connection, one topic: what most tests need.
pub(super) async fn one<F: Factory>() -> Result<(Scene<F>, Connection<F::Streamer>, String), Failure>
{
    let scene = Scene::<F>::open().await?;
    let connection = scene.connect().await?;
    let topic = scene.topic("topic").await?;
    Ok((scene, connection, topic))
}

pub(super) fn said(error: &StreamError) -> String {
    format!("the error \"{error}\"")
}

pub(super) fn shared(name: &str) -> Group {
    Group::Shared(name.to_owned())
}

/// A connection to the broker.
pub(super) struct Connection<S> {
    streamer: Arc<S>,
    clock: Clock,
}

/// The same connection, for another task.
impl<S> Clone for Connection<S> {
    fn clone(&self) -> Self {
        Connection {
            streamer: Arc::clone(&self.streamer),
            clock: self.clock,
        }
    }
}

impl<S: Publish + Deliver> Connection<S> {
    /// Publishes a batch, all of which has to be confirmed.
    pub(super) async fn publish(
        &self,
        topic: &str,
        batch: impl IntoIterator<Item = Message>,
    ) -> Result<(), Failure> {
        for report in self.try_publish(topic, batch).await? {
            let confirmed = "each event to be confirmed";
            report.map_err(|error| self.clock.fail(confirmed, said(&error)))?;
        }
        Ok(())
    }

    /// Publishes a batch, and gives back what was reported of each.
    pub(super) async fn try_publish(
        &self,
        topic: &str,
        batch: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<Result<(), StreamError>>, Failure> {
        let mut batch: Vec<_> = batch.into_iter().map(Outgoing::new).collect();
        // As the runtime does.
        let is_done = match &mut batch[..] {
            [one] => Publish::publish_at_once(&*self.streamer, topic, one),
            _ => false,
        };
        if !is_done {
            let publishing = Publish::publish(&*self.streamer, topic, &mut batch);
            self.clock.wait("`publish` to return", publishing).await?;
        }
        Ok(batch.into_iter().map(Outgoing::into_result).collect())
    }

    pub(super) fn dead_letter_topic(&self, topic: &str) -> String {
        Streamer::dead_letter_topic(&*self.streamer, topic)
    }

    pub(super) async fn subscribe(
        &self,
        topic: &str,
        group: Group,
        max_in_flight: usize,
    ) -> Result<Subscriber, Failure> {
        let subscribed = self.try_subscribe(topic, group, max_in_flight).await?;
        subscribed.map_err(|error| self.clock.fail("a subscription", said(&error)))
    }

    pub(super) async fn try_subscribe(
        &self,
        topic: &str,
        group: Group,
        max_in_flight: usize,
    ) -> Result<Result<Subscriber, StreamError>, Failure> {
        let request = SubscriptionRequest {
            topic: topic.to_owned(),
            group,
            max_in_flight: NonZeroUsize::new(max_in_flight).unwrap_or(NonZeroUsize::MIN),
        };
        let SourceKind::Subscribe(source) = Arc::clone(&self.streamer).source().0 else {
            return Err(self.clock.fail("to subscribe", "a streamer that ingests"));
        };
        let subscribing = source.subscribe(request);
        let expected = "`subscribe` to return";
        let subscribed = self.clock.wait(expected, subscribing).await?;
        Ok(subscribed.map(|deliveries| Subscriber {
            deliveries,
            clock: self.clock,
            last_error: None,
        }))
    }

    pub(super) async fn close(&self) -> Result<(), Failure> {
        let closing = ErasedStreamer::close(&*self.streamer);
        let closed = self.clock.wait("`close` to return", closing).await?;
        closed.map_err(|error| self.clock.fail("to close", said(&error)))
    }
}

/// What one subscriber hears.
pub(super) struct Subscriber {
    deliveries: Deliveries,
    clock: Clock,
    /// An error of the stream is no end; but it may explain what comes to nothing.
    last_error: Option<StreamError>,
}

impl Subscriber {
    /// The next delivery, unsettled.
    pub(super) async fn next(&mut self, expected: &str) -> Result<Delivery, Failure> {
        let clock = self.clock;
        match clock.wait(expected, self.delivery()).await {
            Ok(Some(delivery)) => Ok(delivery),
            Ok(None) => Err(self.clock.fail(expected, "the end of the subscription")),
            Err(nothing) => Err(match &self.last_error {
                None => nothing,
                Some(error) => self.clock.fail(expected, said(error)),
            }),
        }
    }

    /// The next delivery is this message; it is acknowledged.
    pub(super) async fn expect_same(&mut self, what: &str, sent: &Message) -> Result<(), Failure> {
        let came = self.next(what).await?;
        if let Some(difference) = difference(sent, came.message()) {
            return Err(self.clock.fail(what, difference));
        }
        came.acknowledge();
        Ok(())
    }

    /// The next delivery, or nothing where it ends.
    pub(super) async fn delivery(&mut self) -> Option<Delivery> {
        loop {
            // A streamer that always has something more lets the clock run all the same.
            consume_budget().await;
            match self.deliveries.next().await? {
                Ok(delivery) => return Some(delivery),
                Err(error) => self.last_error = Some(error),
            }
        }
    }

    /// The next so many, unsettled.
    pub(super) async fn hold(&mut self, count: usize) -> Result<Vec<Delivery>, Failure> {
        let mut held: Vec<Delivery> = Vec::new();
        while held.len() < count {
            let expected = format!("{count} deliveries, of which {} came", held.len());
            held.push(self.next(&expected).await?);
        }
        Ok(held)
    }

    /// Acknowledges exactly these, in whatever order they come.
    pub(super) async fn expect(&mut self, expected: &[String]) -> Result<(), Failure> {
        let mut tally = Tally::of(expected);
        while tally.is_waiting() {
            let next = self.next("a delivery").await;
            let next = next.map_err(|failure| {
                let came = format!("{}, and then {}", tally.came(), failure.came());
                self.clock.fail(tally.expected(), came)
            })?;
            tally.count(&text(&next));
            next.acknowledge();
        }
        tally.check(&self.clock)?;
        self.expect_nothing("nothing after the last one").await
    }

    /// Hears nothing for a while.
    pub(super) async fn expect_nothing(&mut self, expected: &str) -> Result<(), Failure> {
        // Unconstrained, or the scheduler's budget would make a full queue look empty.
        let next = timeout(self.clock.quiet, unconstrained(self.delivery())).await;
        match next {
            Err(_) | Ok(None) => Ok(()),
            Ok(Some(delivery)) => Err(self.clock.fail(expected, format!("`{}`", text(&delivery)))),
        }
    }
}
