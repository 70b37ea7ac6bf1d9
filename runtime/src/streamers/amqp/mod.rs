//! A streamer on `RabbitMQ`, by AMQP 0.9.1.
//!
//! Two connections are kept, one for each direction, since a broker without memory blocks those that
//! publish ([`link`]). A topic is an exchange; a group has queues of its own ([`topology`]), each
//! with a channel of its own as long as this instance consumes it ([`stint`]).

mod batch;
mod begun;
mod connect;
mod gather;
mod leads;
mod link;
mod management;
mod message;
mod names;
mod options;
mod publish;
mod queues;
mod stint;
mod subscribe;
mod topology;
mod with;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::batch::report_all;
use self::connect::Dial;
use self::link::Link;
use self::options::Options;
use self::publish::Publisher;
use self::queues::Queues;
use self::subscribe::Consumption;

use super::{Secret, Tls, state};
use crate::streamer::{
    Deliver, Deliveries, Durable, Group, Groups, Leftover, Needs, OrderedByKey, Outgoing, Publish,
    Source, StreamError, Streamer, Subscribe, SubscriptionRequest,
};

pub use self::options::{QueueType, Unroutable};

/// How long closing may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A streamer on `RabbitMQ`, by AMQP 0.9.1.
///
/// A topic is a durable exchange of type `topic`; its name has at most 255 bytes. A group has a
/// durable queue `<topic>/<group>` that is bound to the exchange by `#`, and gets everything: the
/// routing key of an event is its key.
///
/// - **Publishing** is confirmed by the broker, each event by itself. What is published at the same
///   time goes in batches; one that fails stops no other, but for those behind it of its key. An event
///   is persistent, and kept where a queue takes it: it survives a crash of the broker, once it is
///   confirmed. What no queue takes is gone, and reported as [unheard](Outgoing::report_unheard), or
///   as an error ([`Unroutable`]). While the broker is away, or blocks us, publishing waits, no longer
///   than [its timeout](Amqp::with_publish_timeout). What was sent when a connection broke, and was
///   not confirmed, is sent again: it may come twice, the second time behind later ones.
/// - **Order.** Of each queue one consumer is active, and those of other instances wait in line
///   (`x-single-active-consumer`); when it goes, the broker puts back what it had in its old place
///   before the next one gets anything. So all events of a stream come in the order of their
///   publishing, and those of a key too, across instances and crashes.
/// - **Sharing.** With one stream, which is what a group has if nothing is said, one instance of a
///   service does all the work of a handler, and the others stand by. With
///   [several](Amqp::with_streams) the instances share the streams; events of one key go to one of
///   them. One that starts later gets its share within some seconds, if the queues are
///   [classic](QueueType::Classic): of quorum queues the broker does not tell how many wait in line,
///   so it waits until another one goes.
/// - **Acknowledgements** are sent when handlers are done. The broker sends `max_in_flight` events
///   ahead of them, for each stream. What is released is kept here, and comes again before any later
///   one of its stream; the broker has it back when the subscription ends. How often it was tried is
///   known to this instance alone: a crash forgets it, as `RabbitMQ` has no place for it.
///   It gives up a consumer that holds an event for more than 30 minutes (its `consumer_timeout`):
///   then all that is in flight comes again.
/// - **When a connection is lost** it is opened again, with growing pauses. What is in flight is
///   not begun any more, and what was begun is finished before anything new comes, so that nothing is
///   handled twice at once here; then it comes again, although it may have been handled.
/// - **A group of one instance** has a queue `<topic>/instance/<id>`, which it deletes in the end.
///   Should it not come to that, the broker does, 10 minutes later; an instance that was away for as
///   long has missed what was published.
/// - **Positions** are numbers of the instance's own: the microsecond in which an event came, or one
///   more than the last.
/// - **On the wire** an event is a `CloudEvent` of the [AMQP binding](crate::event::cloudevents::AMQP).
///   A message that is none is read with its headers, numbers and times as text, tables as JSON, and
///   arrays of texts as headers of one name; and with the properties `message-id`,
///   `correlation-id`, `reply-to`, `type` and `app-id` as headers. Headers come sorted by their names. A routing
///   key that begins with `~` is no key: it spreads what has none, or stands for one that is no text
///   or is longer than 255 bytes; a key that begins so has another `~` before it.
/// - **Limits.** A payload has at most [128 MiB](Amqp::with_max_message_size), headers have 127 KiB
///   together and 255 bytes in a name or a media type: what is larger is
///   [refused](StreamError::refused). So is an event whose routing key this user may not write (the
///   broker's topic permissions).
///
/// Its client library logs too, under `lapin`: every message that came back with its payload, for
/// one (`lapin::returned_messages`).
///
/// ```no_run
/// use fanfare::prelude::*;
/// use fanfare::streamers::{Amqp, Secret};
///
/// #[derive(Streamers)]
/// struct Streamers {
///     main: Amqp,
/// }
///
/// #[event(stream_to = streamer!("main", "posts"), key = post_id)]
/// struct PostCreated {
///     post_id: u64,
/// }
///
/// #[event_handler(streamed_from = streamer!("main", "posts"), guarantee(durable, ordered))]
/// async fn index_post(post: PostCreated) -> Result<()> {
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let main = Amqp::new("amqps://rabbitmq.example.org/blog")
///     .with_login("blog", Secret::from_env("RABBITMQ_PASSWORD"))
///     .with_create_topics(true);
/// App::new("blog").streamers(Streamers { main }).run().await
/// # }
/// ```
///
/// From a file or the environment it is read as a table, in which everything but the address may be
/// left out:
///
/// ```
/// use fanfare::streamers::Amqp;
///
/// let amqp: Amqp = serde_json::from_str(r#"{
///     "url": "amqps://rabbitmq.example.org/blog",
///     "user": "blog", "password": {"env": "RABBITMQ_PASSWORD"},
///     "tls": {"authority": "/etc/blog/ca.pem"},
///     "management": "https://rabbitmq.example.org:15671",
///     "create_topics": true, "publish_timeout": "10s", "streams": 4,
///     "queue_type": "classic", "unroutable": "warn", "structured_events": false,
///     "max_message_size": 1048576, "queue_arguments": {"x-queue-mode": "lazy"},
///     "exchange_arguments": {"alternate-exchange": "lost"},
///     "client_properties": {"team": "blog"}
/// }"#)?;
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Deserialize)]
#[serde(from = "Options")]
pub struct Amqp {
    options: Arc<Options>,
    open: OnceLock<Open>,
    closed: CancellationToken,
}

/// What there is once it is connected.
struct Open {
    dial: Arc<Dial>,
    publisher: Arc<Publisher>,
    consumption: Arc<Consumption>,
    /// Ends the connections, after all that goes through them.
    ended: CancellationToken,
}

impl Amqp {
    fn open(&self) -> Result<&Open, StreamError> {
        if self.closed.is_cancelled() {
            return Err(state::closed());
        }
        self.open.get().ok_or_else(state::not_connected)
    }
}

impl From<Options> for Amqp {
    fn from(options: Options) -> Self {
        Amqp {
            options: Arc::new(options),
            open: OnceLock::new(),
            closed: CancellationToken::new(),
        }
    }
}

impl fmt::Debug for Amqp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amqp")
            .field("options", &self.options)
            .field("closed", &self.closed.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Streamer for Amqp {
    async fn connect(&self) -> Result<(), StreamError> {
        if self.closed.is_cancelled() {
            return Err(state::closed());
        }
        if self.open.get().is_some() {
            return Err(state::connected_already());
        }
        self.options.check()?;
        let dial = Arc::new(Dial::new(&self.options)?);
        let ended = CancellationToken::new();
        // Where it comes to nothing, or is given up half way, what was opened is ended.
        let unless_open = ended.clone().drop_guard();
        let open_link = |purpose| Link::open(Arc::clone(&dial), purpose, ended.clone());
        let publishing = open_link("publishing").await?;
        let consuming = open_link("consuming").await?;
        let options = Arc::clone(&self.options);
        let consumption = Consumption::new(consuming, Arc::clone(&options), self.closed.clone());
        let open = Open {
            publisher: Arc::new(Publisher::new(publishing, options)),
            consumption: Arc::new(consumption),
            dial,
            ended,
        };
        let known = self.open.set(open);
        known.map_err(|_| state::connected_already())?;
        unless_open.disarm();
        Ok(())
    }

    async fn prepare(&self, needs: &Needs) -> Result<(), StreamError> {
        let open = self.open()?;
        if self.options.streams.get() > 1 && !needs.subscribed.is_empty() {
            let dialed = open.dial.dial("fanfare, looking").await?;
            topology::look_for_hashing(&dialed.connection).await?;
            // One that is lost meanwhile is closed too.
            let _ = dialed.connection.close(200, "OK".into()).await;
        }
        topology::prepare(&open.publisher.link, needs, &self.options).await
    }

    fn check(&self) -> Result<(), StreamError> {
        self.options.check()?;
        Dial::address(&self.options).map(drop)
    }

    fn health(&self) -> Result<(), StreamError> {
        let open = self.open()?;
        open.publisher.link.health()?;
        open.consumption.link.health()?;
        open.consumption.health()
    }

    async fn leftovers(&self, needs: &Needs) -> Result<Vec<Leftover>, StreamError> {
        management::leftovers(&self.open()?.dial, &self.options, needs).await
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), StreamError> {
        management::remove(&self.open()?.publisher.link, leftover).await
    }

    async fn close(&self) -> Result<(), StreamError> {
        self.closed.cancel();
        let Some(open) = self.open.get() else {
            return Ok(());
        };
        let tasks = &open.consumption.tasks;
        tasks.close();
        let settled = timeout(PATIENCE, tasks.wait()).await;
        open.ended.cancel();
        let links = async {
            tokio::join!(open.publisher.link.close(), open.consumption.link.close());
        };
        // What is lost meanwhile is closed too.
        let _ = timeout(PATIENCE, links).await;
        settled.map_err(|_| {
            StreamError::new(
                "some deliveries are still in the hands of handlers; RabbitMQ delivers them again",
            )
        })
    }
}

impl Drop for Amqp {
    fn drop(&mut self) {
        self.closed.cancel();
        if let Some(open) = self.open.get() {
            open.ended.cancel();
        }
    }
}

impl Publish for Amqp {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        match self.open() {
            Ok(open) => open.publisher.publish(topic, batch).await,
            Err(error) => report_all(batch, &error.to_string()),
        }
    }
}

impl Subscribe for Amqp {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        let SubscriptionRequest {
            topic,
            group,
            max_in_flight,
        } = request;
        let queues = match group {
            Group::Shared(group) => Queues::shared(topic, &group, &self.options)?,
            Group::EachInstance => Queues::of_one_instance(topic)?,
        };
        let consumption = &self.open()?.consumption;
        consumption.subscribe(queues, max_in_flight).await
    }
}

impl Deliver for Amqp {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Durable for Amqp {}

impl Groups for Amqp {}

impl OrderedByKey for Amqp {}
