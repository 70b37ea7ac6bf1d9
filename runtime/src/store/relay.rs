//! From the log to a topic.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBackoff};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::place::{PAUSES, Place, persist};
use super::wake::Wake;
use super::{DeadLetter, Ownership, Start, Store, StoreError, Which};
use crate::event::{Envelope, Message, TopicName};
use crate::streamer::{Outgoing, PublishAny, StreamError};

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
                Ok(Left::GivenBack) => {
                    tracing::info!(topic = %self.topic, "another instance is to stream the events");
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
        while !place.ownership.is_asked_back() {
            waking.forget();
            let page = place.next(BATCH).await?;
            if page.events.is_empty() {
                if !place.passed(page.up_to).await? {
                    return Ok(Left::Lost);
                }
                tokio::select! {
                    biased;
                    () = place.ownership.lost() => return Ok(Left::Lost),
                    () = place.ownership.asked_back() => break,
                    () = waking.woken() => continue,
                    () = self.stop.cancelled() => {}
                }
                // What was published while it stopped is streamed too.
                let page = place.next(BATCH).await?;
                if page.events.is_empty() {
                    place.done(page.up_to).await?;
                    return Ok(Left::Caught);
                }
                place.read = page.events[0].0.saturating_sub(1);
                continue;
            }
            let up_to = match self.publish(page.events, &place.ownership).await {
                Ok(up_to) => up_to,
                Err(left) => return Ok(left),
            };
            if !place.done(up_to).await? {
                return Ok(Left::Lost);
            }
        }
        Ok(Left::GivenBack)
    }

    /// Publishes until each is confirmed, or refused for good: to the position of the last one.
    /// One that is asked back, and fails, ends before the first that is not confirmed. One that is
    /// to stop and cannot go on, or has lost the right, may have published some that come again.
    async fn publish(
        &self,
        events: Vec<(u64, Envelope)>,
        ownership: &Ownership,
    ) -> Result<u64, Left> {
        let last = events.last().map_or(0, |(position, _)| *position);
        let mut left = events;
        let mut pauses: Option<ExponentialBackoff> = None;
        let mut tries = 0;
        loop {
            if ownership.is_lost() {
                return Err(Left::Lost);
            }
            tries += 1;
            let tried = ownership.unless_lost(self.try_once(left, tries)).await;
            let (failed, error) = match tried.ok_or(Left::Lost)?.ok_or(Left::Caught)? {
                (_, None) => return Ok(last),
                (failed, Some(error)) => (failed, error),
            };
            let pauses = pauses.get_or_insert_with(|| PAUSES.build());
            let pause = pauses.next().unwrap_or(Duration::from_secs(30));
            tracing::warn!(
                topic = %self.topic, waiting = failed.len(), %error,
                "events could not be streamed; they are kept, and tried again in {pause:?}"
            );
            tokio::select! {
                biased;
                () = ownership.lost() => return Err(Left::Lost),
                () = self.stop.cancelled() => return Err(Left::Caught),
                // Another instance may reach the streamer.
                () = ownership.asked_back() => {
                    let first = failed.first().map_or(last + 1, |(position, _)| *position);
                    return Ok(first.saturating_sub(1));
                }
                () = sleep(pause) => {}
            }
            left = failed;
        }
    }

    /// Publishes once: those that failed, in their order, and why the first did. `None` when it is
    /// to stop.
    async fn try_once(
        &self,
        events: Vec<(u64, Envelope)>,
        tries: u32,
    ) -> Option<(Vec<(u64, Envelope)>, Option<StreamError>)> {
        let (positions, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        let outgoing = events
            .into_iter()
            .map(|event| Outgoing::new(Message::Event(event)));
        let mut batch: Vec<_> = outgoing.collect();
        self.streamer.publish(self.topic.topic, &mut batch).await;
        let (mut failed, mut first) = (Vec::new(), None);
        for (position, outgoing) in positions.into_iter().zip(batch) {
            let message = outgoing.message().clone();
            match outgoing.into_result() {
                Ok(()) => {}
                Err(error) if error.is_refusal() => {
                    self.bury(message, tries, error.to_string()).await?;
                }
                Err(error) => {
                    first.get_or_insert(error);
                    failed.extend(message.into_event().map(|event| (position, event)));
                }
            }
        }
        Some((failed, first))
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
    /// Another instance is to have it.
    GivenBack,
}
