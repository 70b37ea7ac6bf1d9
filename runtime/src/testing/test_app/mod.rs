//! A service with its streamers in memory: what tests it.

mod clock;
mod questions;
mod record;
mod report;
mod seen;
mod settle;
mod streamer;

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

pub use seen::{Attempt, DeadLetter};

use crate::app::{App, Running, StandIn};
#[cfg(feature = "avro")]
use crate::codec::{Codec, avro};
use crate::error::{Error, Result};
use crate::event::cloudevents::extension::EXPIRY_TIME;
use crate::event::{Envelope, Event, EventId, Foreign, Message, Rfc3339, Topic, TopicName};
use crate::publisher::{PublishError, Publisher};
use record::Record;
use streamer::NotingStreamer;

/// A service under test: your [`App`] as it runs in production, with every streamer in memory and
/// on virtual time.
///
/// Give it the app that `main` runs, its states and all (fakes, where they reach outside of the
/// program); publish or deliver events; let it [`settle`](TestApp::settle); ask what happened.
///
#[cfg_attr(feature = "macros", doc = "```standalone_crate")]
#[cfg_attr(not(feature = "macros"), doc = "```ignore")]
/// use fanfare::prelude::*;
/// use fanfare::testing::TestApp;
/// use fanfare::Error;
///
/// #[derive(Streamers)]
/// pub struct Streamers {
///     pub main: Memory,
/// }
///
/// #[event(stream_to = streamer!("main", "posts"))]
/// #[derive(Debug, PartialEq)]
/// pub struct PostCreated {
///     pub title: String,
/// }
///
/// #[event_handler(streamed_from = streamer!("main", "posts"))]
/// async fn index_post(post: PostCreated, metadata: Metadata) -> Result<()> {
///     if post.title.is_empty() {
///         return Err(Error::reject("a post without a title"));
///     }
///     match metadata.attempt() {
///         1 => Err(Error::msg("the index is away")),
///         _ => Ok(()),
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// // In a test, this is the body of an `async fn` with `#[tokio::test]`.
/// let test = TestApp::start(App::new("blog")).await?;
/// let post = |title: &str| PostCreated { title: title.to_owned() };
/// test.publish(post("Hello")).await?;
/// test.deliver(streamer!("main", "posts"), post("")).await?;
/// test.settle().await?;
///
/// assert_eq!(test.handled::<PostCreated>("index_post"), [post("Hello")], "{test}");
/// assert_eq!(test.attempts("index_post").len(), 3);
/// assert_eq!(test.dead_letters()[0].reason, "a post without a title");
/// test.shutdown().await
/// # }
/// ```
///
/// # What is as in production
///
/// Everything but the streamers and the clock: checks, groups, order, attempts and their pauses,
/// dead letters, what a handler publishes, shutdown.
///
/// # What takes the place of a streamer
///
/// A [`Memory`](crate::streamers::Memory) for each streamer that the code mentions, whether the app
/// was given it or not: `.streamers(...)` may be left out. One that is given is never connected;
/// it is asked for the names of its
/// [dead letter topics](crate::streamer::Streamer::dead_letter_topic), and that is all. Each holds
/// up to 100,000 unacknowledged events for a group. Each is a memory of its own, which nothing else reaches: clones of one `Memory`, given as two streamers,
/// no longer share it. What is [ingested](crate::Ingester) or polled in production comes by
/// [`deliver`](TestApp::deliver), as the messages that the streamer would make of it.
///
/// A store is left out: what is published goes out at once, and the service's own handlers hear it
/// from memory. What is published [`within`](crate::Publisher::within) a transaction is written to
/// the database of that transaction, and goes no further; a mark that is
/// [made there](crate::Within::mark_handled) is not looked for. What a store does is tested with the app itself, on a store in a temporary folder.
///
/// # Virtual time
///
/// tokio's clock stands still while there is something to do, and then jumps to the next moment
/// for which somebody waits: a pause of 30 seconds takes no time, and 30 seconds of virtual time (and
/// perhaps a millisecond, for tokio's timers are never early). That takes tokio's current-thread
/// runtime, which `#[tokio::test]` is. `std`'s clocks go on as ever, and so do the `time`
/// attributes of events: none expires while the clock jumps. For one that has expired, deliver an
/// [`Envelope`] with an `expirytime` that has passed.
///
/// The trap: while a handler waits for something outside of the program (a socket, a process),
/// there is nothing to do, so the clock jumps, and every timeout is over at once. Give the app a
/// fake instead, or [start it in real time](TestApp::start_in_real_time).
///
/// # Memory
///
/// All that happens is kept until the `TestApp` is dropped. Dropping it stops the app as a crash
/// would.
#[must_use = "dropping it stops the app at once"]
pub struct TestApp {
    running: Running,
    streamers: Vec<Arc<NotingStreamer>>,
    record: Arc<Record>,
    real_time: bool,
}

/// The `source` of the events that a test delivers.
const ANOTHER_SERVICE: &str = "another-service";

impl TestApp {
    /// Starts the app on virtual time.
    ///
    /// # Errors
    /// Whatever keeps the app from starting, as [`App::start`], but for streamers that it was not
    /// given; a tokio runtime of another kind than `#[tokio::test]` makes.
    pub async fn start(app: App) -> Result<TestApp> {
        clock::take_over()?;
        TestApp::of(app, false).await
    }

    /// Starts the app on the clock as it is, on any tokio runtime: for a service whose handlers
    /// wait for something outside of the program. Its pauses take their time.
    ///
    /// # Errors
    /// As [`start`](TestApp::start).
    pub async fn start_in_real_time(app: App) -> Result<TestApp> {
        clock::runtime()?;
        TestApp::of(app, true).await
    }

    async fn of(app: App, real_time: bool) -> Result<TestApp> {
        let topology = app.topology();
        let record = Arc::new(Record::new());
        let mut streamers = Vec::new();
        let app = app.observed_by(Arc::clone(&record) as _);
        let app = app.with_stand_ins(&topology, |replaced| {
            let streamer = Arc::new(NotingStreamer::new(replaced, &record));
            streamers.push(Arc::clone(&streamer));
            StandIn::new(&streamer)
        });
        Ok(TestApp {
            running: app.start_as(topology).await?,
            streamers,
            record,
            real_time,
        })
    }

    /// Publishes an event as the service does outside of its handlers: to the topics that it is
    /// streamed to, and to the handlers of this service that hear its own events.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish<E: Event>(&self, event: E) -> Result<EventId, PublishError> {
        self.publisher().publish(event).await
    }

    /// What the service publishes with outside of its handlers.
    pub fn publisher(&self) -> Publisher {
        self.running.publisher()
    }

    /// Delivers an event as if another service, called `another-service`, had published it to the
    /// topic; whether this service ever publishes it makes no difference.
    ///
    /// # Errors
    /// When nobody listens on the topic, so that a test would wait for what cannot come; when the
    /// event makes no CloudEvent.
    pub async fn deliver<E: Event, S>(&self, topic: Topic<S>, event: E) -> Result<EventId> {
        let envelope = envelope(&event)?;
        let id = envelope.id().clone();
        self.deliver_message(topic, envelope).await?;
        Ok(id)
    }

    /// Delivers a message as it is: an [`Envelope`] with attributes of your choice, or a
    /// [`Foreign`] one, which is no CloudEvent.
    ///
    /// # Errors
    /// When nobody listens on the topic.
    pub async fn deliver_message<S>(
        &self,
        topic: Topic<S>,
        message: impl Into<Message>,
    ) -> Result<()> {
        let topic = topic.name();
        let mut streamers = self.streamers.iter();
        let heard = match streamers.find(|streamer| streamer.carries(&topic)) {
            Some(streamer) => streamer.deliver(topic.topic, message.into()).await?,
            None => false,
        };
        if heard {
            return Ok(());
        }
        Err(Error::msg(self.unheard(topic)))
    }

    /// Delivers bytes with nothing around them, as a message that is no CloudEvent: for what a
    /// handler cannot read.
    ///
    /// # Errors
    /// When nobody listens on the topic.
    pub async fn deliver_bytes<S>(&self, topic: Topic<S>, bytes: impl Into<Vec<u8>>) -> Result<()> {
        let foreign = Foreign::new(Bytes::from(bytes.into()));
        self.deliver_message(topic, foreign).await
    }

    /// Delivers a message in Avro as it is on the wire: a zero, the id of its schema, and what was written
    /// by it. A test asks no registry, so the writer's schema is given, and the id is of no account. The
    /// handlers get what they would in production; one of a [`RawEvent`](crate::handler::RawEvent) gets it
    /// as JSON.
    ///
    /// # Errors
    /// When it cannot be read by the schema, which in production makes a dead letter of it; when nobody
    /// listens on the topic.
    #[cfg(feature = "avro")]
    pub async fn deliver_avro<S>(
        &self,
        topic: Topic<S>,
        schema: &str,
        message: impl AsRef<[u8]>,
    ) -> Result<()> {
        let json = avro::message_to_json(schema, message.as_ref())?;
        let message = Foreign::new(json.into()).with_content_type(Codec::Json.content_type());
        self.deliver_message(topic, message).await
    }

    /// The app: its [counts](Running::counts) and its [topology](Running::topology).
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Shuts the app down, as [`Running::shutdown`] in production.
    ///
    /// # Errors
    /// As [`Running::shutdown`]; and when an event is left in a streamer that no handler is done
    /// with, which in production would come again.
    pub async fn shutdown(self) -> Result<()> {
        self.running.shutdown().await
    }

    fn unheard(&self, topic: TopicName) -> String {
        let subscriptions = self.running.topology().subscriptions.iter();
        let mut topics: Vec<_> = subscriptions
            .filter_map(|subscription| Some(format!("`{}`", subscription.topic?)))
            .collect();
        topics.sort();
        topics.dedup();
        let service = &self.running.topology().service;
        let where_it_listens = match topics.as_slice() {
            [] => "on none".to_owned(),
            topics => format!("on {}", topics.join(", ")),
        };
        format!(
            "nobody hears what is delivered to `{topic}`: `{service}` listens {where_it_listens}"
        )
    }
}

/// The event as another service publishes it.
fn envelope<E: Event>(event: &E) -> Result<Envelope> {
    let codec = E::CODEC.at_home();
    let payload = codec.write(event)?;
    let now = SystemTime::now();
    let mut envelope = Envelope::new(EventId::new(), ANOTHER_SERVICE, E::NAME)?
        .with_payload(codec.content_type(), payload)?
        .with_schema(E::SCHEMA)?
        .with_time(now)?;
    if let Some(expires) = E::EXPIRES_AFTER.and_then(|after| now.checked_add(after)) {
        envelope = envelope.with_extension(EXPIRY_TIME, Rfc3339(expires).to_string())?;
    }
    match event.key() {
        Some(key) if !key.is_empty() => Ok(envelope.with_key(&key)?),
        _ => Ok(envelope),
    }
}
