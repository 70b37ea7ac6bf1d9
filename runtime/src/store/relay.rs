//! From the log to a topic.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::FutureExt;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::place::{Pauses, Place, REST, Seat, persist};
use super::wake::Wake;
use super::{DeadLetter, Ownership, Start, Store, StoreError, Which};
use crate::error::words_of;
use crate::event::{Envelope, Message, TopicName};
use crate::streamer::{Outgoing, PublishAny, StreamError};

/// The most events that are streamed at once.
const BATCH: usize = 500;

/// Streams what is stored to one topic, in the order of the log, and remembers how far it came
/// when the streamer has confirmed it.
///
/// It has a cursor for each event that goes there: one that this program does not know, because
/// it is of another version, is left to the program that does.
pub(crate) struct Relay {
    pub(crate) store: Arc<dyn Store>,
    /// The topic's name in the store: see [`Topology::log_name`](crate::topology::Topology).
    pub(crate) name: String,
    pub(crate) topic: TopicName,
    pub(crate) streamer: Arc<dyn PublishAny>,
    /// The names of the events that go there.
    pub(crate) events: BTreeSet<&'static str>,
    pub(crate) wake: Wake,
    /// Ends it when it has caught up, or cannot go on.
    pub(crate) stop: CancellationToken,
}

impl Relay {
    /// The cursor of an event on its way to a topic.
    pub(crate) fn cursor(name: &str, event: &str) -> String {
        format!("{name}:{event}")
    }

    fn seat(&self) -> Seat {
        let events = || self.events.iter().map(|event| (*event).to_owned());
        let cursor = |event: String| (Relay::cursor(&self.name, &event), Some(event));
        Seat {
            right: self.name.clone(),
            cursors: events().map(cursor).collect(),
            start: Start::Now,
            of: Which::Named(events().collect()),
        }
    }

    /// Until it is stopped.
    pub(crate) async fn run(self) {
        let seat = self.seat();
        let mut pauses = Pauses::default();
        loop {
            let taken = Place::take(&self.store, &seat, &self.stop).await;
            let Some(mut place) = taken else { return };
            pauses.begin();
            let streamed = AssertUnwindSafe(self.stream(&mut place)).catch_unwind();
            match streamed.await {
                Ok(Ok(Left::Caught)) => return,
                Ok(Ok(Left::Lost)) => {
                    tracing::warn!(topic = %self.topic, "the right to stream the events is lost, to another instance or with its connection: it is asked for again");
                }
                Ok(Ok(Left::GivenBack)) => {
                    tracing::info!(topic = %self.topic, "another instance is to stream the events");
                }
                Ok(Err(error)) => {
                    tracing::warn!(topic = %self.topic, %error, "the store fails while events are streamed");
                }
                Err(panic) => {
                    let words = words_of(&*panic);
                    tracing::error!(topic = %self.topic, "the streamer or the store has panicked ({words}); it is tried again");
                }
            }
            drop(place);
            let pause = pauses.next();
            if self.stop.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    async fn stream(&self, place: &mut Place) -> Result<Left, StoreError> {
        let ownership = Arc::clone(&place.ownership);
        let mut waking = self.wake.listen();
        let mut page = place.next(BATCH).await?;
        // Where the cursors are to go.
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
                    () = ownership.lost() => return Ok(Left::Lost),
                    () = ownership.asked_back() => return Ok(Left::GivenBack),
                    () = waking.woken() => false,
                    () = sleep(REST) => {
                        if !place.rest().await? {
                            return Ok(Left::Lost);
                        }
                        false
                    }
                    () = self.stop.cancelled() => true,
                };
                waking.forget();
                page = place.next(BATCH).await?;
                // What was published while it stopped is streamed too.
                if page.events.is_empty() && is_to_stop {
                    place.left(page.up_to).await?;
                    return Ok(Left::Caught);
                }
                continue;
            }
            waking.forget();
            // While these are published, the cursors are moved behind those before them, and the
            // next are read.
            let ahead = place.done_and_next(confirmed.take(), BATCH);
            let (published, ahead) = tokio::join!(self.publish(page.events, &ownership), ahead);
            let up_to = match published {
                Ok(up_to) => up_to,
                Err(left) => return Ok(left),
            };
            let Some(next) = ahead? else {
                return Ok(Left::Lost);
            };
            if ownership.is_asked_back() {
                let is_done = place.done(up_to).await?;
                return Ok(if is_done { Left::GivenBack } else { Left::Lost });
            }
            (page, confirmed) = (next, Some(up_to));
        }
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
        let mut pauses = Pauses::default();
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
            let pause = pauses.next();
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
