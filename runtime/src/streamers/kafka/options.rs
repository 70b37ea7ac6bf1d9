//! What a connection to Kafka may be told.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use serde::Deserialize;

use super::sasl::Sasl;
use crate::access::Tls;
use crate::streamer::StreamError;
use crate::streamers::texts::texts;
use crate::streamers::times::{duration, publish_timeout};

/// Options of librdkafka, by its own names.
pub(super) type Raw = BTreeMap<String, String>;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "they are called so in a file")]
pub(super) struct Options {
    pub(super) brokers: String,
    #[serde(default)]
    pub(super) create_topics: bool,
    #[serde(default = "defaults::partitions")]
    pub(super) partitions: i32,
    #[serde(default = "defaults::replication_factor")]
    pub(super) replication_factor: i32,
    #[serde(default)]
    pub(super) group_prefix: String,
    #[serde(default = "publish_timeout", deserialize_with = "duration")]
    pub(super) publish_timeout: Duration,
    #[serde(default = "defaults::connect_timeout", deserialize_with = "duration")]
    pub(super) connect_timeout: Duration,
    #[serde(default)]
    pub(super) structured_events: bool,
    #[serde(default)]
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) sasl: Option<Sasl>,
    #[serde(default, deserialize_with = "texts")]
    pub(super) options: Raw,
    #[serde(default, deserialize_with = "texts")]
    pub(super) producer_options: Raw,
    #[serde(default, deserialize_with = "texts")]
    pub(super) consumer_options: Raw,
}

pub(super) mod defaults {
    use std::time::Duration;

    pub(crate) fn partitions() -> i32 {
        8
    }

    /// What the broker says.
    pub(crate) fn replication_factor() -> i32 {
        -1
    }

    pub(crate) fn connect_timeout() -> Duration {
        Duration::from_secs(10)
    }
}

/// What fanfare's guarantees rest on, and what has a method of its own; and what to do instead.
const OURS: &[(&str, &str)] = &[
    ("acks", "it is `all`, or a confirmation would mean nothing"),
    ("request.required.acks", "it is `all`"),
    ("enable.idempotence", "it is on, for the order of a key"),
    ("transactional.id", "there are no transactions"),
    (
        "message.timeout.ms",
        "call `Kafka::with_publish_timeout` instead (in a URL or file `publish_timeout`)",
    ),
    (
        "delivery.timeout.ms",
        "call `Kafka::with_publish_timeout` instead (in a URL or file `publish_timeout`)",
    ),
    (
        "delivery.report.only.error",
        "each confirmation is waited for",
    ),
    (
        "group.instance.id",
        "a service has several consumers, which would drive each other out",
    ),
    ("enable.auto.commit", "what is acknowledged is committed"),
    ("auto.commit.enable", "what is acknowledged is committed"),
    (
        "enable.auto.offset.store",
        "what is acknowledged is committed",
    ),
    (
        "auto.offset.reset",
        "it is `earliest`, so that nothing is lost",
    ),
    (
        "partition.assignment.strategy",
        "it is `cooperative-sticky`",
    ),
    ("group.protocol", "it is `classic`"),
    ("group.id", "it is the group of the handler"),
    (
        "allow.auto.create.topics",
        "call `Kafka::with_create_topics` instead (in a URL or file `create_topics`)",
    ),
    (
        "bootstrap.servers",
        "give it to `Kafka::new`, or as the address of a URL",
    ),
    (
        "metadata.broker.list",
        "give it to `Kafka::new`, or as the address of a URL",
    ),
    (
        "security.protocol",
        "call `Kafka::with_tls` and `Kafka::with_sasl` instead (in a URL or file `tls`, `sasl`)",
    ),
    (
        "sasl.mechanism",
        "call `Kafka::with_sasl` instead (in a URL or file `sasl`)",
    ),
    (
        "sasl.mechanisms",
        "call `Kafka::with_sasl` instead (in a URL or file `sasl`)",
    ),
    (
        "sasl.username",
        "call `Kafka::with_sasl` instead (in a URL or file `sasl`)",
    ),
    (
        "sasl.password",
        "call `Kafka::with_sasl` instead (in a URL or file `sasl`)",
    ),
];

/// Where a client is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Producer,
    Consumer,
    /// What both have in common.
    Admin,
}

impl Options {
    pub(super) fn new(brokers: String) -> Self {
        Options {
            brokers,
            create_topics: false,
            partitions: defaults::partitions(),
            replication_factor: defaults::replication_factor(),
            group_prefix: String::new(),
            publish_timeout: publish_timeout(),
            connect_timeout: defaults::connect_timeout(),
            structured_events: false,
            tls: None,
            sasl: None,
            options: Raw::new(),
            producer_options: Raw::new(),
            consumer_options: Raw::new(),
        }
    }

    /// What can be seen to be wrong without a broker, a file or a secret.
    pub(super) fn check(&self) -> Result<(), StreamError> {
        if self.brokers.trim().is_empty() {
            return Err(StreamError::new(
                "Kafka has no address: name one of its brokers, as `host:port`",
            ));
        }
        if self.brokers.contains(['@', '/']) {
            return Err(StreamError::new(
                "an address of Kafka's is `host:port`, without a scheme or a user: the login is given with `Kafka::with_sasl` (in a URL or file `sasl`)",
            ));
        }
        if self.partitions < 1 {
            return Err(StreamError::new(
                "`partitions` is 0 or less: a topic that is made has one at least",
            ));
        }
        let raw = [
            &self.options,
            &self.producer_options,
            &self.consumer_options,
        ];
        for name in raw.into_iter().flat_map(BTreeMap::keys) {
            if let Some((_, why)) = OURS.iter().find(|(ours, _)| ours == name) {
                return Err(StreamError::new(format!(
                    "the option `{name}` of Kafka's client is not to be set: {why}"
                )));
            }
        }
        for side in [Side::Producer, Side::Consumer, Side::Admin] {
            let config = self.open_config(side).create_native_config();
            config.map_err(|error| refused(&error))?;
        }
        Ok(())
    }

    /// The configuration of one client.
    pub(super) fn config(&self, side: Side) -> Result<ClientConfig, StreamError> {
        let mut config = self.open_config(side);
        self.secure(&mut config)?;
        Ok(config)
    }

    /// It, but for who may listen and who one is.
    fn open_config(&self, side: Side) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "2000")
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("allow.auto.create.topics", "false");
        let none = Raw::new();
        let (more, guarantees) = match side {
            Side::Producer => (&self.producer_options, self.producer(&mut config)),
            Side::Consumer => (&self.consumer_options, consumer(&mut config)),
            Side::Admin => (&none, Vec::new()),
        };
        for (name, value) in self.options.iter().chain(more) {
            config.set(name, value);
        }
        for (name, value) in guarantees {
            config.set(name, value);
        }
        config
    }

    fn producer(&self, config: &mut ClientConfig) -> Vec<(&'static str, String)> {
        config
            // The one that Java's producers have, so that theirs and ours agree on the partition
            // of a key.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "1");
        let timeout = self.publish_timeout.as_millis().max(1);
        vec![
            ("acks", "all".to_owned()),
            ("enable.idempotence", "true".to_owned()),
            ("message.timeout.ms", timeout.to_string()),
        ]
    }

    fn secure(&self, config: &mut ClientConfig) -> Result<(), StreamError> {
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(tls) = &self.tls {
            if let Some(authority) = &tls.authority {
                config.set("ssl.ca.location", authority.to_string_lossy());
            }
            if let Some(identity) = &tls.identity {
                config
                    .set(
                        "ssl.certificate.location",
                        identity.certificate.to_string_lossy(),
                    )
                    .set("ssl.key.location", identity.key.to_string_lossy());
            }
        }
        match &self.sasl {
            Some(sasl) => sasl.secure(config),
            None => Ok(()),
        }
    }
}

fn consumer(config: &mut ClientConfig) -> Vec<(&'static str, String)> {
    config
        .set("isolation.level", "read_committed")
        .set("session.timeout.ms", "15000")
        .set("heartbeat.interval.ms", "1000")
        // What is read ahead of the handlers, for each subscription.
        .set("queued.min.messages", "100000")
        .set("queued.max.messages.kbytes", "16384")
        // How soon it is looked whether there is room for more: that much is handled in some ms.
        .set("fetch.queue.backoff.ms", "10");
    let guarantees = [
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "earliest"),
        ("partition.assignment.strategy", "cooperative-sticky"),
    ];
    guarantees
        .map(|(name, value)| (name, value.to_owned()))
        .into()
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options {
            brokers,
            create_topics,
            partitions,
            replication_factor,
            group_prefix,
            publish_timeout,
            connect_timeout,
            structured_events,
            tls,
            sasl,
            options,
            producer_options,
            consumer_options,
        } = self;
        f.debug_struct("Options")
            .field("brokers", &without_login(brokers))
            .field("create_topics", create_topics)
            .field("partitions", partitions)
            .field("replication_factor", replication_factor)
            .field("group_prefix", group_prefix)
            .field("publish_timeout", publish_timeout)
            .field("connect_timeout", connect_timeout)
            .field("structured_events", structured_events)
            .field("tls", tls)
            .field("sasl", sasl)
            .field("options", &Shown(options))
            .field("producer_options", &Shown(producer_options))
            .field("consumer_options", &Shown(consumer_options))
            .finish()
    }
}

/// Raw options without what may be a secret.
struct Shown<'a>(&'a Raw);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let value = if is_secret(name) { "..." } else { value };
            (name, value)
        });
        f.debug_map().entries(shown).finish()
    }
}

/// Why the client library does not take a configuration.
pub(super) fn refused(error: &KafkaError) -> StreamError {
    StreamError::new(match error {
        KafkaError::ClientConfig(_, _, name, _) if is_secret(name) => {
            format!("Kafka's client refuses its option `{name}`")
        }
        KafkaError::ClientConfig(_, why, name, _) => {
            format!("Kafka's client refuses its option `{name}`: {why}")
        }
        KafkaError::ClientCreation(why) => {
            format!("Kafka's client refuses its options: {why}")
        }
        other => other.to_string(),
    })
}

/// Whether the value of a raw option is to show nowhere.
fn is_secret(name: &str) -> bool {
    ["password", "secret", "token", "pem", "oauthbearer", "jaas"]
        .iter()
        .any(|part| name.contains(part))
}

/// Addresses without what stands before an `@`: Kafka's have no login, but others' have.
fn without_login(brokers: &str) -> String {
    let hosts = brokers
        .split(',')
        .map(|broker| broker.rsplit_once('@').map_or(broker, |(_, host)| host));
    hosts.collect::<Vec<_>>().join(",")
}
