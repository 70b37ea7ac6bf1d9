//! The task of one subscription: it asks the server for messages, and tells it what becomes of them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::Request;
use async_nats::{Message, StatusCode};
use backon::BackoffBuilder;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::attached::{Attached, Begun, GLANCE, Place, Whose};
use super::consumers;
use super::desk::{Arrival, Desk, Settled};
use super::link::Link;
use super::session::Session;
use super::wire;
use crate::streamers::times::{LONGEST_PAUSE, PAUSES};

/// How long to stay with a consumer at least: one that is lost again and again makes no spin.
const LEAST: Duration = Duration::from_secs(1);
/// How much later than it should a message may come again.
const SLACK: Duration = Duration::from_secs(2);

pub(super) struct Pump {
    pub(super) link: Arc<Link>,
    pub(super) desk: Arc<Desk>,
    pub(super) topic: String,
    pub(super) whose: Whose,
    /// What has come so far.
    pub(super) begun: Begun,
    /// The last messages that were acknowledged, with where: what was lost of it with a connection
    /// is said again over the next.
    pub(super) acknowledged: VecDeque<(u64, String)>,
    pub(super) beat: u32,
    /// Which of the subscriptions it is.
    pub(super) number: u64,
}

/// Why a pump is no longer at work on what it is attached to.
enum Left {
    /// The subscription has ended.
    Ended,
    /// The connection has.
    Over,
    /// There is something wrong with the consumer.
    Lost(String),
}

impl Pump {
    /// Until the subscription has ended, and all it had in its hands is settled.
    pub(super) async fn run(mut self, mut attached: Attached) {
        loop {
            let left = self.work(&mut attached).await;
            if let Left::Ended = left {
                return self.end(attached).await;
            }
            if let Left::Lost(why) = left {
                tracing::warn!(topic = self.topic, group = %self.whose, "{why}; the consumer is looked for again");
                sleep_until(attached.since + LEAST).await;
            }
            self.take_what_is_there(&mut attached).await;
            // The old inbox is given up: what was on its way to it comes again.
            drop(attached);
            let Some(again) = self.attach_again().await else {
                self.link.set_trouble(self.number, None);
                return self.settle_rest(None).await;
            };
            attached = again;
        }
    }

    async fn work(&mut self, attached: &mut Attached) -> Left {
        let session = Arc::clone(&attached.session);
        let (link, desk) = (Arc::clone(&self.link), Arc::clone(&self.desk));
        let mut beats = interval(self.link.options.ack_wait / 3);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut glance = Instant::now();
        loop {
            if desk.has_ended() {
                return Left::Ended;
            }
            if !self.tell(&session).await || !self.ask(attached).await {
                return Left::Over;
            }
            let is_holding = desk.hold().is_some();
            tokio::select! {
                biased;
                () = link.closing.cancelled() => {
                    desk.close();
                    return Left::Ended;
                }
                () = session.over.cancelled() => return Left::Over,
                // What has its time goes before what may come without end.
                _ = beats.tick() => {
                    self.work_on(&session).await;
                    // It may have said what nobody has read yet.
                    if attached.is_silent() && !self.take_what_is_there(attached).await {
                        return Left::Lost("the server says nothing of the consumer".to_owned());
                    }
                }
                () = sleep_until(glance), if is_holding => {
                    self.look_at_hold(attached).await;
                    glance = Instant::now() + GLANCE;
                }
                () = desk.news.notified() => {}
                messages = attached.inbox.next() => {
                    let Some(messages) = messages else { return Left::Over };
                    if let Err(why) = self.take(attached, messages).await {
                        return Left::Lost(why);
                    }
                }
            }
        }
    }

    /// Tells the server what has become of messages; whether it could be told.
    pub(super) async fn tell(&mut self, session: &Session) -> bool {
        let mut is_told = true;
        for settled in self.desk.settled() {
            if settled.is_done {
                self.note_done(&settled);
            }
            // One that could not be told is told again, with the others of late.
            let word = if settled.is_done { ACK } else { NAK };
            is_told = is_told && session.client.publish(settled.reply, word).await.is_ok();
        }
        is_told
    }

    fn note_done(&mut self, settled: &Settled) {
        // As many as the server may wait for. The address is copied: it is part of all that was
        // read with it.
        if self.acknowledged.len() >= 2 * self.desk.capacity.max(64) {
            self.acknowledged.pop_front();
        }
        let reply = settled.reply.as_str().to_owned();
        self.acknowledged.push_back((settled.sequence, reply));
    }

    /// Says of what it holds that it is worked on, so that nobody else is given it.
    pub(super) async fn work_on(&mut self, session: &Session) {
        self.beat = self.beat.wrapping_add(1);
        if self.whose.answers() {
            for reply in self.desk.worked_on(self.beat) {
                // Without a connection nothing can be said.
                let _ = session.client.publish(reply, WORKING).await;
            }
        }
    }

    /// Asks for as many messages as there is room for, once that is worth it.
    async fn ask(&self, attached: &mut Attached) -> bool {
        let wanted = match self.desk.hold() {
            None => self.desk.room(),
            Some(hold) => attached.wanted(hold),
        };
        let room = wanted.saturating_sub(attached.asked);
        if room == 0 || (attached.asked > 0 && room < self.desk.capacity / 2) {
            return true;
        }
        let question = Request::new()
            .payload(Attached::question(room))
            .inbox(attached.reply.clone());
        let subject = attached.next.clone();
        let asked = attached.session.jetstream.send_request(subject, question);
        attached.asked += room;
        attached.heard = Instant::now();
        asked.await.is_ok()
    }

    pub(super) async fn take(
        &mut self,
        attached: &mut Attached,
        messages: Vec<Message>,
    ) -> Result<(), String> {
        attached.heard = Instant::now();
        let mut arrivals = Vec::with_capacity(messages.len());
        let mut lost = Ok(());
        for message in messages {
            match message.status {
                None | Some(StatusCode::OK) => {
                    attached.asked = attached.asked.saturating_sub(1);
                    arrivals.extend(self.arrival(attached, message).await);
                }
                Some(status) => lost = lost.and(attached.hear(status, &message)),
            }
        }
        if let (Some(hold), Some(last)) = (self.desk.hold(), arrivals.last()) {
            attached.note(hold, last.sequence);
        }
        self.desk.take_in(arrivals, self.beat);
        if attached.has_gap {
            lost = lost.and(Err("messages were lost on the way".to_owned()));
        }
        lost
    }

    async fn arrival(&mut self, attached: &mut Attached, message: Message) -> Option<Arrival> {
        let reply = message.reply?;
        let place = Place::of(&reply)?;
        let is_new = self.begun.is_new(place.stream);
        if !self.whose.answers() {
            attached.count(place.consumer);
            if attached.has_gap || !is_new {
                return None;
            }
        } else if !is_new {
            // The acknowledgement was lost, or is on its way.
            let mut acknowledged = self.acknowledged.iter();
            if acknowledged.any(|(sequence, _)| *sequence == place.stream) {
                let _ = attached.session.client.publish(reply, ACK).await;
                return None;
            }
        }
        self.begun.note(place.stream);
        Some(Arrival {
            sequence: place.stream,
            reply,
            message: wire::read(message.headers.as_ref(), message.payload),
        })
    }

    /// Whether what is held back for is still to come.
    async fn look_at_hold(&self, attached: &Attached) {
        if self.desk.hold().is_none() {
            return;
        }
        let limit = self.link.options.ack_wait + SLACK;
        let is_over = attached.since.elapsed() > limit || {
            let (session, stream) = (&attached.session, &attached.stream);
            let info = consumers::info(session, stream, &attached.consumer).await;
            info.is_ok_and(|info| {
                // All that is under way anywhere is here.
                info.num_ack_pending <= self.desk.held(u64::MAX)
            })
        };
        if is_over {
            self.desk.hold_no_more();
        }
    }

    /// Until there is a consumer to ask again, or the subscription has ended.
    async fn attach_again(&mut self) -> Option<Attached> {
        let mut pauses = PAUSES.build();
        let mut last = String::new();
        loop {
            let attached = tokio::select! {
                biased;
                () = self.link.closing.cancelled() => {
                    self.desk.close();
                    return None;
                }
                () = ended(&self.desk) => return None,
                attached = Attached::attach(&self.link, &self.desk, &self.topic, &self.whose, &mut self.begun, &mut self.acknowledged) => attached,
            };
            let error = match attached {
                Ok(attached) => {
                    if !last.is_empty() {
                        tracing::info!(topic = self.topic, group = %self.whose, "the subscription stands again");
                    }
                    self.link.set_trouble(self.number, None);
                    return Some(attached);
                }
                Err(error) => error.to_string(),
            };
            if error != last {
                tracing::warn!(topic = self.topic, group = %self.whose, "no events come: {error}; it is tried again with growing pauses");
                let trouble = format!(
                    "no events of `{}` come to {}: {error}",
                    self.topic, self.whose
                );
                self.link.set_trouble(self.number, Some(trouble));
                last = error;
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.link.closing.cancelled() => {}
                () = ended(&self.desk) => {}
            }
        }
    }

    /// Takes what has come; whether there was anything.
    pub(super) async fn take_what_is_there(&mut self, attached: &mut Attached) -> bool {
        let mut was_there = false;
        while let Some(Some(messages)) = attached.inbox.next().now_or_never() {
            was_there = true;
            // What is wrong with the consumer is known, or does not matter any more.
            let _ = self.take(attached, messages).await;
        }
        was_there
    }
}

async fn ended(desk: &Desk) {
    while !desk.has_ended() {
        desk.news.notified().await;
    }
}

// What the server understands of a message.
pub(super) const ACK: Bytes = Bytes::from_static(b"+ACK");
const NAK: Bytes = Bytes::from_static(b"-NAK");
const WORKING: Bytes = Bytes::from_static(b"+WPI");
