//! How a connection to NATS is to be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::ServerAddr;
use async_nats::jetstream::{consumer, stream};
use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::{Secret, Tls};
use crate::streamer::StreamError;
use crate::streamers::times::{duration, publish_timeout};

/// What `Nats` is told, from code or from a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Where the servers of one cluster are.
    #[serde(deserialize_with = "servers")]
    pub(super) servers: Servers,
    #[serde(default)]
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) password: Option<Secret>,
    #[serde(default)]
    pub(super) token: Option<Secret>,
    #[serde(default)]
    pub(super) nkey: Option<Secret>,
    #[serde(default)]
    pub(super) credentials_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) domain: Option<String>,
    #[serde(default)]
    pub(super) create_topics: bool,
    #[serde(default)]
    pub(super) replicas: Option<u8>,
    #[serde(default)]
    pub(super) structured_events: bool,
    #[serde(default = "publish_timeout", deserialize_with = "duration")]
    pub(super) publish_timeout: Duration,
    #[serde(default = "ack_wait", deserialize_with = "duration")]
    pub(super) ack_wait: Duration,
    #[serde(default)]
    pub(super) stream_options: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) consumer_options: BTreeMap<String, Value>,
}

fn ack_wait() -> Duration {
    Duration::from_secs(10)
}

fn servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Servers, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok(Servers(Secret::new(text)))
}

/// URLs with commas between them. There may be a password in them, so they show only in part.
#[derive(Clone)]
pub(super) struct Servers(Secret);

impl Servers {
    pub(super) fn new(urls: String) -> Self {
        Servers(Secret::new(urls))
    }

    /// The URLs one by one, or which of them (by its number) is none.
    pub(super) fn addresses(&self) -> Result<Vec<ServerAddr>, StreamError> {
        use secrecy::ExposeSecret;
        let urls = self.0.read()?;
        let urls = urls.expose_secret().split(',').map(str::trim);
        let parsed = (1..).zip(urls).map(|(number, url)| {
            url.parse().map_err(|error| {
                StreamError::new(format!(
                    "the server number {number} of `Nats::new` is no `nats://host:port`: {error}"
                ))
            })
        });
        parsed.collect()
    }
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.addresses() {
            Ok(addresses) => f.debug_list().entries(addresses.iter().map(place)).finish(),
            Err(_) => f.write_str("..."),
        }
    }
}

/// A server's address without what lets one in.
pub(super) fn place(address: &ServerAddr) -> String {
    format!("{}:{}", address.host(), address.port())
}

impl Settings {
    pub(super) fn new(servers: String) -> Self {
        Settings {
            servers: Servers::new(servers),
            user: None,
            password: None,
            token: None,
            nkey: None,
            credentials_file: None,
            tls: None,
            domain: None,
            create_topics: false,
            replicas: None,
            structured_events: false,
            publish_timeout: publish_timeout(),
            ack_wait: ack_wait(),
            stream_options: BTreeMap::new(),
            consumer_options: BTreeMap::new(),
        }
    }

    /// What can be seen to be wrong without a server and without a file.
    pub(super) fn check(&self) -> Result<(), StreamError> {
        let logins = [
            self.password.is_some(),
            self.token.is_some(),
            self.nkey.is_some(),
            self.credentials_file.is_some(),
        ];
        if logins.into_iter().filter(|is| *is).count() > 1 {
            return Err(StreamError::new(
                "one of a password, a token, an nkey and a credentials file lets `Nats` in: it was given several",
            ));
        }
        if self.user.is_some() != self.password.is_some() {
            return Err(StreamError::new("a user and a password go together"));
        }
        if self.ack_wait < Duration::from_secs(1) {
            return Err(StreamError::new(
                "`Nats::with_ack_wait` (in a URL or file `ack_wait`) takes a second or more",
            ));
        }
        if self
            .replicas
            .is_some_and(|replicas| !(1..=5).contains(&replicas))
        {
            return Err(StreamError::new(
                "`Nats::with_replicas` (in a URL or file `replicas`) takes 1 to 5: JetStream keeps no more",
            ));
        }
        let policy = self.consumer_options.get("deliver_policy");
        if let Some(policy @ ("by_start_sequence" | "by_start_time")) =
            policy.and_then(Value::as_str)
        {
            return Err(StreamError::new(format!(
                "the consumer option `deliver_policy` of `Nats` cannot be `{policy}`: a number or a \
                 time to begin with is fanfare's own to set"
            )));
        }
        self.servers.addresses()?;
        check_raw::<stream::Config>("stream", &self.stream_options, &OURS_OF_STREAMS)?;
        check_raw::<consumer::Config>("consumer", &self.consumer_options, &OURS_OF_CONSUMERS)
    }
}

/// What of a stream is not for others to say: what fanfare sets itself, and what would make a
/// confirmed event go, or stay unconfirmed.
const OURS_OF_STREAMS: [&str; 16] = [
    "name",
    "subjects",
    "subject_transform",
    "storage",
    "persist_mode",
    "num_replicas",
    "retention",
    "discard",
    "max_msgs_per_subject",
    "discard_new_per_subject",
    "no_ack",
    "sealed",
    "mirror",
    "sources",
    "template_owner",
    "consumer_limits",
];

/// What of a consumer is not for others to say: what fanfare sets itself, and what would make an
/// event go before it is handled, or never come.
const OURS_OF_CONSUMERS: [&str; 28] = [
    "name",
    "durable_name",
    "filter_subject",
    "filter_subjects",
    "opt_start_seq",
    "opt_start_time",
    "deliver_subject",
    "deliver_group",
    "flow_control",
    "idle_heartbeat",
    "ack_policy",
    "ack_wait",
    "max_ack_pending",
    "max_deliver",
    "backoff",
    "replay_policy",
    "headers_only",
    "inactive_threshold",
    "max_batch",
    "max_bytes",
    "max_expires",
    "mem_storage",
    "num_replicas",
    "priority_groups",
    "priority_policy",
    "priority_timeout",
    "pause_until",
    "metadata",
];

/// Whether a raw configuration has only what the client library knows too, with values of the
/// right kind, and nothing that is fanfare's.
fn check_raw<C: DeserializeOwned + Serialize + Default>(
    what: &str,
    options: &BTreeMap<String, Value>,
    ours: &[&str],
) -> Result<(), StreamError> {
    let error = |name: &str, why: &str| {
        StreamError::new(format!("the {what} option `{name}` of `Nats` {why}"))
    };
    let Ok(Value::Object(default)) = serde_json::to_value(C::default()) else {
        return Err(StreamError::new(format!("no {what} can be configured")));
    };
    for (name, value) in options {
        if ours.contains(&name.as_str()) {
            return Err(error(
                name,
                "is fanfare's own: what fanfare promises rests on it",
            ));
        }
        let mut raw: Map<String, Value> = default.clone();
        raw.insert(name.clone(), value.clone());
        let read: C = serde_json::from_value(Value::Object(raw))
            .map_err(|wrong| error(name, &format!("has a wrong value: {wrong}")))?;
        // What is left out when it is written again is unknown, or the default.
        let written = serde_json::to_value(read).unwrap_or_default();
        if written.get(name).is_none() && !is_default(value) {
            return Err(error(name, "is unknown"));
        }
    }
    Ok(())
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
    }
}
