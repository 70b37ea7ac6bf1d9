//! Publishing: all of a batch under way at once, in one order, until each is confirmed.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use backon::BackoffBuilder;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::flight::{Outcome, Ticket};
use super::link::{Link, PIECE, PIECES};
use super::session::{Session, lost, subject};
use super::topics;
use super::wire::Outbound;
use crate::streamer::{Outgoing, StreamError};
use crate::streamers::times::{LONGEST_PAUSE, PAUSES};

/// The most messages that are sent before the first is confirmed.
const WINDOW: usize = 512;

/// How the sending of one window ended.
enum Sent {
    /// Each has its outcome.
    All,
    /// The connection was lost.
    Broken,
    /// The time is over.
    Late,
}

pub(super) async fn publish(link: &Arc<Link>, topic: &str, batch: &mut [Outgoing]) {
    let patience = link.options.publish_timeout;
    let deadline = Instant::now().checked_add(patience);
    let deadline = deadline.unwrap_or_else(|| Instant::now() + Duration::from_hours(24 * 365));
    let mut publishing = Publishing {
        link,
        topic,
        deadline,
        left: (0..batch.len()).collect(),
        batch,
        failed_keys: HashSet::new(),
        why: None,
    };
    if publishing.left.is_empty() {
        return;
    }
    if let Err(error) = topics::check(topic) {
        return publishing.give_up(|| StreamError::refused(error.to_string()));
    }
    match timeout_at(deadline, publishing.run()).await {
        Ok(Ok(())) => {}
        Ok(Err(closed)) => {
            let closed = closed.to_string();
            publishing.give_up(|| StreamError::new(closed.clone()));
        }
        Err(_) => {
            let health = link.session().err().map(|error| error.to_string());
            let why = publishing.why.take().or(health);
            let why = why.unwrap_or_else(|| "JetStream does not answer".to_owned());
            publishing.give_up(|| {
                StreamError::new(format!(
                    "`{topic}` has not confirmed the event within {patience:?}: {why}"
                ))
            });
        }
    }
}

struct Publishing<'a> {
    link: &'a Arc<Link>,
    topic: &'a str,
    deadline: Instant,
    batch: &'a mut [Outgoing],
    /// The places of those that nothing is known of yet, in the order of the batch.
    left: Vec<usize>,
    /// The keys of what has failed: what is not sent yet of them is not sent.
    failed_keys: HashSet<Vec<u8>>,
    /// Why it takes so long.
    why: Option<String>,
}

impl Publishing<'_> {
    /// Until each message is reported, or for ever once the time is over. An error when the streamer
    /// is closed.
    ///
    /// One connection is one order, in which the server stores. So where it breaks, or there is no
    /// stream yet, everything from the first that is not confirmed is sent again; what had been
    /// stored already is known by its id. Where it is not known whether a stream is there, the first
    /// goes alone: one that comes to be in the middle of a batch would take the later half.
    async fn run(&mut self) -> Result<(), StreamError> {
        let mut pauses = PAUSES.build();
        while !self.left.is_empty() {
            let session = self.link.next_session().await?;
            let window = if session.has_stored(self.topic) {
                self.window()
            } else {
                1
            };
            let pieces = self.left[..window]
                .iter()
                .map(|at| self.pieces(*at))
                .sum::<u32>();
            // The semaphore is never closed.
            let Ok(room) = self.link.room.acquire_many(pieces.min(PIECES)).await else {
                return Ok(());
            };
            let ticket = session.flights.begin(window);
            let sent = self.send(&session, window, &ticket).await;
            let is_away = self.report(&session, ticket.outcomes());
            drop(room);
            if is_away {
                self.make_stream(&session).await;
                let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
                sleep(pause.min(Duration::from_secs(1))).await;
            }
            match sent {
                Sent::All => {}
                Sent::Broken => self.why = Some(lost(&session.server).to_string()),
                // Nothing is sent once more: it ends here.
                Sent::Late => pending().await,
            }
        }
        Ok(())
    }

    /// Makes the stream again where that is allowed: who only publishes may be alone with the topic.
    async fn make_stream(&mut self, session: &Session) {
        if self.link.options.create_topics {
            let made = topics::find_or_create(self.link, session, self.topic).await;
            self.why = made.err().map(|error| error.to_string());
        }
    }

    /// How many of those left go together.
    fn window(&self) -> usize {
        let mut pieces = 0;
        let fits = |at: &&usize| {
            pieces += self.pieces(**at);
            pieces <= PIECES / 4
        };
        let fitting = self.left.iter().take(WINDOW).take_while(fits).count();
        fitting.max(1)
    }

    /// How much room a message takes.
    fn pieces(&self, at: usize) -> u32 {
        let bytes = self.batch[at].message().payload().len();
        u32::try_from(bytes / PIECE + 1).map_or(PIECES / 4, |pieces| pieces.min(PIECES / 4))
    }

    async fn send(&self, session: &Session, window: usize, ticket: &Ticket<'_>) -> Sent {
        let structured = self.link.options.structured_events;
        let sending = async {
            let subject = subject(self.topic);
            for (index, at) in self.left[..window].iter().enumerate() {
                let message = self.batch[*at].message();
                let outbound = match Outbound::of(message, self.topic, structured) {
                    Ok(outbound) => outbound,
                    Err(refusal) => {
                        ticket.set(index, Outcome::Refused(refusal.to_string()));
                        continue;
                    }
                };
                let sent = session.client.publish_with_reply_and_headers(
                    subject.clone(),
                    ticket.reply(index),
                    outbound.headers,
                    outbound.payload,
                );
                match sent.await.map_err(|error| (error.kind(), error)) {
                    Ok(()) => {}
                    Err((PublishErrorKind::Send, _)) => return Sent::Broken,
                    Err((_, error)) => ticket.set(index, Outcome::Refused(error.to_string())),
                }
            }
            ticket.landed().await;
            Sent::All
        };
        tokio::select! {
            biased;
            sent = sending => sent,
            () = session.over.cancelled() => Sent::Broken,
            () = sleep_until(self.deadline) => Sent::Late,
        }
    }

    /// Reports what is known, and keeps the rest; says whether there is no stream.
    fn report(&mut self, session: &Session, outcomes: Vec<Option<Outcome>>) -> bool {
        let mut outcomes = outcomes.into_iter();
        let mut is_away = false;
        let mut has_stored = false;
        let Publishing {
            left,
            batch,
            failed_keys,
            topic,
            ..
        } = self;
        left.retain(|at| {
            let outgoing = &mut batch[*at];
            match outcomes.next().flatten() {
                Some(Outcome::Stored) => {
                    has_stored = true;
                    outgoing.report(Ok(()));
                }
                Some(Outcome::Refused(why)) => {
                    let error = format!("NATS refuses the event for `{topic}`: {why}");
                    outgoing.report(Err(StreamError::refused(error)));
                }
                Some(Outcome::Failed(why)) => {
                    let error = format!("the stream of `{topic}` does not take the event: {why}");
                    outgoing.report(Err(StreamError::new(error)));
                    failed_keys.extend(outgoing.message().key().map(<[u8]>::to_vec));
                }
                Some(Outcome::NoStream) => {
                    is_away = true;
                    return true;
                }
                None => return true,
            }
            false
        });
        if is_away {
            self.why = Some("no JetStream stream captures it".to_owned());
        }
        if is_away || has_stored {
            session.note_stored(self.topic, has_stored && !is_away);
        }
        self.drop_failed_keys();
        is_away
    }

    /// What has not been sent of a key that has failed is not to overtake what has.
    fn drop_failed_keys(&mut self) {
        if self.failed_keys.is_empty() {
            return;
        }
        let Publishing {
            left,
            batch,
            failed_keys,
            topic,
            ..
        } = self;
        left.retain(|at| {
            let outgoing = &mut batch[*at];
            let key = outgoing.message().key();
            let is_behind = key.is_some_and(|key| failed_keys.contains(key));
            if is_behind {
                let error = format!("an earlier event of its key was not taken by `{topic}`");
                outgoing.report(Err(StreamError::new(error)));
            }
            !is_behind
        });
    }

    fn give_up(&mut self, error: impl Fn() -> StreamError) {
        for at in self.left.drain(..) {
            self.batch[at].report(Err(error()));
        }
    }
}
