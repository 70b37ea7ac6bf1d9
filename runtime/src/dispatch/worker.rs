//! One subscription, one task.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::StreamExt;
use tokio_util::sync::CancellationToken;

use super::attempts::Ended;
use super::{Counters, DeadLetters, Policy, States, Subscription};
use crate::event::Message;
use crate::publisher::Desk;
use crate::streamer::{Deliveries, Delivery, Origin};

/// The name of the streamer that the service's own events come from.
const LOCAL: &str = "local";

/// Runs one subscription: takes its deliveries and sees each to its end.
pub(crate) struct Worker {
    pub(crate) subscription: Subscription,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) policy: Policy,
    pub(crate) states: Arc<States>,
    pub(crate) desk: Arc<Desk>,
    pub(crate) counters: Arc<Counters>,
    /// Ends the taking and all pauses; an attempt under way is finished.
    pub(crate) stop: CancellationToken,
}

impl Worker {
    /// Until the worker is stopped, or nothing will come any more.
    pub(crate) async fn run(self, deliveries: Deliveries) {
        let mut taken = pin!(deliveries.take_until(self.stop.cancelled()));
        let mut pauses = None;
        while let Some(next) = taken.next().await {
            match next {
                Ok(delivery) => {
                    self.see_to(delivery).await;
                    if self.subscription.topic.is_none() {
                        self.desk.own().settle();
                    }
                    pauses = None;
                }
                Err(error) => {
                    let pauses = pauses.get_or_insert_with(|| self.policy.endless_pauses());
                    let pause = pauses.next().unwrap_or(self.policy.longest);
                    tracing::warn!(
                        handler = self.subscription.handler, from = %self.subscription.from(), %error,
                        "the subscription reports an error; it is asked again in {pause:?}"
                    );
                    self.pause(pause).await;
                }
            }
        }
        if !self.stop.is_cancelled() {
            tracing::error!(
                handler = self.subscription.handler, from = %self.subscription.from(),
                "the subscription has ended: this handler will hear nothing more until a restart"
            );
        }
    }

    /// Sees a delivery to its end, and settles it.
    async fn see_to(&self, delivery: Delivery) {
        if !self.subscription.hears.takes(delivery.message()) {
            self.counters.ignored();
            return delivery.acknowledge();
        }
        let origin = self.origin(&delivery);
        match self.attempts(delivery.message(), &origin).await {
            Ended::Handled => {
                self.counters.handled();
                delivery.acknowledge();
            }
            Ended::DeadLettered => {
                self.counters.dead_lettered();
                delivery.acknowledge();
            }
            Ended::Interrupted => delivery.release(Duration::ZERO),
        }
    }

    fn origin(&self, delivery: &Delivery) -> Origin {
        let (streamer, topic) = match self.subscription.topic {
            Some(topic) => (topic.streamer, topic.topic),
            None => (LOCAL, self.own_event(delivery.message())),
        };
        Origin {
            streamer,
            topic,
            stream: delivery.stream().clone(),
            position: delivery.position().clone(),
        }
    }

    /// The name of one of the service's own events.
    fn own_event(&self, message: &Message) -> &'static str {
        let name = message.event().map_or("", |event| event.kind());
        self.desk.event_name(name).unwrap_or_default()
    }

    /// Whether the pause came to its end; if not, the worker is to stop.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        let stopped = self.stop.cancelled();
        tokio::time::timeout(pause, stopped).await.is_err()
    }
}
