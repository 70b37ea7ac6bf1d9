//! A streamer that is chosen at run time.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

#[cfg(feature = "amqp")]
use super::Amqp;
#[cfg(feature = "kafka")]
use super::Kafka;
#[cfg(feature = "memory")]
use super::Memory;
#[cfg(feature = "nats")]
use super::Nats;
use crate::streamer::{
    Deliver, Deliveries, Durable, Groups, Guarantee, Leftover, Needs, OrderedByKey, Outgoing,
    Publish, Source, StreamError, Streamer, Subscribe, SubscriptionRequest,
};

/// A streamer that is chosen at run time, by a URL: memory on a laptop, a broker in production.
///
/// | URL | streamer | feature |
/// |---|---|---|
/// | `memory://` | [`Memory`](super::Memory), a new one | `memory` |
/// | `kafka://host:9092`, with more `host:port` after commas | `Kafka` | `kafka` |
/// | `nats://host:4222`, `tls://host:4222` | `Nats` | `nats` |
/// | `amqp://user:password@host:5672/vhost`, `amqps://...` | `Amqp` | `amqp` |
///
/// Options of the streamer stand behind a question mark, by the names that they have in a
/// configuration file: `kafka://localhost:9092?create_topics=true&publish_timeout=5s`. What stands in
/// a table there is written with a dot: `consumer_options.session.timeout.ms=6000`. The parameters that
/// AMQP's addresses have themselves (`heartbeat`, `frame_max`, `channel_max`, `connection_timeout`,
/// `auth_mechanism`) stay in the address. A URL shows in process lists and shell histories: an option that is secret is better given to the streamer
/// itself, in code; each turns into an `AnyStreamer` by `From`.
///
/// It can be asked for every guarantee, and whether the chosen one gives it is seen at the start:
/// a handler that asks for `guarantee(durable)` and is given memory keeps the app from starting.
///
/// ```
/// use fanfare::streamers::AnyStreamer;
///
/// let streamer = AnyStreamer::from_url("memory://?capacity=5000")?;
/// # let _ = streamer;
/// let error = AnyStreamer::from_url("carrier-pigeon://roof").expect_err("no such streamer");
/// assert!(error.to_string().contains("carrier-pigeon"));
/// # Ok::<(), fanfare::streamer::StreamError>(())
/// ```
///
/// From a configuration file it is the URL.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct AnyStreamer(Chosen);

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a service has a few of them, and moves none"
)]
enum Chosen {
    #[cfg(feature = "amqp")]
    Amqp(Amqp),
    #[cfg(feature = "kafka")]
    Kafka(Kafka),
    #[cfg(feature = "memory")]
    Memory(Memory),
    #[cfg(feature = "nats")]
    Nats(Nats),
}

/// The same for each.
macro_rules! chosen {
    ($any:expr, $streamer:ident => $does:expr) => {
        match &$any.0 {
            #[cfg(feature = "amqp")]
            Chosen::Amqp($streamer) => $does,
            #[cfg(feature = "kafka")]
            Chosen::Kafka($streamer) => $does,
            #[cfg(feature = "memory")]
            Chosen::Memory($streamer) => $does,
            #[cfg(feature = "nats")]
            Chosen::Nats($streamer) => $does,
        }
    };
}

macro_rules! from {
    ($($feature:literal $streamer:ident)*) => {$(
        #[cfg(feature = $feature)]
        impl From<$streamer> for AnyStreamer {
            fn from(streamer: $streamer) -> Self {
                AnyStreamer(Chosen::$streamer(streamer))
            }
        }
    )*};
}

from!("amqp" Amqp "kafka" Kafka "memory" Memory "nats" Nats);

impl TryFrom<String> for AnyStreamer {
    type Error = StreamError;

    fn try_from(url: String) -> Result<Self, StreamError> {
        AnyStreamer::from_url(&url)
    }
}

impl AnyStreamer {
    /// Whether topics that are missing are made, as the streamer's own option of this name says;
    /// memory makes them in any case.
    #[must_use]
    pub fn with_create_topics(self, create: bool) -> Self {
        let _ = create;
        AnyStreamer(match self.0 {
            #[cfg(feature = "amqp")]
            Chosen::Amqp(amqp) => Chosen::Amqp(amqp.with_create_topics(create)),
            #[cfg(feature = "kafka")]
            Chosen::Kafka(kafka) => Chosen::Kafka(kafka.with_create_topics(create)),
            #[cfg(feature = "memory")]
            Chosen::Memory(memory) => Chosen::Memory(memory),
            #[cfg(feature = "nats")]
            Chosen::Nats(nats) => Chosen::Nats(nats.with_create_topics(create)),
        })
    }

    /// The streamer of a URL. Touches no network.
    ///
    /// # Errors
    /// A scheme that nobody has, or whose feature is not built in; an option that the streamer has
    /// not, or with a value that it does not take. Shows no secret of the URL.
    pub fn from_url(url: &str) -> Result<Self, StreamError> {
        let parts = url.split_once("://");
        // Of anything else, part of it may be a password.
        let parts = parts.filter(|(scheme, _)| is_scheme(scheme));
        let (scheme, rest) = parts.ok_or_else(|| {
            StreamError::new("a streamer's URL begins with a scheme: `kafka://localhost:9092`")
        })?;
        let (address, options) = rest.split_once('?').unwrap_or((rest, ""));
        // Or part of a password would be shown as an option.
        if options.contains('@') {
            return Err(StreamError::new(format!(
                "the options of the URL `{scheme}://...` have an `@` in them: write a `?` of a password as `%3F`, and an `@` of an option as `%40`"
            )));
        }
        let (of_address, options) = apart(scheme, options);
        let address = match &of_address[..] {
            [] => address.to_owned(),
            of_address => format!("{address}?{}", of_address.join("&")),
        };
        let options = read(options)?;
        let chosen = match scheme {
            #[cfg(feature = "memory")]
            "memory" if address.is_empty() => made(scheme, None, options).map(Chosen::Memory),
            #[cfg(feature = "kafka")]
            "kafka" => {
                let brokers = address.trim_end_matches('/');
                if brokers.contains('@') {
                    return Err(StreamError::new(
                        "the URL `kafka://...` has a user in it, which Kafka's have not: give the login with `Kafka::with_sasl`, or as options of the URL, `sasl.mechanism`, `sasl.user` and `sasl.password`",
                    ));
                }
                made(scheme, Some(("brokers", brokers)), options).map(Chosen::Kafka)
            }
            #[cfg(feature = "nats")]
            "nats" | "tls" => {
                let url = format!("{scheme}://{address}");
                made(scheme, Some(("servers", &url)), options).map(Chosen::Nats)
            }
            #[cfg(feature = "amqp")]
            "amqp" | "amqps" => {
                let url = format!("{scheme}://{address}");
                made(scheme, Some(("url", &url)), options).map(Chosen::Amqp)
            }
            scheme => Err(StreamError::new(unknown(scheme))),
        };
        chosen.map(AnyStreamer)
    }
}

/// As RFC 3986 has it (section 3.1).
fn is_scheme(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.bytes().all(is_part)
}

/// Options that are texts, whatever they look like.
const TEXTS: [&str; 6] = [
    "user",
    "password",
    "token",
    "nkey",
    "domain",
    "group_prefix",
];

/// What AMQP's addresses have themselves.
const OF_AMQP: [&str; 5] = [
    "auth_mechanism",
    "channel_max",
    "connection_timeout",
    "frame_max",
    "heartbeat",
];

/// What belongs to the address, and the options of the streamer.
fn apart<'a>(scheme: &str, options: &'a str) -> (Vec<&'a str>, Vec<&'a str>) {
    let is_of_address = |option: &&str| {
        let name = option.split_once('=').map_or(*option, |(name, _)| name);
        matches!(scheme, "amqp" | "amqps") && OF_AMQP.contains(&name)
    };
    let options = options.split('&').filter(|option| !option.is_empty());
    options.partition(is_of_address)
}

/// Options as a URL has them: what reads as a number or a truth value is one.
fn read(options: Vec<&str>) -> Result<Map<String, Value>, StreamError> {
    let mut read = Map::new();
    for option in options {
        let (name, value) = option.split_once('=').unwrap_or((option, "true"));
        let value = percent_encoding::percent_decode_str(value).decode_utf8();
        let value = value.map_err(|_| {
            StreamError::new(format!(
                "the option `{name}` of the URL is no text in UTF-8"
            ))
        })?;
        let (table, key) = match name.split_once('.') {
            Some((table, key)) => (Some(table), key),
            None => (None, name),
        };
        let value = match serde_json::from_str(&value) {
            // As it is written, or it is rather a text.
            Ok(plain @ (Value::Bool(_) | Value::Number(_)))
                if !TEXTS.contains(&key) && plain.to_string() == value =>
            {
                plain
            }
            _ => Value::from(value.into_owned()),
        };
        let place = match table {
            None => Some(&mut read),
            Some(table) => read
                .entry(table)
                .or_insert_with(|| Map::new().into())
                .as_object_mut(),
        };
        if place.is_none_or(|place| place.insert(key.to_owned(), value).is_some()) {
            return Err(StreamError::new(format!(
                "the option `{name}` is twice in the URL"
            )));
        }
    }
    Ok(read)
}

/// The streamer that has these options, and its address among them.
fn made<S: DeserializeOwned>(
    scheme: &str,
    address: Option<(&str, &str)>,
    mut options: Map<String, Value>,
) -> Result<S, StreamError> {
    if let Some((name, address)) = address {
        options.insert(name.to_owned(), address.into());
    }
    serde_path_to_error::deserialize(Value::from(options)).map_err(|error| {
        let path = error.path().to_string();
        let why = error.inner();
        StreamError::new(if path == "." {
            format!("the options of the URL `{scheme}://...`: {why}")
        } else {
            format!("the option `{path}` of the URL `{scheme}://...`: {why}")
        })
    })
}

fn unknown(scheme: &str) -> String {
    match scheme {
        "memory" if cfg!(feature = "memory") => {
            "`memory://` has no address: leave out what stands behind it".to_owned()
        }
        "kafka" | "nats" | "amqp" | "memory" => format!(
            "the streamer of `{scheme}://` is not built in: it takes the feature `{scheme}` of fanfare"
        ),
        "tls" => "the streamer of `tls://` is not built in: it takes the feature `nats` of fanfare"
            .to_owned(),
        "amqps" => {
            "the streamer of `amqps://` is not built in: it takes the feature `amqp` of fanfare"
                .to_owned()
        }
        _ => format!(
            "no streamer has URLs that begin with `{scheme}://`: there are memory, kafka, nats, tls, amqp and amqps"
        ),
    }
}

impl Streamer for AnyStreamer {
    async fn connect(&self) -> Result<(), StreamError> {
        chosen!(self, streamer => streamer.connect().await)
    }

    async fn prepare(&self, needs: &Needs) -> Result<(), StreamError> {
        chosen!(self, streamer => streamer.prepare(needs).await)
    }

    fn health(&self) -> Result<(), StreamError> {
        chosen!(self, streamer => streamer.health())
    }

    fn check(&self) -> Result<(), StreamError> {
        chosen!(self, streamer => Streamer::check(streamer))
    }

    fn lacks(&self, guarantee: Guarantee) -> bool {
        chosen!(self, streamer => streamer.lacks(guarantee))
    }

    async fn leftovers(&self, needs: &Needs) -> Result<Vec<Leftover>, StreamError> {
        chosen!(self, streamer => streamer.leftovers(needs).await)
    }

    async fn remove(&self, leftover: &Leftover) -> Result<(), StreamError> {
        chosen!(self, streamer => streamer.remove(leftover).await)
    }

    async fn close(&self) -> Result<(), StreamError> {
        chosen!(self, streamer => streamer.close().await)
    }

    fn dead_letter_topic(&self, topic: &str) -> String {
        chosen!(self, streamer => streamer.dead_letter_topic(topic))
    }
}

impl Publish for AnyStreamer {
    async fn publish(&self, topic: &str, batch: &mut [Outgoing]) {
        chosen!(self, streamer => streamer.publish(topic, batch).await);
    }

    fn publish_at_once(&self, topic: &str, outgoing: &mut Outgoing) -> bool {
        chosen!(self, streamer => streamer.publish_at_once(topic, outgoing))
    }
}

impl Subscribe for AnyStreamer {
    async fn subscribe(&self, request: SubscriptionRequest) -> Result<Deliveries, StreamError> {
        chosen!(self, streamer => streamer.subscribe(request).await)
    }
}

impl Deliver for AnyStreamer {
    fn source(self: Arc<Self>) -> Source {
        Source::subscribe(self)
    }
}

impl Durable for AnyStreamer {}

impl OrderedByKey for AnyStreamer {}

impl Groups for AnyStreamer {}
