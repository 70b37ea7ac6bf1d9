//! A streamer on NATS, with `JetStream`.

mod api;
mod attached;
mod consumers;
mod desk;
mod flight;
mod leave;
mod link;
mod options;
mod publish;
mod pump;
mod session;
mod subscribe;
mod topics;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use self::link::Link;
use self::options::Settings;
use super::{Secret, Tls};
use crate::streamer::{
    Deliver, Deliveries, Durable, Groups, Guarantee, Leftover, Needs, Outgoing, Publish, Source,
    StreamError, Streamer, Subscribe, SubscriptionRequest,
};

/// A streamer on NATS, with `JetStream`: server 2.10 or later.
///
/// ```no_run
/// use fanfare::streamers::{Nats, Secret};
///
/// let nats = Nats::new("nats://nats-1:4222, nats://nats-2:4222")
///     .with_login("blog", Secret::from_env("NATS_PASSWORD"))
///     .with_create_topics(true)
///     .with_replicas(3);
/// # let _ = nats;
/// ```
///
/// - **A topic** is a subject that a stream of `JetStream` captures. The stream may capture others
///   too, and may have any name. [`with_create_topics`](Nats::with_create_topics) makes the missing
///   ones, each with one subject, files as storage, no limit, and an error for who publishes where
///   the server's own limits are reached.
/// - **Published** is what the stream has confirmed. All of a batch is under way at once, in order.
///   Where the connection breaks, what is not confirmed is sent again over the next one, in order,
///   and the server drops what it has already: within the stream's duplicate window (two minutes,
///   unless the stream says otherwise) it knows an event by its id and everything else that is said
///   of it. What is no event has no id, and may be stored twice.
/// - **Groups.** A group has a durable consumer for each topic, named after both. Its subscribers
///   share the events freely, one by one. A new group gets what is published from then on. It keeps
///   its place, and gets what is published, while nobody subscribes.
///   A group of one instance has a consumer of its own that ends with it, and misses nothing while
///   the instance lives, also where the server forgets the consumer.
/// - **Order** by key holds within one instance: also through releases, lost connections and crashes
///   as long as one instance of the group runs at a time, whose deliveries then wait until what its
///   predecessor had in its hands has come again. Instances that run side by side share the events
///   of one key, so `Nats` is not [`OrderedByKey`](crate::streamer::OrderedByKey).
/// - **Acknowledged** one by one and without waiting. What was not told the server when a connection
///   broke is told it over the next one. What an instance had in its hands that dies without a word
///   comes again after [`with_ack_wait`](Nats::with_ack_wait); the server hears of what is worked on
///   in time, however long that takes. A crash of the server may make it forget its last
///   acknowledgements.
/// - **Released** events come again here, after their delay, and hold back the others of the
///   subscription until then. How often they were tried is forgotten with the process.
/// - **Without a connection**, publishing waits as long as
///   [`with_publish_timeout`](Nats::with_publish_timeout) says, subscriptions go on with what they
///   have, and the connection is tried again with growing pauses, which the log says once for each
///   reason. Likewise where a consumer or a stream is deleted: the consumer is made again, from where
///   it was; the stream is waited for, or made again if topics are created.
/// - **Headers** are text, of one line each; a message with others is refused. They come in the order
///   of their names, and those that begin with `Nats-` are the server's and not the message's. There
///   is no key beside an event's own.
///
/// From a file or the environment it is read as a table, of which `servers` is needed:
///
/// ```
/// use fanfare::streamers::Nats;
///
/// let nats: Nats = serde_json::from_str(
///     r#"{ "servers": "tls://nats:4222", "token": { "env": "NATS_TOKEN" }, "publish_timeout": "30s" }"#,
/// )?;
/// # Ok::<(), serde_json::Error>(())
/// ```
pub struct Nats {
    link: Arc<Link>,
}

impl Nats {
    /// At these servers of one cluster: URLs with commas between them, of which the first that
    /// answers is taken. The scheme is `nats://`, or `tls://` where the connection must be encrypted.
    ///
    /// A user and password in a URL count where no other credentials are given, and show nowhere.
    /// Those of the first URL count for all that have none, and for the servers that the cluster
    /// tells of; where the first is a `tls://`, all are.
    pub fn new(servers: impl Into<String>) -> Self {
        Nats::of(Settings::new(servers.into()))
    }

    fn of(options: Settings) -> Self {
        Nats {
            link: Arc::new(Link::new(options)),
        }
    }

    /// Nothing shares the link yet where options are set: a new one costs nothing.
    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut options = self.link.options.clone();
        change(&mut options);
        Nats::of(options)
    }

    /// As this user.
    #[must_use]
    pub fn with_login(self, user: impl Into<String>, password: Secret) -> Self {
        self.with(|options| {
            options.user = Some(user.into());
            options.password = Some(password);
        })
    }

    /// With a token.
    #[must_use]
    pub fn with_token(self, token: Secret) -> Self {
        self.with(|options| options.token = Some(token))
    }

    /// With an nkey, by its seed, which begins with `SU`.
    #[must_use]
    pub fn with_nkey(self, seed: Secret) -> Self {
        self.with(|options| options.nkey = Some(seed))
    }

    /// With a credentials file, as `nsc` makes them. It is read for each connection.
    #[must_use]
    pub fn with_credentials_file(self, path: impl Into<PathBuf>) -> Self {
        self.with(|options| options.credentials_file = Some(path.into()))
    }

    /// Encrypted, and by these certificates.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        self.with(|options| options.tls = Some(tls))
    }

    /// In this domain of `JetStream`, where there are several.
    #[must_use]
    pub fn with_domain(self, domain: impl Into<String>) -> Self {
        self.with(|options| options.domain = Some(domain.into()))
    }

    /// Whether streams are created for topics that have none: no, if not said. Then the app does not
    /// start without them.
    #[must_use]
    pub fn with_create_topics(self, create: bool) -> Self {
        self.with(|options| options.create_topics = create)
    }

    /// On how many servers a created stream is kept: one, if not said; at most five.
    #[must_use]
    pub fn with_replicas(self, replicas: u8) -> Self {
        self.with(|options| options.replicas = Some(replicas))
    }

    /// Whether events are published in structured mode, as one JSON text: no, if not said. Both modes
    /// are read.
    #[must_use]
    pub fn with_structured_events(self, structured: bool) -> Self {
        self.with(|options| options.structured_events = structured)
    }

    /// How long publishing waits to be confirmed: 30 seconds, if not said. Longer than the duplicate
    /// window of a stream, an event may be stored twice.
    #[must_use]
    pub fn with_publish_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.publish_timeout = timeout)
    }

    /// After how long the server gives to others what an instance had that does not answer: ten
    /// seconds, if not said, and no less than one.
    #[must_use]
    pub fn with_ack_wait(self, wait: Duration) -> Self {
        self.with(|options| options.ack_wait = wait)
    }

    /// A field of the configuration of streams that are created, as `JetStream` calls it: `max_age`
    /// (in nanoseconds), say. What is unknown ends the start of the app, and so does what fanfare
    /// sets itself or rests on: `storage`, `retention`, `discard` and others.
    #[must_use]
    pub fn with_stream_option(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|options| {
            let _ = options.stream_options.insert(name.into(), value.into());
        })
    }

    /// A field of the configuration of consumers, as `JetStream` calls it: `deliver_policy`, say,
    /// with `all`, for groups that begin with what is there. What is unknown ends the start of the
    /// app, and so does what fanfare sets itself or rests on: `ack_policy`, `max_deliver`, a number or
    /// time to begin with, and others.
    #[must_use]
    pub fn with_consumer_option(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|options| {
            let _ = options.consumer_options.insert(name.into(), value.into());
        })
    }
}

impl<'de> Deserialize<'de> for Nats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Settings::deserialize(deserializer).map(Nats::of)
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("options", &self.link.options)
            .finish_non_exhaustive()
    }
}

/// What was subscribed through it ends, and gives back what it had.
impl Drop for Nats {
    fn drop(&mut self) {
        self.link.closing.cancel();
    }
}

impl Streamer for Nats {
    fn check(&self) -> Result<(), StreamError> {
        self.link.options.check()
    }

    fn lacks(&self, guarantee: Guarantee) -> bool {
        guarantee == Guarantee::Ordered
    }

    async fn connect(&self) -> Result<(), StreamError> {
        self.link.connect().await
    }

    async fn prepare(&self, needs: &Needs) -> Result<(), StreamError> {
        topics::prepare(&self.link, needs).await
    }

    fn health(&self) -> Result<(), StreamError> {
        self.link.health()
    }

    async fn leftovers(&self, needs: &Needs) -> Result<Vec<Leftover>, StreamError> {
        consumers::leftovers(&self.link, needs).await
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), StreamError> {
        consumers::remove(&self.link, leftover).await
    }

    async fn close(&self) -> Result<(), StreamError> {
        self.link.close().await
    }
}

impl Publish for Nats {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        publish::publish(&self.link, topic, batch).await;
    }
}

impl Subscribe for Nats {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        subscribe::subscribe(&self.link, request).await
    }
}

impl Deliver for Nats {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

/// A stream keeps what it has confirmed. (The server writes to the disk at once and syncs every two
/// minutes, unless its `sync_interval` says otherwise: what a crash of a whole machine may lose is
/// kept by replicas.)
impl Durable for Nats {}

impl Groups for Nats {}
