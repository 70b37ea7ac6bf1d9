//! What an operator or a service says of the connection.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use lapin::types::{AMQPValue, FieldTable};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Uri;

use super::leads::Leads;
use super::names::short;
use crate::access::{Secret, Tls};
use crate::streamer::StreamError;
use crate::streamers::texts::texts;
use crate::streamers::times::{duration, publish_timeout};

/// What becomes of an event that no queue takes: nobody is bound to its topic's exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unroutable {
    /// It is published as far as its publisher knows, and a warning counts it.
    #[default]
    Warn,
    /// It is an error of its publisher.
    Fail,
}

/// How `RabbitMQ` keeps what it has for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum QueueType {
    /// On one node, which keeps it across restarts and crashes.
    #[default]
    Classic,
    /// On several nodes of a cluster, of which most must be there.
    Quorum,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    pub(super) url: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) tls: Option<Tls>,
    pub(super) management: Option<String>,
    #[serde(default)]
    pub(super) create_topics: bool,
    #[serde(default = "publish_timeout", deserialize_with = "duration")]
    pub(super) publish_timeout: Duration,
    #[serde(default = "one")]
    pub(super) streams: NonZeroU16,
    #[serde(default)]
    pub(super) queue_type: QueueType,
    #[serde(default)]
    pub(super) unroutable: Unroutable,
    #[serde(default)]
    pub(super) structured_events: bool,
    #[serde(default = "max_message_size")]
    pub(super) max_message_size: usize,
    #[serde(default)]
    pub(super) queue_arguments: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) exchange_arguments: BTreeMap<String, Value>,
    #[serde(default, deserialize_with = "texts")]
    pub(super) client_properties: BTreeMap<String, String>,
    /// No option: all that makes exchanges is told the options.
    #[serde(skip)]
    pub(super) leads: Leads,
}

fn one() -> NonZeroU16 {
    NonZeroU16::MIN
}

/// What `RabbitMQ` takes, if its own configuration says nothing.
fn max_message_size() -> usize {
    128 << 20
}

impl Options {
    pub(super) fn new(url: String) -> Self {
        Options {
            url,
            user: None,
            password: None,
            tls: None,
            management: None,
            create_topics: false,
            publish_timeout: publish_timeout(),
            streams: one(),
            queue_type: QueueType::default(),
            unroutable: Unroutable::default(),
            structured_events: false,
            max_message_size: max_message_size(),
            queue_arguments: BTreeMap::new(),
            exchange_arguments: BTreeMap::new(),
            client_properties: BTreeMap::new(),
            leads: Leads::default(),
        }
    }
}

/// Arguments of a queue that are not for an operator to set, and why.
const NOT_RAW: [(&str, &str); 4] = [
    (
        "x-expires",
        "a queue that expires takes with it what is in it",
    ),
    (
        "x-message-ttl",
        "events would be gone before a handler has them",
    ),
    (
        "x-single-active-consumer",
        "it is always set: order depends on it",
    ),
    ("x-queue-type", "say it by `queue_type`"),
];

impl Options {
    /// Refuses what would lose events, or what is set anyway, before anything is made of it.
    pub(super) fn check(&self) -> Result<(), StreamError> {
        let raw = &self.queue_arguments;
        let refused = |name: &str, why: &str| {
            Err(StreamError::new(format!(
                "the queue argument `{name}` cannot be set: {why}"
            )))
        };
        for (name, why) in NOT_RAW {
            if raw.contains_key(name) {
                return refused(name, why);
            }
        }
        let overflow = raw.get("x-overflow").and_then(Value::as_str);
        if !matches!(overflow, Some("reject-publish" | "reject-publish-dlx")) {
            for name in ["x-max-length", "x-max-length-bytes"] {
                if raw.contains_key(name) {
                    let why = "a full queue would drop its oldest events; with it, set \
                               `x-overflow` to `reject-publish`";
                    return refused(name, why);
                }
            }
        }
        if let Some(url) = &self.management {
            let url: Result<Uri, _> = url.parse();
            let is_web = |url: &Uri| {
                matches!(url.scheme_str(), Some("http" | "https"))
                    && url.host().is_some_and(|host| !host.is_empty())
            };
            if !url.as_ref().is_ok_and(is_web) {
                return Err(StreamError::new(
                    "the address of RabbitMQ's management (`with_management`, or `management`) is \
                     none: write it with its scheme, `http://localhost:15672`",
                ));
            }
        }
        arguments(raw)?;
        arguments(&self.exchange_arguments).map(drop)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("url", &without_login(&self.url))
            .field("user", &self.user)
            .field("password", &self.password)
            .field("tls", &self.tls)
            .field("management", &self.management.as_deref().map(without_login))
            .field("create_topics", &self.create_topics)
            .field("publish_timeout", &self.publish_timeout)
            .field("streams", &self.streams)
            .field("queue_type", &self.queue_type)
            .field("unroutable", &self.unroutable)
            .field("structured_events", &self.structured_events)
            .field("max_message_size", &self.max_message_size)
            .field("queue_arguments", &self.queue_arguments)
            .field("exchange_arguments", &self.exchange_arguments)
            .field("client_properties", &self.client_properties)
            .finish_non_exhaustive()
    }
}

/// An address that may be shown: nothing between its scheme and its last `@`, for a password may
/// have any characters in it; no query; and nothing at all where what looks like a port is none,
/// for that may be the password of an address without a host.
pub(super) fn without_login(url: &str) -> String {
    const HIDDEN: &str = "...";
    let Some((scheme, rest)) = url.split_once("://") else {
        return HIDDEN.to_owned();
    };
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split(['?', '#']).next().unwrap_or_default();
    let authority = place.split('/').next().unwrap_or_default();
    let after_host = authority
        .rsplit_once(']')
        .map_or(authority, |(_, port)| port);
    let port = after_host.split_once(':').map_or("", |(_, port)| port);
    let is_plain = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain {
        format!("{scheme}://{place}")
    } else {
        HIDDEN.to_owned()
    }
}

/// Arguments as the protocol has them.
pub(super) fn arguments(values: &BTreeMap<String, Value>) -> Result<FieldTable, StreamError> {
    let mut table = FieldTable::default();
    for (name, value) in values {
        let value = match value {
            Value::Bool(value) => AMQPValue::Boolean(*value),
            Value::String(text) => AMQPValue::LongString(text.as_str().into()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => AMQPValue::LongLongInt(number),
                (None, Some(number)) => AMQPValue::Double(number),
                (None, None) => return Err(unfit(name)),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(unfit(name)),
        };
        table.insert(short(name)?, value);
    }
    Ok(table)
}

fn unfit(name: &str) -> StreamError {
    StreamError::new(format!(
        "the argument `{name}` is neither a text nor a number nor a bool"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_lose_events_are_refused() {
        type Row<'a> = (&'a [(&'a str, Value)], Option<&'a str>);
        let table: [Row<'_>; 12] = [
            (&[], None),
            (&[("x-queue-mode", "lazy".into())], None),
            (&[("x-dead-letter-exchange", "lost".into())], None),
            (&[("x-expires", 1000.into())], Some("x-expires")),
            (&[("x-message-ttl", 1000.into())], Some("x-message-ttl")),
            (
                &[("x-single-active-consumer", false.into())],
                Some("x-single-active-consumer"),
            ),
            (&[("x-queue-type", "quorum".into())], Some("queue_type")),
            (&[("x-max-length", 7.into())], Some("x-overflow")),
            (
                &[
                    ("x-max-length-bytes", 7.into()),
                    ("x-overflow", "drop-head".into()),
                ],
                Some("x-overflow"),
            ),
            (
                &[
                    ("x-max-length", 7.into()),
                    ("x-overflow", "reject-publish".into()),
                ],
                None,
            ),
            (
                &[
                    ("x-max-length-bytes", 7.into()),
                    ("x-overflow", "reject-publish-dlx".into()),
                ],
                None,
            ),
            (&[("x-some", Value::Null)], Some("x-some")),
        ];
        for (raw, refusal) in table {
            let mut options = Options::new("amqp://localhost".to_owned());
            let raw = raw.iter().cloned();
            options.queue_arguments = raw.map(|(name, value)| (name.to_owned(), value)).collect();
            match (options.check(), refusal) {
                (Ok(()), None) => {}
                (Err(error), Some(part)) if error.to_string().contains(part) => {}
                (other, _) => panic!("{:?}: {other:?}", options.queue_arguments),
            }
        }
    }

    #[test]
    fn an_address_is_shown_without_its_login() {
        for (url, shown) in [
            ("amqp://h", "amqp://h"),
            ("amqp://u:p@h:5672/v?heartbeat=1", "amqp://h:5672/v"),
            ("amqp://u:p@[::1]:5672", "amqp://[::1]:5672"),
            ("amqp://u:pa?ss@h", "amqp://h"),
            ("amqp://u:pa/s@s@h", "amqp://h"),
            ("amqp://u:password", "..."),
            ("u:password@h", "..."),
            ("u:password", "..."),
            ("u:password://x@h", "..."),
        ] {
            assert_eq!(without_login(url), shown);
        }
    }
}
