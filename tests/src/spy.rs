//! A streamer that is watched, and fails on demand.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fanfare::streamer::{
    Deliver, Deliveries, Group, Groups, Outgoing, Publish, Source, StreamError, Streamer,
    Subscribe, SubscriptionRequest,
};
use fanfare::streamers::Memory;

/// A [`Memory`] that notes what is done with it, and fails on demand. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Spy {
    memory: Arc<Memory>,
    seen: Arc<Mutex<Vec<String>>>,
    failing: Arc<Failing>,
}

#[derive(Debug, Default)]
struct Failing {
    connects: AtomicUsize,
    subscribes: AtomicUsize,
    publishes: AtomicUsize,
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
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
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
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(what.into());
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
        self.memory.subscribe(request).await
    }
}

impl Deliver for Spy {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Groups for Spy {}
