//! The options of [`Amqp`], as its user gives them.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::options::{Options, QueueType, Unroutable};
use super::{Amqp, Secret, Tls};

impl Amqp {
    /// At this address: `amqp://user:password@host:5672/virtual-host`, or `amqps://` for TLS. What
    /// is left out is `guest`, `guest`, 5672 (5671 with TLS) and the virtual host `/`. What is not
    /// letters and digits is percent-encoded in it: a virtual host `/` that is not left out is
    /// `%2f`.
    ///
    /// `?heartbeat=10` says how many seconds may pass without a sign of life: after twice that a
    /// connection is deemed lost. `connection_timeout=5000` says how many milliseconds it may take to
    /// be let in: 10 seconds, if not said. `channel_max` and `frame_max` are the protocol's own, and
    /// `auth_mechanism=external` leaves it to TLS who one is.
    pub fn new(url: impl Into<String>) -> Self {
        Amqp::from(Options::new(url.into()))
    }

    fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(Arc::make_mut(&mut self.options));
        self
    }

    /// Logs in as this user, whatever the address says. The secret is read anew for each connection.
    #[must_use]
    pub fn with_login(self, user: impl Into<String>, password: Secret) -> Self {
        self.with(|options| {
            options.user = Some(user.into());
            options.password = Some(password);
        })
    }

    /// Whom to trust, and who one is, at an address that begins with `amqps://`. Without it the
    /// machine's certificates are trusted.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        self.with(|options| options.tls = Some(tls))
    }

    /// Whether exchanges are made that are missing: no, if not said. Those of dead letters get a
    /// queue of their own name as well, where nobody subscribes to them.
    #[must_use]
    pub fn with_create_topics(self, create: bool) -> Self {
        self.with(|options| options.create_topics = create)
    }

    /// How long publishing waits for its confirmation: 30 seconds, if not said.
    #[must_use]
    pub fn with_publish_timeout(self, timeout: Duration) -> Self {
        self.with(|options| options.publish_timeout = timeout)
    }

    /// How many streams a group has that instances share: 1, if not said. One instance works at
    /// each at a time. More than 1 takes the plugin `rabbitmq_consistent_hash_exchange`.
    ///
    /// All instances of a group need the same number. It is changed by
    /// removing the group's queues, once they are empty.
    #[must_use]
    pub fn with_streams(self, streams: NonZeroU16) -> Self {
        self.with(|options| options.streams = streams)
    }

    /// How the queues of groups are kept: [`QueueType::Classic`], if not said.
    #[must_use]
    pub fn with_queue_type(self, queue_type: QueueType) -> Self {
        self.with(|options| options.queue_type = queue_type)
    }

    /// What becomes of an event that no queue takes: [`Unroutable::Warn`], if not said.
    #[must_use]
    pub fn with_unroutable(self, unroutable: Unroutable) -> Self {
        self.with(|options| options.unroutable = unroutable)
    }

    /// Whether events are written in structured mode, as one JSON text each: no, if not said. Both
    /// modes are read, whatever is said here.
    #[must_use]
    pub fn with_structured_events(self, structured: bool) -> Self {
        self.with(|options| options.structured_events = structured)
    }

    /// The largest payload that is sent, in bytes: 128 MiB, if not said, as `RabbitMQ` has it. A
    /// larger one is refused at once. Where the broker takes less, that is found out by the first
    /// that is larger.
    #[must_use]
    pub fn with_max_message_size(self, bytes: usize) -> Self {
        self.with(|options| options.max_message_size = bytes)
    }

    /// Where `RabbitMQ`'s management listens, for [`leftovers`]: `http://localhost:15672`, say. The
    /// login is the same; by `https`, [the authority](Tls::with_authority) is, too, and has to be given.
    ///
    /// [`leftovers`]: crate::streamer::Streamer::leftovers
    #[must_use]
    pub fn with_management(self, url: impl Into<String>) -> Self {
        self.with(|options| options.management = Some(url.into()))
    }

    /// A raw argument of the queues of groups, such as `x-queue-mode`: a text, a number or a bool.
    /// The broker checks it when a queue is made, and refuses another one for a queue that is there.
    ///
    /// What would lose events is refused, before anything is connected: `x-expires`,
    /// `x-message-ttl`, and `x-max-length` or `x-max-length-bytes` unless `x-overflow` is
    /// `reject-publish` or `reject-publish-dlx`. So is what is set anyway: `x-queue-type` and
    /// `x-single-active-consumer`.
    #[must_use]
    pub fn with_queue_argument(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|options| {
            options.queue_arguments.insert(name.into(), value.into());
        })
    }

    /// A raw argument of the exchanges that are made, such as `alternate-exchange`.
    #[must_use]
    pub fn with_exchange_argument(self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|options| {
            options.exchange_arguments.insert(name.into(), value.into());
        })
    }

    /// A property of the client, shown by the broker for its connections.
    #[must_use]
    pub fn with_client_property(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|options| {
            options.client_properties.insert(name.into(), value.into());
        })
    }
}
