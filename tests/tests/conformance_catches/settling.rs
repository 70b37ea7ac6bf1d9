//! What goes wrong with acknowledgements.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fanfare::streamer::{
    Acknowledge, Deliveries, Delivery, Position, Settlement, StreamError, Streamer,
};
use fanfare::streamers::Memory;
use fanfare_tests::try_publish;
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::broken::{Broken, Fault};

/// A delivery that is settled by other rules.
struct Settles<F> {
    inner: Mutex<Option<Delivery>>,
    settle: F,
}

impl<F: Fn(Delivery, Settlement) + Send + Sync + 'static> Acknowledge for Settles<F> {
    fn settle(&self, _stream: &str, _position: &Position, settlement: Settlement) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(delivery) = inner.take() {
            (self.settle)(delivery, settlement);
        }
    }
}

fn settling(
    delivery: Delivery,
    settle: impl Fn(Delivery, Settlement) + Send + Sync + 'static,
) -> Delivery {
    let message = delivery.message().clone();
    let (stream, position) = (delivery.stream().clone(), delivery.position().clone());
    let inner = Mutex::new(Some(delivery));
    Delivery::new(
        message,
        stream,
        position,
        Arc::new(Settles { inner, settle }),
    )
}

fn each(
    deliveries: Deliveries,
    change: impl FnMut(Delivery) -> Delivery + Send + 'static,
) -> Deliveries {
    let mut change = change;
    Box::pin(deliveries.map(move |delivery| delivery.map(&mut change)))
}

pub(crate) struct AcknowledgesEarly;

impl Fault for AcknowledgesEarly {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        each(deliveries, |delivery| {
            let unheard = copy(&delivery);
            delivery.acknowledge();
            unheard
        })
    }
}

/// What is released goes behind all that is there.
pub(crate) struct RequeuesAtTheEnd;

impl Fault for RequeuesAtTheEnd {
    fn deliveries(broken: &Broken<Self>, topic: &str, deliveries: Deliveries) -> Deliveries {
        let (memory, topic) = (Arc::new(broken.memory.clone()), topic.to_owned());
        each(deliveries, move |delivery| {
            let (memory, topic) = (Arc::clone(&memory), topic.clone());
            settling(delivery, move |delivery, settlement| {
                if settlement != Settlement::Acknowledged {
                    requeue(Arc::clone(&memory), topic.clone(), &delivery);
                }
                delivery.acknowledge();
            })
        })
    }
}

fn requeue(memory: Arc<Memory>, topic: String, delivery: &Delivery) {
    let message = delivery.message().clone();
    tokio::spawn(async move { try_publish(&*memory, &topic, message).await });
}

/// It takes everything for lost at once, and delivers it again.
pub(crate) struct DeliversAgainTooSoon;

impl Fault for DeliversAgainTooSoon {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        Box::pin(deliveries.flat_map(|delivery| {
            let again = delivery.as_ref().ok().map(|delivery| Ok(copy(delivery)));
            stream::iter([Some(delivery), again].into_iter().flatten())
        }))
    }
}

/// The same delivery, that nobody hears being settled.
fn copy(delivery: &Delivery) -> Delivery {
    let message = delivery.message().clone();
    let (stream, position) = (delivery.stream().clone(), delivery.position().clone());
    let inner = Mutex::new(None);
    let settle = |_, _| {};
    Delivery::new(
        message,
        stream,
        position,
        Arc::new(Settles { inner, settle }),
    )
}

/// It takes for lost what is in flight for long, and delivers it again.
pub(crate) struct DeliversAgainWhatTakesLong;

impl Fault for DeliversAgainWhatTakesLong {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        let (again, mut late) = mpsc::channel(5_000);
        let late = stream::poll_fn(move |cx| late.poll_recv(cx));
        let on_time = each(deliveries, move |delivery| {
            let (settled, waits) = oneshot::channel::<()>();
            let (again, copy) = (again.clone(), copy(&delivery));
            tokio::spawn(async move {
                if timeout(Duration::from_millis(10), waits).await.is_err() {
                    // Nobody is there to hear it, if the subscription is gone.
                    let _ = again.send(Ok(copy)).await;
                }
            });
            let settled = Mutex::new(Some(settled));
            settling(delivery, move |delivery, settlement| {
                settled
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take();
                settle(delivery, settlement);
            })
        });
        Box::pin(stream::select(on_time, late))
    }
}

/// Settles it as was said, but for the attempts.
fn settle(delivery: Delivery, settlement: Settlement) {
    match settlement {
        Settlement::Acknowledged => delivery.acknowledge(),
        Settlement::Released { delay, .. } => delivery.release(delay),
    }
}

/// All subscriptions of a connection share what it has room for.
pub(crate) struct SharesItsRoom;

impl Fault for SharesItsRoom {
    fn deliveries(broken: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        let room = Arc::clone(&broken.room);
        Box::pin(deliveries.then(move |delivery| {
            let room = Arc::clone(&room);
            async move {
                let place = room.acquire_owned().await.map_err(StreamError::new)?;
                let place = Mutex::new(Some(place));
                Ok(settling(delivery?, move |delivery, settlement| {
                    place.lock().unwrap_or_else(PoisonError::into_inner).take();
                    settle(delivery, settlement);
                }))
            }
        }))
    }
}

/// It counts the deliveries, from 1, for the attempts that were made.
pub(crate) struct CountsDeliveries;

impl Fault for CountsDeliveries {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        each(deliveries, |delivery| {
            let delivered = delivery.attempts() + 1;
            delivery.with_attempts(delivered)
        })
    }
}

/// Everything comes again, for ever.
pub(crate) struct IgnoresAcknowledgements;

impl Fault for IgnoresAcknowledgements {
    const PATIENCE: Duration = Duration::from_secs(1);

    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        each(deliveries, |delivery| {
            settling(delivery, |delivery, _| drop(delivery))
        })
    }
}

/// What is acknowledged is heard by the subscription, and by nobody when that is gone.
pub(crate) struct DeafAfterUnsubscribing;

impl Fault for DeafAfterUnsubscribing {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        let subscribed = Arc::new(());
        each(deliveries, move |delivery| {
            let subscribed = Arc::downgrade(&subscribed);
            settling(delivery, move |delivery, settlement| {
                if subscribed.strong_count() > 0 && settlement == Settlement::Acknowledged {
                    delivery.acknowledge();
                }
            })
        })
    }
}

/// What comes again comes as if for the first time.
pub(crate) struct ForgetsAttempts;

impl Fault for ForgetsAttempts {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        each(deliveries, |delivery| settling(delivery, settle))
    }
}

pub(crate) struct IgnoresDelays;

impl Fault for IgnoresDelays {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        each(deliveries, |delivery| {
            settling(delivery, |delivery, settlement| match settlement {
                Settlement::Acknowledged => delivery.acknowledge(),
                Settlement::Released { .. } => delivery.release(Duration::ZERO),
            })
        })
    }
}

/// It sends acknowledgements ten at a time, and the last ones never.
pub(crate) struct LosesAcknowledgementsAtClose;

impl Fault for LosesAcknowledgementsAtClose {
    fn deliveries(_: &Broken<Self>, _: &str, deliveries: Deliveries) -> Deliveries {
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        each(deliveries, move |delivery| {
            let acknowledged = Arc::clone(&acknowledged);
            settling(delivery, move |delivery, settlement| {
                if settlement != Settlement::Acknowledged {
                    return drop(delivery);
                }
                let mut acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
                acknowledged.push(delivery);
                if acknowledged.len() == 10 {
                    acknowledged.drain(..).for_each(Delivery::acknowledge);
                }
            })
        })
    }
}

pub(crate) struct HangsAtClose;

impl Fault for HangsAtClose {
    async fn close(broken: &Broken<Self>) -> Result<(), StreamError> {
        Streamer::close(&broken.memory).await?;
        pending().await
    }
}
