//! From the log to a topic.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::place::{PAUSES, Place, persist};
use super::wake::Wake;
use super::{DeadLetter, Start, Store, StoreError, Which};
use crate::event::{Envelope, Message, TopicName};
use crate::streamer::{Outgoing, PublishAny};

/// The most events that are streamed at once.
const BATCH: usize = 500;

/// Streams what is stored to one topic, in the order of the log, and remembers how far it came
/// when the streamer has confirmed it.
pub(crate) struct Relay {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) topic: TopicName,
    pub(crate) streamer: Arc<dyn PublishAny>,
    /// The names of the events that go there.
    pub(crate) events: Vec<String>,
    pub(crate) wake: Wake,
    /// Ends it when it has caught up, or cannot go on.
    pub(crate) stop: CancellationToken,
}

impl Relay {
    /// The cursor of a topic.
    pub(crate) fn cursor(topic: &TopicName) -> String {
        format!("{}:{topic}", topic.set)
    }

    /// Until it is stopped.
    pub(crate) async fn run(self) {
        let cursor = Relay::cursor(&self.topic);
        let of = Which::Named(self.events.clone());
        loop {
            let (start, of) = (Start::Now, of.clone());
            let taken = Place::take(&self.store, &cursor, start, of, &self.stop).await;
            let Some(mut place) = taken else { return };
            match self.stream(&mut place).await {
                Ok(Left::Caught) => return,
                Ok(Left::Lost) => {
                    tracing::warn!(topic = %self.topic, "another instance streams the events now");
                }
                Err(error) => {
                    tracing::warn!(topic = %self.topic, %error, "the store fails while events are streamed");
                }
            }
            drop(place);
            let pause = PAUSES.build().next().unwrap_or_default();
            if self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn stream(&self, place: &mut Place) -> Result<Left, StoreError> {
        let mut waking = self.wake.listen();
        let mut page = place.next(BATCH).await?;
        // Where the cursor is to go.
        let mut confirmed = None;
        loop {
            if page.events.is_empty() {
                let noted = match confirmed.take() {
                    Some(up_to) => place.done(up_to).await?,
                    None => place.passed(page.up_to).await?,
                };
                if !noted {
                    return Ok(Left::Lost);
                }
                let is_to_stop = tokio::select! {
                    biased;
                    () = place.ownership.lost() => return Ok(Left::Lost),
                    () = waking.woken() => false,
                    () = self.stop.cancelled() => true,
                };
                waking.forget();
                page = place.next(BATCH).await?;
                // What was published while it stopped is streamed too.
                if page.events.is_empty() && is_to_stop {
                    place.done(page.up_to).await?;
                    return Ok(Left::Caught);
                }
                continue;
            }
            waking.forget();
            // While these are published, the cursor is moved behind those before them, and the
            // next are read.
            let ahead = place.done_and_next(confirmed.take(), BATCH);
            let (published, ahead) = tokio::join!(self.publish(page.events), ahead);
            let Some(up_to) = published else {
                return Ok(Left::Caught);
            };
            match ahead? {
                Some(next) => (page, confirmed) = (next, Some(up_to)),
                None => return Ok(Left::Lost),
            }
        }
    }

    /// Publishes until each is confirmed, or refused for good: to the position of the last one.
    /// `None` when it is to stop and cannot go on; then some may be published, and come again.
    async fn publish(&self, events: Vec<(u64, Envelope)>) -> Option<u64> {
        let (last, _) = *events.last().as_ref()?;
        let last = *last;
        let mut left: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
        let mut pauses: Option<ExponentialBackoff> = None;
        let mut tries = 0;
        loop {
            tries += 1;
            let outgoing = left
                .into_iter()
                .map(|event| Outgoing::new(Message::Event(event)));
            let mut batch: Vec<_> = outgoing.collect();
            self.streamer.publish(self.topic.topic, &mut batch).await;
            let mut failed = None;
            left = Vec::new();
            for outgoing in batch {
                let message = outgoing.message().clone();
                match outgoing.into_result() {
                    Ok(()) => {}
                    Err(error) if error.is_refusal() => {
                        self.bury(message, tries, error.to_string()).await?;
                    }
                    Err(error) => {
                        failed.get_or_insert(error);
                        left.extend(message.into_event());
                    }
                }
            }
            let Some(error) = failed else {
                return Some(last);
            };
            let pauses = pauses.get_or_insert_with(|| PAUSES.build());
            let pause = pauses.next().unwrap_or(Duration::from_secs(30));
            tracing::warn!(
                topic = %self.topic, waiting = left.len(), %error,
                "events could not be streamed; they are kept, and tried again in {pause:?}"
            );
            self.stop.run_until_cancelled(sleep(pause)).await?;
        }
    }

    /// Keeps what the streamer refuses, so that it blocks nothing behind it.
    async fn bury(&self, message: Message, attempts: u32, reason: String) -> Option<()> {
        let letter = DeadLetter {
            handler: self.topic.to_string(),
            origin: format!("the log, to {}", self.topic),
            reason,
            attempts,
            time: SystemTime::now(),
            message,
        };
        let number = persist("dead letters", &self.stop, || self.store.bury(&letter)).await?;
        tracing::error!(
            topic = %self.topic, number, id = letter.message.event().map(|event| event.id().to_string()),
            error = letter.reason, "the streamer refuses the event for good; it is a dead letter in the store"
        );
        Some(())
    }
}

/// Why the streaming has ended.
enum Left {
    /// It was to stop, and has caught up or cannot go on.
    Caught,
    /// Another instance has the cursor.
    Lost,
}
