//! What goes wrong on the way from the broker.

use std::collections::VecDeque;
use std::future::ready;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use fanfare::event::cloudevents::Wire;
use fanfare::event::{Foreign, Message};
use fanfare::streamer::{Deliveries, Delivery, Group, StreamError, SubscriptionRequest};
use futures_util::stream::pending;
use futures_util::{Stream, StreamExt};

use crate::broken::{Broken, Fault};

pub(crate) struct IgnoresStrangers;

impl Fault for IgnoresStrangers {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        Box::pin(deliveries.filter_map(|delivery| {
            let is_event = |delivery: &Delivery| delivery.message().event().is_some();
            ready(match delivery {
                Ok(delivery) if !is_event(&delivery) => {
                    delivery.acknowledge();
                    None
                }
                other => Some(other),
            })
        }))
    }
}

pub(crate) struct KnowsBinaryModeOnly;

impl Fault for KnowsBinaryModeOnly {
    fn read(wire: Wire) -> Message {
        Foreign::new(wire.payload).into()
    }
}

/// Each subscriber of a group gets everything, at the same time.
pub(crate) struct DeliversToTwo;

impl Fault for DeliversToTwo {
    fn request(mut request: SubscriptionRequest) -> SubscriptionRequest {
        request.group = Group::EachInstance;
        request
    }
}

pub(crate) struct GroupsCompete;

impl Fault for GroupsCompete {
    fn request(mut request: SubscriptionRequest) -> SubscriptionRequest {
        if let Group::Shared(name) = &mut request.group {
            "all".clone_into(name);
        }
        request
    }
}

pub(crate) struct InstancesShare;

impl Fault for InstancesShare {
    fn request(mut request: SubscriptionRequest) -> SubscriptionRequest {
        if request.group == Group::EachInstance {
            request.group = Group::Shared("instances".to_owned());
        }
        request
    }
}

pub(crate) struct ExceedsMaxInFlight;

impl Fault for ExceedsMaxInFlight {
    fn request(mut request: SubscriptionRequest) -> SubscriptionRequest {
        request.max_in_flight = request.max_in_flight.saturating_add(1);
        request
    }
}

/// Nothing more comes while one is in flight.
pub(crate) struct OneInFlight;

impl Fault for OneInFlight {
    const PATIENCE: Duration = Duration::from_secs(1);

    fn request(mut request: SubscriptionRequest) -> SubscriptionRequest {
        request.max_in_flight = NonZeroUsize::MIN;
        request
    }
}

/// A new subscription of a broker's client ends the one before it.
pub(crate) struct OneTopicAtATime;

impl Fault for OneTopicAtATime {
    fn deliveries(broken: &Broken<Self>, topic: &str, deliveries: Deliveries) -> Deliveries {
        let broker = Arc::clone(&broken.broker);
        let topic = topic.to_owned();
        Box::pin(deliveries.take_while(move |_| ready(broker.knew_last(&topic))))
    }
}

/// It fetches ahead, and takes what it has fetched for done when its subscriber goes.
pub(crate) struct LosesWhatItFetched;

impl Fault for LosesWhatItFetched {
    fn request(mut request: SubscriptionRequest) -> SubscriptionRequest {
        let ahead = const { NonZeroUsize::new(10).expect("not zero") };
        request.max_in_flight = request.max_in_flight.saturating_add(ahead.get());
        request
    }

    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        Box::pin(FetchesAhead {
            deliveries,
            fetched: VecDeque::new(),
        })
    }
}

struct FetchesAhead {
    deliveries: Deliveries,
    fetched: VecDeque<Delivery>,
}

impl Stream for FetchesAhead {
    type Item = Result<Delivery, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.fetched.len() < 10 {
            match self.deliveries.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(delivery))) => self.fetched.push_back(delivery),
                Poll::Ready(other) => return Poll::Ready(other),
                Poll::Pending => break,
            }
        }
        match self.fetched.pop_front() {
            Some(delivery) => Poll::Ready(Some(Ok(delivery))),
            None => Poll::Pending,
        }
    }
}

impl Drop for FetchesAhead {
    fn drop(&mut self) {
        for delivery in self.fetched.drain(..) {
            delivery.acknowledge();
        }
    }
}

pub(crate) struct DoesNotReconnect;

impl Fault for DoesNotReconnect {
    fn deliveries(broken: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        let mut restarts = broken.broker.restarts.subscribe();
        let before = *restarts.borrow();
        let restarted = async move {
            // The broker outlives its connections.
            let _ = restarts.wait_for(|restarts| *restarts > before).await;
        };
        Box::pin(deliveries.take_until(restarted).chain(pending()))
    }
}

/// Whoever subscribes after a restart does not get the first events that it should.
pub(crate) struct ForgetsAtARestart;

impl Fault for ForgetsAtARestart {
    fn deliveries(broken: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        let restarts = *broken.broker.restarts.borrow();
        let forgotten = AtomicUsize::new(0);
        Box::pin(deliveries.filter_map(move |delivery| {
            let is_forgotten = restarts > 0 && forgotten.fetch_add(1, Ordering::Relaxed) < 20;
            ready(match delivery {
                Ok(delivery) if is_forgotten => {
                    delivery.acknowledge();
                    None
                }
                other => Some(other),
            })
        }))
    }
}
