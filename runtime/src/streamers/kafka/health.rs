//! How a connection is, as far as it is known: kept up to date by the client's callbacks.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::watch;

use crate::streamer::StreamError;
use crate::streamer::queue::locked;

/// What is wrong.
pub(super) struct Health {
    /// Read on the way of every event; the rest only when something changes.
    is_bad: AtomicBool,
    is_closed: AtomicBool,
    troubles: Mutex<Troubles>,
    /// What makes a first connection hopeless.
    refusal: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct Troubles {
    /// Why no broker is reached, and since when.
    connection: Option<(String, Instant)>,
    /// Why a topic is not there, or not for us.
    topics: BTreeMap<String, String>,
    /// What went wrong last at a broker.
    last: Option<String>,
}

impl Health {
    pub(super) fn new() -> Self {
        Health {
            is_bad: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            troubles: Mutex::default(),
            refusal: watch::Sender::new(None),
        }
    }

    pub(super) fn check(&self) -> Result<(), StreamError> {
        if !self.is_bad.load(Ordering::Relaxed) {
            return Ok(());
        }
        let troubles = locked(&self.troubles);
        let connection = troubles.connection.iter();
        let connection = connection.map(|(why, _)| format!("no broker is reached: {why}"));
        let why: Vec<_> = connection
            .chain(troubles.topics.values().cloned())
            .collect();
        if why.is_empty() {
            return Ok(());
        }
        Err(StreamError::new(why.join("; ")))
    }

    /// What went wrong last: it may explain what follows.
    pub(super) fn explain(&self, why: &str) {
        locked(&self.troubles).last = Some(why.to_owned());
    }

    /// No broker is reached: whether that is news.
    pub(super) fn lost(&self, why: Option<&str>) -> bool {
        let mut troubles = locked(&self.troubles);
        let is_news = troubles.connection.is_none() && !self.is_closed();
        if is_news {
            let why = why.map(str::to_owned).or_else(|| troubles.last.clone());
            let why = why.unwrap_or_else(|| "all of them are down".to_owned());
            troubles.connection = Some((why, Instant::now()));
            self.is_bad.store(true, Ordering::Relaxed);
        }
        is_news
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_bad.load(Ordering::Relaxed) && locked(&self.troubles).connection.is_some()
    }

    /// A broker has answered.
    pub(super) fn reached(&self) {
        if !self.is_bad.load(Ordering::Relaxed) {
            return;
        }
        let mut troubles = locked(&self.troubles);
        if let Some((_, since)) = troubles.connection.take() {
            let after = since.elapsed();
            tracing::info!(?after, "Kafka is reached again");
        }
        self.is_bad
            .store(!troubles.topics.is_empty(), Ordering::Relaxed);
    }

    /// A topic cannot be used: whether that is news.
    pub(super) fn topic_fails(&self, topic: &str, why: &str) -> bool {
        let mut troubles = locked(&self.troubles);
        let why = format!("the topic `{topic}`: {why}");
        self.is_bad.store(true, Ordering::Relaxed);
        troubles.topics.insert(topic.to_owned(), why).is_none()
    }

    /// A topic can be used.
    pub(super) fn topic_works(&self, topic: &str) {
        if !self.is_bad.load(Ordering::Relaxed) {
            return;
        }
        let mut troubles = locked(&self.troubles);
        if troubles.topics.remove(topic).is_some() {
            tracing::info!(topic, "the topic can be used again");
        }
        let is_bad = troubles.connection.is_some() || !troubles.topics.is_empty();
        self.is_bad.store(is_bad, Ordering::Relaxed);
    }

    /// The broker lets nobody in who comes like this.
    pub(super) fn refuse(&self, why: &str) {
        self.refusal.send_replace(Some(why.to_owned()));
    }

    /// Waits until a broker does not let us in.
    pub(super) async fn refused(&self) -> String {
        let mut refusal = self.refusal.subscribe();
        let refused = refusal.wait_for(Option::is_some).await;
        // The sender is `self`.
        refused.ok().and_then(|why| why.clone()).unwrap_or_default()
    }

    pub(super) fn last_error(&self) -> Option<String> {
        let troubles = locked(&self.troubles);
        let connection = troubles.connection.as_ref();
        connection
            .map(|(why, _)| why.clone())
            .or_else(|| troubles.last.clone())
    }
}
