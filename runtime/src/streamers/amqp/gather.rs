//! What many publish at the same time, in batches: a channel for each event would cost more than
//! the event.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::batch::report_all;
use super::publish::Publisher;
use crate::streamer::Outgoing;
use crate::streamer::queue::locked;

/// The most batches of one topic that are on their way at once.
const AT_ONCE: usize = 8;

/// A batch of so many events takes no more calls.
pub(super) const FULL: usize = 64;

/// What is to be published, by topic.
#[derive(Default)]
pub(super) struct Gathering(Mutex<HashMap<String, Waiting>>);

#[derive(Default)]
struct Waiting {
    /// No more than a batch, or twice as many as waited when it was last looked who has given up.
    calls: Vec<Call>,
    /// How many there may be before that is looked for again.
    enough: usize,
    /// How many batches are on their way.
    slots: usize,
}

impl Waiting {
    fn push(&mut self, call: Call) {
        // While the broker stands still nobody gathers them, and callers come and go.
        if self.calls.len() >= self.enough.max(FULL) {
            self.forget_those_gone();
            self.enough = 2 * self.calls.len();
        }
        self.calls.push(call);
    }

    fn forget_those_gone(&mut self) {
        self.calls.retain(|call| !call.reply.is_closed());
    }
}

/// A call that waits for its batch.
struct Call {
    outgoing: Vec<Outgoing>,
    reply: oneshot::Sender<Vec<Outgoing>>,
}

/// What a call does next.
enum Turn {
    Publish(Slot),
    Wait(oneshot::Receiver<Vec<Outgoing>>),
}

impl Publisher {
    /// Publishes at once, or else in a batch with what others publish meanwhile; and reports each.
    pub(super) async fn publish_gathered(self: &Arc<Self>, topic: &str, outgoing: &mut [Outgoing]) {
        let reported = match self.turn(topic, outgoing) {
            Turn::Publish(_slot) => return self.publish_batch(topic, outgoing).await,
            Turn::Wait(reported) => timeout_at(self.deadline(), reported).await,
        };
        match reported {
            Ok(Ok(reported)) => {
                for (outgoing, reported) in outgoing.iter_mut().zip(reported) {
                    *outgoing = reported;
                }
            }
            Ok(Err(_)) => report_all(outgoing, "it was given up before it was confirmed"),
            Err(_) => report_all(outgoing, &self.late().to_string()),
        }
    }

    fn turn(self: &Arc<Self>, topic: &str, outgoing: &[Outgoing]) -> Turn {
        let mut topics = locked(&self.gathering.0);
        let waiting = match topics.get_mut(topic) {
            Some(waiting) => waiting,
            None => topics.entry(topic.to_owned()).or_default(),
        };
        if waiting.slots < AT_ONCE {
            waiting.slots += 1;
            return Turn::Publish(Slot {
                publisher: Arc::clone(self),
                topic: topic.to_owned(),
                is_begun: true,
            });
        }
        let (reply, reported) = oneshot::channel();
        let same = |it: &Outgoing| Outgoing::new(it.message().clone());
        let outgoing = outgoing.iter().map(same).collect();
        waiting.push(Call { outgoing, reply });
        Turn::Wait(reported)
    }

    /// The next batch, without those who have given up.
    fn gathered(&self, topic: &str) -> Vec<Call> {
        let mut topics = locked(&self.gathering.0);
        let Some(waiting) = topics.get_mut(topic) else {
            return Vec::new();
        };
        waiting.forget_those_gone();
        let mut count = 0;
        let full = waiting.calls.iter().position(|call| {
            count += call.outgoing.len();
            count >= FULL
        });
        let calls = full.map_or(waiting.calls.len(), |last| last + 1);
        waiting.calls.drain(..calls).collect()
    }
}

/// The right to have one batch on its way. Dropped, it goes to those who wait.
struct Slot {
    publisher: Arc<Publisher>,
    topic: String,
    /// Where its task was never begun, the runtime is ending.
    is_begun: bool,
}

impl Slot {
    /// One batch after the other, until nobody waits.
    async fn publish_gathered(mut self) {
        self.is_begun = true;
        loop {
            let calls = self.publisher.gathered(&self.topic);
            if calls.is_empty() {
                return;
            }
            let counts: Vec<_> = calls.iter().map(|call| call.outgoing.len()).collect();
            let (mut batch, mut replies) = (Vec::new(), Vec::new());
            for call in calls {
                batch.extend(call.outgoing);
                replies.push(call.reply);
            }
            self.publisher.publish_batch(&self.topic, &mut batch).await;
            let mut reported = batch.into_iter();
            for (reply, count) in replies.into_iter().zip(counts) {
                // Whoever has given up does not hear it.
                let _ = reply.send(reported.by_ref().take(count).collect());
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut topics = locked(&self.publisher.gathering.0);
        let Some(waiting) = topics.get_mut(&self.topic) else {
            return;
        };
        match Handle::try_current() {
            Ok(runtime) if self.is_begun && !waiting.calls.is_empty() => {
                drop(topics);
                let next = Slot {
                    publisher: Arc::clone(&self.publisher),
                    topic: std::mem::take(&mut self.topic),
                    is_begun: false,
                };
                runtime.spawn(next.publish_gathered());
            }
            _ => waiting.slots -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_given_up_do_not_pile_up() {
        let mut waiting = Waiting::default();
        let mut call = || {
            let (reply, reported) = oneshot::channel();
            let outgoing = Vec::new();
            waiting.push(Call { outgoing, reply });
            (reported, waiting.calls.len())
        };
        let patient: Vec<_> = (0..100).map(|_| call().0).collect();
        let most = (0..10_000).map(|_| call().1).max();
        assert!(most <= Some(200), "{most:?}");
        drop(patient);
        let most = (0..10_000).map(|_| call().1).last();
        assert!(most <= Some(FULL), "{most:?}");
    }

    #[test]
    fn those_who_wait_are_kept() {
        let mut waiting = Waiting::default();
        let patient: Vec<_> = (0..1000)
            .map(|_| {
                let (reply, reported) = oneshot::channel();
                let outgoing = Vec::new();
                waiting.push(Call { outgoing, reply });
                reported
            })
            .collect();
        assert_eq!(waiting.calls.len(), patient.len());
        assert!(waiting.calls.iter().all(|call| !call.reply.is_closed()));
    }
}
