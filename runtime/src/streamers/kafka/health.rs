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
    /// Where the brokers are, for the log.
    brokers: String,
    /// Read on the way of every event; the rest only when something changes.
    is_bad: AtomicBool,
    is_closed: AtomicBool,
    troubles: Mutex<Troubles>,
    /// What makes a first connection hopeless.
    refusal: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct Troubles {
    outage: Option<Outage>,
    /// Why a topic is not there, or not for us, by who finds that.
    topics: BTreeMap<(String, User), String>,
    /// What went wrong last at a broker.
    last: Option<String>,
}

/// Who uses a topic: what one may do, another may not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum User {
    Publisher,
    /// Or those that read all, which are in no group.
    Group(Option<String>),
}

/// No broker is reached.
struct Outage {
    since: Instant,
    /// What is known of it comes before or after.
    is_said: bool,
}

impl Troubles {
    /// Why no broker is reached.
    fn why(&self) -> &str {
        self.last.as_deref().unwrap_or("no broker answers")
    }
}

impl Health {
    pub(super) fn new(brokers: String) -> Self {
        Health {
            brokers,
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
        let outage = troubles.outage.iter();
        let outage = outage.map(|_| format!("no broker is reached: {}", troubles.why()));
        let mut why: Vec<_> = outage.chain(troubles.topics.values().cloned()).collect();
        why.dedup();
        if why.is_empty() {
            return Ok(());
        }
        Err(StreamError::new(why.join("; ")))
    }

    /// What went wrong last: it explains why no broker is reached.
    pub(super) fn explain(&self, why: &str) {
        let mut troubles = locked(&self.troubles);
        troubles.last = Some(why.to_owned());
        self.say(&mut troubles);
    }

    /// No broker is reached: whether that is news.
    pub(super) fn lost(&self) -> bool {
        let mut troubles = locked(&self.troubles);
        let is_news = troubles.outage.is_none() && !self.is_closed();
        if is_news {
            troubles.outage = Some(Outage {
                since: Instant::now(),
                is_said: false,
            });
            self.is_bad.store(true, Ordering::Relaxed);
            if troubles.last.is_some() {
                self.say(&mut troubles);
            }
        }
        is_news
    }

    /// Says once that no broker is reached.
    fn say(&self, troubles: &mut Troubles) {
        if let Some(outage) = &mut troubles.outage
            && !std::mem::replace(&mut outage.is_said, true)
        {
            tracing::warn!(
                "the connection to Kafka at {} is lost, and tried again until it is back: {}",
                self.brokers,
                troubles.why()
            );
        }
    }

    /// Says so, if nothing that explains it came.
    pub(super) fn say_lost(&self) {
        self.say(&mut locked(&self.troubles));
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_bad.load(Ordering::Relaxed) && locked(&self.troubles).outage.is_some()
    }

    /// A broker has answered.
    pub(super) fn reached(&self) {
        if !self.is_bad.load(Ordering::Relaxed) {
            return;
        }
        let mut troubles = locked(&self.troubles);
        if let Some(outage) = troubles.outage.take() {
            let after = outage.since.elapsed();
            tracing::info!(?after, "Kafka at {} is reached again", self.brokers);
        }
        troubles.last = None;
        self.is_bad
            .store(!troubles.topics.is_empty(), Ordering::Relaxed);
    }

    /// A topic cannot be used: whether that is news.
    pub(super) fn topic_fails(&self, topic: &str, user: User, why: &str) -> bool {
        let mut troubles = locked(&self.troubles);
        let why = format!("the topic `{topic}`: {why}");
        self.is_bad.store(true, Ordering::Relaxed);
        let place = (topic.to_owned(), user);
        troubles.topics.insert(place, why).is_none()
    }

    /// A topic can be used.
    pub(super) fn topic_works(&self, topic: &str, user: &User) {
        if !self.is_bad.load(Ordering::Relaxed) {
            return;
        }
        let mut troubles = locked(&self.troubles);
        let place = (topic.to_owned(), user.clone());
        if troubles.topics.remove(&place).is_some() {
            tracing::info!(topic, "the topic can be used again");
        }
        let is_bad = troubles.outage.is_some() || !troubles.topics.is_empty();
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

    /// Why no broker was reached, as far as it is known.
    pub(super) fn why(&self) -> String {
        locked(&self.troubles).why().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Health, User};

    #[test]
    fn a_topic_that_cannot_be_read_is_ill_although_one_can_publish_to_it() {
        let health = Health::new("nowhere".into());
        let group = User::Group(Some("blog.index".into()));
        assert!(health.topic_fails("posts", group.clone(), "not for us"));
        health.topic_works("posts", &User::Publisher);
        assert!(health.check().is_err());
        health.topic_works("posts", &group);
        assert!(health.check().is_ok());
    }
}
