//! A streamer that is watched, and fails on demand.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fanfare::streamer::{
    Acknowledge, Deliver, Deliveries, Delivery, Group, Groups, Outgoing, Position, Publish,
    Settlement, Source, StreamError, Streamer, Subscribe, SubscriptionRequest,
};
use fanfare::streamers::Memory;
use futures_util::StreamExt;
use tokio::sync::watch;

use crate::in_time;

/// A [`Memory`] that notes what is done with it, and fails on demand. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Spy {
    memory: Arc<Memory>,
    seen: watch::Sender<Vec<String>>,
    acknowledged: watch::Sender<usize>,
    failing: Arc<Failing>,
}

#[derive(Debug, Default)]
struct Failing {
    connects: AtomicUsize,
    subscribes: AtomicUsize,
    publishes: AtomicUsize,
    hangs: AtomicBool,
    closes: AtomicUsize,
}

impl Spy {
    /// Watches this memory.
    pub fn of(memory: Memory) -> Self {
        Spy {
            memory: Arc::new(memory),
            ..Spy::default()
        }
    }

    /// Another connection to the same memory.
    #[must_use]
    pub fn another(&self) -> Self {
        Spy::of(self.memory().clone())
    }

    /// The memory underneath, for what is not to be noted.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// What was done, in order: `connect`, `subscribe <topic> <group>`, `publish <topic>`,
    /// `close`.
    pub fn seen(&self) -> Vec<String> {
        self.seen.borrow().clone()
    }

    /// Waits until this was done so many times.
    ///
    /// # Panics
    /// When it is not.
    pub async fn sees(&self, what: &str, times: usize) {
        let mut seen = self.seen.subscribe();
        let done = |seen: &Vec<String>| seen.iter().filter(|seen| *seen == what).count() >= times;
        in_time(what, seen.wait_for(done)).await.expect("a spy");
    }

    /// Waits until so many deliveries were acknowledged: by then they are counted.
    ///
    /// # Panics
    /// When they are not.
    pub async fn acknowledged(&self, times: usize) {
        let mut acknowledged = self.acknowledged.subscribe();
        let enough = |acknowledged: &usize| *acknowledged >= times;
        let waiting = acknowledged.wait_for(enough);
        in_time("acknowledged", waiting).await.expect("a spy");
    }

    /// Lets the next so many connects fail.
    #[must_use]
    pub fn failing_connects(self, times: usize) -> Self {
        self.failing.connects.store(times, Ordering::SeqCst);
        self
    }

    /// Lets the next so many subscriptions fail.
    #[must_use]
    pub fn failing_subscribes(self, times: usize) -> Self {
        self.failing.subscribes.store(times, Ordering::SeqCst);
        self
    }

    /// Lets subscriptions take for ever.
    #[must_use]
    pub fn hanging_subscribes(self) -> Self {
        self.failing.hangs.store(true, Ordering::SeqCst);
        self
    }

    /// Lets the next so many closes fail.
    #[must_use]
    pub fn failing_closes(self, times: usize) -> Self {
        self.failing.closes.store(times, Ordering::SeqCst);
        self
    }

    /// Lets the next so many publishes fail.
    pub fn fail_publishes(&self, times: usize) {
        self.failing.publishes.store(times, Ordering::SeqCst);
    }

    fn note(&self, what: impl Into<String>) {
        self.seen.send_modify(|seen| seen.push(what.into()));
    }
}

/// An error, as long as there are any left.
fn fail(left: &AtomicUsize, what: &str) -> Result<(), StreamError> {
    let fewer = |left: usize| left.checked_sub(1);
    match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer) {
        Ok(_) => Err(StreamError::new(format!(
            "the spy was told to fail at {what}"
        ))),
        Err(_) => Ok(()),
    }
}

impl Streamer for Spy {
    async fn connect(&self) -> Result<(), StreamError> {
        self.note("connect");
        fail(&self.failing.connects, "connecting")
    }

    async fn close(&self) -> Result<(), StreamError> {
        self.note("close");
        fail(&self.failing.closes, "closing")?;
        self.memory.close().await
    }
}

impl Publish for Spy {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        self.note(format!("publish {topic}"));
        match fail(&self.failing.publishes, "publishing") {
            Ok(()) => self.memory.publish(topic, batch).await,
            Err(error) => {
                for outgoing in batch {
                    outgoing.report(Err(StreamError::new(error.to_string())));
                }
            }
        }
    }
}

impl Subscribe for Spy {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        let group = match &request.group {
            Group::Shared(name) => name,
            Group::EachInstance => "each instance",
        };
        self.note(format!("subscribe {} {group}", request.topic));
        fail(&self.failing.subscribes, "subscribing")?;
        if self.failing.hangs.load(Ordering::SeqCst) {
            return pending().await;
        }
        let deliveries = self.memory.subscribe(request).await?;
        let acknowledged = self.acknowledged.clone();
        let watched = move |delivery| Watched::over(delivery, &acknowledged);
        Ok(Box::pin(deliveries.map(move |next| next.map(&watched))))
    }
}

impl Deliver for Spy {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Groups for Spy {}

/// A delivery underneath, until it is settled.
struct Watched {
    delivery: Mutex<Option<Delivery>>,
    acknowledged: watch::Sender<usize>,
}

impl Watched {
    fn over(delivery: Delivery, acknowledged: &watch::Sender<usize>) -> Delivery {
        let (message, stream) = (delivery.message().clone(), delivery.stream().clone());
        let (position, attempts) = (delivery.position().clone(), delivery.attempts());
        let watched = Watched {
            delivery: Mutex::new(Some(delivery)),
            acknowledged: acknowledged.clone(),
        };
        Delivery::new(message, stream, position, Arc::new(watched)).with_attempts(attempts)
    }
}

impl Acknowledge for Watched {
    fn settle(&self, _stream: &str, _position: &Position, settlement: Settlement) {
        let mut delivery = self.delivery.lock().unwrap_or_else(PoisonError::into_inner);
        let delivery = delivery.take().expect("settled once");
        match settlement {
            Settlement::Acknowledged => {
                delivery.acknowledge();
                self.acknowledged.send_modify(|times| *times += 1);
            }
            Settlement::Released { delay, attempts } => {
                delivery.with_attempts(attempts).release(delay);
            }
        }
    }
}
