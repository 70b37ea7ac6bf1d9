//! A subscription at a consumer, over one connection.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::ReadyChunks;
use tokio::time::Instant;

use super::consumers::{self, Begin};
use super::desk::{Desk, Hold};
use super::link::Link;
use super::pump::ACK;
use super::session::{Session, lost, subject};
use super::topics::{self, StreamInfo};
use crate::streamer::StreamError;

/// How long a question for messages stands.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that it stands.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often a subscription that holds back looks whether it still has to.
pub(super) const GLANCE: Duration = Duration::from_millis(100);
/// How long it waits at the most to ask for one more message.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How many messages are taken at once.
const CHUNK: usize = 256;

/// Who subscribes.
pub(super) enum Whose {
    Group(String),
    Instance,
}

impl Whose {
    /// Whether the server wants to hear what becomes of messages.
    pub(super) fn answers(&self) -> bool {
        matches!(self, Whose::Group(_))
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whose::Group(name) => write!(f, "`{name}`"),
            Whose::Instance => f.write_str("this instance"),
        }
    }
}

/// How far a subscription has come.
#[derive(Default)]
pub(super) struct Begun {
    /// The highest number that has come, if the stream is known.
    highest: Option<u64>,
    /// When the stream was made.
    created: String,
}

impl Begun {
    pub(super) fn is_new(&self, sequence: u64) -> bool {
        self.highest.is_none_or(|highest| sequence > highest)
    }

    /// Whether it is the same stream still.
    pub(super) fn is_of(&self, stream: &StreamInfo) -> bool {
        self.created == stream.created
    }

    pub(super) fn note(&mut self, sequence: u64) {
        self.highest = self.highest.max(Some(sequence));
    }
}

/// The place of a delivery, as its address has it: `$JS.ACK.`, perhaps a domain and an account, and
/// then `<stream>.<consumer>.<delivered>.<stream's>.<consumer's>.<time>.<pending>`.
pub(super) struct Place {
    pub(super) stream: u64,
    pub(super) consumer: u64,
}

impl Place {
    pub(super) fn of(reply: &str) -> Option<Place> {
        let tokens = reply.strip_prefix("$JS.ACK.")?;
        // Newer servers write a domain, an account and a last token besides.
        let skipped = if tokens.split('.').count() >= 9 { 5 } else { 3 };
        let mut numbers = tokens.split('.').skip(skipped);
        let mut number = || numbers.next()?.parse().ok();
        Some(Place {
            stream: number()?,
            consumer: number()?,
        })
    }
}

pub(super) struct Attached {
    pub(super) session: Arc<Session>,
    pub(super) stream: String,
    pub(super) consumer: String,
    /// Where messages come in, and what that is called.
    pub(super) inbox: ReadyChunks<Subscriber>,
    pub(super) reply: String,
    /// Where to ask for messages.
    pub(super) next: String,
    /// How many messages were asked for and have not come.
    pub(super) asked: usize,
    pub(super) heard: Instant,
    pub(super) since: Instant,
    /// The last number of the consumer's own.
    counted: u64,
    pub(super) has_gap: bool,
    search: Search,
}

/// How what is held back for is looked for: the server gives it first, once it gives it again. So
/// one message is asked for now and then, which tells.
enum Search {
    /// It comes.
    Comes,
    /// It did not come yet, and is asked for at this time, and then after such a pause.
    At(Instant, Duration),
}

impl Attached {
    /// Waits for a connection, and finds or makes the consumer.
    pub(super) async fn attach(
        link: &Link,
        desk: &Desk,
        topic: &str,
        whose: &Whose,
        begun: &mut Begun,
        acknowledged: &mut VecDeque<(u64, String)>,
    ) -> Result<Attached, StreamError> {
        let session = link.next_session().await?;
        let stream = topics::find_or_create(link, &session, topic).await?;
        let info = topics::info(&session, &stream).await?;
        if !begun.is_of(&info) {
            if begun.highest.is_some() {
                tracing::warn!(
                    topic,
                    stream,
                    "the stream is another one now: it is read from its beginning"
                );
                begun.highest = Some(0);
                acknowledged.clear();
                desk.begin_anew();
            }
            begun.created = info.created;
        }
        let consumer = match whose {
            Whose::Group(group) => {
                // What was acknowledged of late may not have arrived.
                for (_, reply) in &*acknowledged {
                    let told = session.client.publish(subject(reply), ACK).await;
                    told.map_err(|_| lost(&session.server))?;
                }
                let begin = begun.highest.map_or(Begin::Now, |last| Begin::At(last + 1));
                let consumer = consumers::durable(link, &session, &stream, (group, topic), begin);
                let consumer = consumer.await?;
                // Those that others work on are not missing.
                let through = consumer.delivered.stream_seq;
                let missing = consumer.num_ack_pending.saturating_sub(desk.held(through));
                if missing > 0 && consumer.num_waiting == 0 {
                    desk.hold_back(Hold { through, missing });
                }
                begun.highest = begun.highest.max(Some(info.state.last_seq.min(through)));
                consumer
            }
            Whose::Instance => {
                let last = *begun.highest.get_or_insert(info.state.last_seq);
                consumers::for_instance(link, &session, &stream, topic, last + 1).await?
            }
        };
        let reply = session.client.new_inbox();
        let inbox = session.client.subscribe(reply.clone()).await;
        let inbox = inbox.map_err(|_| lost(&session.server))?;
        Ok(Attached {
            next: format!("CONSUMER.MSG.NEXT.{stream}.{}", consumer.name),
            session,
            stream,
            consumer: consumer.name,
            inbox: inbox.ready_chunks(CHUNK),
            reply,
            asked: 0,
            heard: Instant::now(),
            since: Instant::now(),
            counted: 0,
            has_gap: false,
            search: Search::At(Instant::now(), GLANCE),
        })
    }

    pub(super) fn question(messages: usize) -> Bytes {
        let (expires, heartbeat) = (EXPIRES.as_nanos(), HEARTBEAT.as_nanos());
        let question =
            format!(r#"{{"batch":{messages},"expires":{expires},"idle_heartbeat":{heartbeat}}}"#);
        question.into()
    }

    /// How many to ask for while there is a hold.
    pub(super) fn wanted(&self, hold: Hold) -> usize {
        match self.search {
            Search::Comes => usize::try_from(hold.missing).unwrap_or(usize::MAX),
            Search::At(time, _) => usize::from(time <= Instant::now()),
        }
    }

    /// Notes what came last while there is a hold.
    pub(super) fn note(&mut self, hold: Hold, sequence: u64) {
        self.search = if sequence <= hold.through {
            Search::Comes
        } else {
            let pause = match self.search {
                Search::Comes => GLANCE,
                Search::At(_, pause) => pause,
            };
            Search::At(Instant::now() + pause, LONGEST_PAUSE.min(pause * 2))
        };
    }

    /// Whether the server has said nothing for so long that it knows nothing of us.
    pub(super) fn is_silent(&self) -> bool {
        self.asked > 0 && self.heard.elapsed() > HEARTBEAT * 3
    }

    /// Counts a delivery where none comes a second time.
    pub(super) fn count(&mut self, consumers: u64) {
        self.has_gap |= consumers != self.counted + 1;
        self.counted = consumers;
    }

    /// What the server says beside messages. An error means that the consumer is gone.
    pub(super) fn hear(&mut self, status: StatusCode, message: &Message) -> Result<(), String> {
        let words = message.description.as_deref().unwrap_or_default();
        match status {
            StatusCode::IDLE_HEARTBEAT => return Ok(()),
            StatusCode::NO_RESPONDERS => return Err("the consumer is gone".to_owned()),
            StatusCode::TIMEOUT | StatusCode::NOT_FOUND => {}
            StatusCode::REQUEST_TERMINATED if is_over(words) => {}
            _ => {
                return Err(format!(
                    "the server ends the subscription: {status} {words}"
                ));
            }
        }
        // A question has ended, and so many messages of it will not come.
        let headers = message.headers.as_ref();
        let left = headers.and_then(|headers| headers.get("Nats-Pending-Messages"));
        let left = left.and_then(|left| left.as_str().parse().ok());
        self.asked = self.asked.saturating_sub(left.unwrap_or(self.asked));
        Ok(())
    }
}

/// Whether a question has ended that may be asked again.
fn is_over(words: &str) -> bool {
    words != "Consumer Deleted" && !words.starts_with("Exceeded")
}
