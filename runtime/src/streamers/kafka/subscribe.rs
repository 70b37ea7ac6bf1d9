//! Subscribing: a thread for each subscription, which feeds a local queue.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use backon::BackoffBuilder;
use futures_core::Stream;
use rdkafka::consumer::BaseConsumer;
use tokio::sync::oneshot;

use super::connect::{Connection, create, give_up};
use super::ear::ConsumerEar;
use super::feed::{Feed, Place, Stands};
use super::hand::Hand;
use crate::error::words_of;
use crate::streamer::queue::{self, Ending, GroupOptions, Membership, Subscription};
use crate::streamer::{Deliveries, Delivery, Group, StreamError, SubscriptionRequest};
use crate::streamers::state;
use crate::streamers::times::{LONGEST_PAUSE, PAUSES};

/// Subscribes; done when the subscription stands.
pub(super) async fn subscribe(
    connection: &Arc<Connection>,
    request: SubscriptionRequest,
) -> Result<Deliveries, StreamError> {
    if connection.closed.is_cancelled() {
        return Err(state::closed());
    }
    let (place, subscribed) = place(connection, request);
    let (stands, is_standing) = oneshot::channel();
    let token = connection.threads.token();
    let feeding = thread::Builder::new().name("fanfare-kafka".to_owned());
    let feeding = feeding.spawn(move || {
        feed(place, stands);
        drop(token);
    });
    feeding.map_err(StreamError::new)?;
    let stands = is_standing.await;
    stands.map_err(|_| state::closed())??;
    Ok(Box::pin(subscribed))
}

/// What feeds a subscription, and what is fed.
pub(super) fn place(
    connection: &Arc<Connection>,
    request: SubscriptionRequest,
) -> (Place, Subscribed) {
    let SubscriptionRequest {
        topic,
        group,
        max_in_flight,
    } = request;
    let group = match group {
        Group::Shared(name) => Some(format!("{}{name}", connection.options.group_prefix)),
        Group::EachInstance => None,
    };
    let hand = Arc::new(Hand::new(max_in_flight.get()));
    let options = GroupOptions {
        // The thread counts for itself.
        capacity: max_in_flight.saturating_add(hand.most()),
        ending: Ending::Refuses,
        redeliver: true,
        recalls: true,
    };
    let membership = Membership {
        max_in_flight,
        handle: HANDLE,
    };
    let queue = queue::Group::new(group.clone(), options, &[], Arc::default());
    let queue = Arc::new(queue);
    let orders = Arc::new(Orders {
        is_to_finish: AtomicBool::new(false),
        hand: Arc::clone(&hand),
    });
    let subscribed = Subscribed {
        subscription: Subscription::new(Arc::clone(&queue), membership),
        orders: Arc::clone(&orders),
    };
    connection.add(&hand);
    let place = Place {
        connection: Arc::clone(connection),
        topic,
        group,
        queue,
        hand,
        orders,
        streams: HashMap::new(),
        begins: HashMap::new(),
        arrivals: 0,
    };
    (place, subscribed)
}

/// All that a thread does. Where a client comes to its end before the subscription does, another one
/// goes on.
fn feed(mut place: Place, stands: Stands) {
    let mut stands = Some(stands);
    let mut pauses = PAUSES.build();
    place.hand.wake_this_thread();
    while place.is_wanted() {
        let begun = Instant::now();
        let fed = catch_unwind(AssertUnwindSafe(|| {
            let consumer = Arc::new(consumer(&place)?);
            let fed = Feed::new(&mut place, Arc::clone(&consumer)).run(&mut stands);
            if fed.is_err() {
                give_up(consumer);
            }
            fed
        }));
        let error = match fed {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panic) => StreamError::new(format!("a panic: {}", words_of(&*panic))),
        };
        if let Some(stands) = stands.take() {
            // Nobody waits for it any more, or is told.
            let _ = stands.send(Err(error));
            return;
        }
        if !place.is_wanted() {
            tracing::warn!(topic = place.topic, %error, "a consumer has come to its end");
            break;
        }
        if begun.elapsed() > LONGEST_PAUSE {
            pauses = PAUSES.build();
        }
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
        let topic = &place.topic;
        tracing::error!(topic, %error, "a consumer has come to its end: another one goes on in {pause:?}");
        rest(&place, pause);
    }
    place.queue.leave_all(HANDLE);
}

/// Whoever settles an event meanwhile wakes the thread: it goes on to rest.
fn rest(place: &Place, pause: Duration) {
    let until = Instant::now() + pause;
    while place.is_wanted()
        && let Some(left) = until.checked_duration_since(Instant::now())
        && !left.is_zero()
    {
        thread::park_timeout(left);
    }
}

pub(super) fn consumer(place: &Place) -> Result<BaseConsumer<ConsumerEar>, StreamError> {
    let mut config = place.connection.consumer.clone();
    // Without a group nothing can be read. Of this one the broker never hears.
    let group = place.group.as_deref().unwrap_or("fanfare-each-instance");
    config.set("group.id", group);
    let context = ConsumerEar::new(place.connection.ear());
    let mut consumer: BaseConsumer<ConsumerEar> = create(&config, context)?;
    let hand = Arc::clone(&place.hand);
    consumer.set_nonempty_callback(move || hand.wake());
    Ok(consumer)
}

/// There is one subscriber.
pub(super) const HANDLE: u64 = 0;

/// Whether the thread of a subscription is to go on.
pub(super) struct Orders {
    is_to_finish: AtomicBool,
    hand: Arc<Hand>,
}

impl Orders {
    /// Nothing more is to be delivered.
    fn finish(&self) {
        self.is_to_finish.store(true, Ordering::Release);
        self.hand.wake();
    }

    pub(super) fn is_to_finish(&self) -> bool {
        self.is_to_finish.load(Ordering::Acquire)
    }
}

/// The deliveries of one subscription. Dropped, it ends the subscription.
pub(super) struct Subscribed {
    subscription: Subscription,
    orders: Arc<Orders>,
}

impl Stream for Subscribed {
    type Item = Result<Delivery, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.subscription).poll_next(cx)
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.orders.finish();
    }
}
