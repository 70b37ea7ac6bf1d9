//! Exchanges and queues: what is there, and what is made.

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection, Error, ErrorKind, ExchangeKind};
use uuid::Uuid;

use super::connect::failed;
use super::link::Link;
use super::names;
use super::options::{Options, QueueType, arguments};
use crate::streamer::{Needs, StreamError};

/// All routing keys.
const ALL: &str = "#";
/// Of the plugin `rabbitmq_consistent_hash_exchange`.
const BY_HASH: &str = "x-consistent-hash";
/// How long a queue of one instance is kept while the instance does not reach the broker.
const EXPIRY_MS: i64 = 10 * 60 * 1000;

const DURABLE: ExchangeDeclareOptions = ExchangeDeclareOptions {
    passive: false,
    durable: true,
    auto_delete: false,
    internal: false,
    nowait: false,
};

const DURABLE_QUEUE: QueueDeclareOptions = QueueDeclareOptions {
    passive: false,
    durable: true,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};

/// Makes the exchange of a topic, or sees that it is as it would be made.
pub(super) async fn declare_exchange(
    channel: &Channel,
    topic: &str,
    options: &Options,
) -> Result<(), StreamError> {
    let arguments = arguments(&options.exchange_arguments)?;
    let exchange = names::exchange(topic)?;
    let declared = channel.exchange_declare(exchange, ExchangeKind::Topic, DURABLE, arguments);
    let what = format!(
        "the topic `{topic}` cannot be made: RabbitMQ has, or takes, no durable exchange of type `topic` of this name"
    );
    declared.await.map_err(|error| failed(&what, &error))
}

/// Sees to it that the topics are there, and keeps dead letters.
pub(super) async fn prepare(
    link: &Link,
    needs: &Needs,
    options: &Options,
) -> Result<(), StreamError> {
    let mut troubles = Vec::new();
    for topic in needs.topics() {
        // An error closes the channel.
        let (_, channel) = link.channel().await?;
        if options.create_topics {
            if let Err(error) = declare_exchange(&channel, topic, options).await {
                troubles.push(error.to_string());
            } else if needs.dead_letters.contains(topic) && !needs.subscribed.contains_key(topic) {
                keep_dead_letters(&channel, topic, options).await?;
            }
        } else if let Err(error) = look_for(&channel, topic).await? {
            troubles.push(error);
        }
        // One that failed is closed already.
        let _ = channel.close(200, "OK".into()).await;
    }
    if troubles.is_empty() {
        return Ok(());
    }
    let help = if options.create_topics {
        ""
    } else {
        " (make them, as durable exchanges of type `topic`, or have them made: `create_topics`)"
    };
    Err(StreamError::new(format!("{}{help}", troubles.join("; "))))
}

async fn look_for(channel: &Channel, topic: &str) -> Result<Result<(), String>, StreamError> {
    let passive = ExchangeDeclareOptions {
        passive: true,
        ..DURABLE
    };
    let exchange = names::exchange(topic)?;
    let looked = channel.exchange_declare(
        exchange,
        ExchangeKind::Topic,
        passive,
        FieldTable::default(),
    );
    match looked.await {
        Ok(()) => Ok(Ok(())),
        Err(error) if is_missing(&error) => Ok(Err(format!("the topic `{topic}` is missing"))),
        Err(error) => Ok(Err(format!(
            "the topic `{topic}` cannot be looked for: {error}"
        ))),
    }
}

/// A queue of the topic's own name: without one, `RabbitMQ` would drop what nobody subscribes to.
async fn keep_dead_letters(
    channel: &Channel,
    topic: &str,
    options: &Options,
) -> Result<(), StreamError> {
    let queue = names::exchange(topic)?;
    let mut arguments = arguments(&options.queue_arguments)?;
    options.queue_type.write(&mut arguments);
    declare_queue(channel, &queue, arguments).await?;
    bind(channel, &queue, queue.clone(), ALL).await
}

/// Sees whether the broker can share a group's events among streams, on a connection that may break
/// of it.
pub(super) async fn look_for_hashing(connection: &Connection) -> Result<(), StreamError> {
    let channel = connection.create_channel().await;
    let channel = channel.map_err(|error| failed("RabbitMQ opens no channel", &error))?;
    let name: ShortString = format!("fanfare-{}", Uuid::now_v7()).into();
    let kind = ExchangeKind::Custom(BY_HASH.to_owned());
    let options = ExchangeDeclareOptions {
        auto_delete: true,
        durable: false,
        ..DURABLE
    };
    let made = channel.exchange_declare(name.clone(), kind, options, FieldTable::default());
    made.await.map_err(|error| hashing(&error))?;
    let deleted = channel.exchange_delete(name, ExchangeDeleteOptions::default());
    deleted
        .await
        .map_err(|error| failed("an exchange cannot be deleted", &error))
}

fn hashing(error: &Error) -> StreamError {
    if is_hard(error, &AMQPHardError::COMMANDINVALID) {
        return StreamError::new(format!(
            "RabbitMQ cannot spread a group over several streams without its plugin: enable it by \
             `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange`, or leave `streams` at 1 \
             ({error})"
        ));
    }
    failed("RabbitMQ makes no exchange that spreads by key", error)
}

/// The queues of a group, one for each of its streams.
pub(super) struct Queues {
    pub(super) topic: String,
    pub(super) names: Vec<ShortString>,
    /// Between the topic's exchange and the queues, where there are several.
    spread: Option<ShortString>,
    is_of_one_instance: bool,
}

impl Queues {
    /// Those of a group that instances share.
    pub(super) fn shared(
        topic: String,
        group: &str,
        options: &Options,
    ) -> Result<Self, StreamError> {
        let name = names::group(&topic, group)?;
        let streams = options.streams.get();
        let (names, spread) = match streams {
            1 => (vec![name], None),
            _ => {
                let parts = (0..streams).map(|stream| names::part(&name, stream));
                (parts.collect::<Result<_, _>>()?, Some(name))
            }
        };
        Ok(Queues {
            topic,
            names,
            spread,
            is_of_one_instance: false,
        })
    }

    /// The one of an instance by itself.
    pub(super) fn of_one_instance(topic: String) -> Result<Self, StreamError> {
        let name = names::group(&topic, "instance")?;
        Ok(Queues {
            names: vec![names::part(&name, Uuid::now_v7())?],
            topic,
            spread: None,
            is_of_one_instance: true,
        })
    }

    pub(super) fn is_of_one_instance(&self) -> bool {
        self.is_of_one_instance
    }

    /// Refuses a group that was made with another number of streams: what is in the other queues
    /// would wait for ever.
    pub(super) async fn check(&self, link: &Link) -> Result<(), StreamError> {
        let other = match (&self.spread, &self.names[..]) {
            _ if self.is_of_one_instance => return Ok(()),
            (Some(single), names) => {
                let more = names::part(single, names.len())?;
                if self.is_there(link, &more).await? {
                    Some(more)
                } else {
                    Some(single.clone())
                }
            }
            (None, [single]) => Some(names::part(single, 0)?),
            (None, _) => None,
        };
        match other {
            Some(other) if self.is_there(link, &other).await? => Err(StreamError::new(format!(
                "the topic `{}` has a queue `{other}`, which its group had with another number of \
                 `streams`, and nobody would take what is in it: set that number again, or delete \
                 the queue",
                self.topic
            ))),
            _ => Ok(()),
        }
    }

    async fn is_there(&self, link: &Link, queue: &ShortString) -> Result<bool, StreamError> {
        let (_, channel) = link.channel().await?;
        match consumers(&channel, queue).await {
            Ok(_) => {
                // One that is lost meanwhile is closed too.
                let _ = channel.close(200, "OK".into()).await;
                Ok(true)
            }
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(failed("RabbitMQ does not tell of its queues", &error)),
        }
    }

    /// Makes all of them. Events come when all are there, so that a key has one stream from the
    /// beginning.
    pub(super) async fn declare_all(
        &self,
        channel: &Channel,
        options: &Options,
    ) -> Result<(), StreamError> {
        for stream in 0..self.names.len() {
            self.declare(stream, channel, options).await?;
        }
        self.lead(channel).await
    }

    /// Makes one of them, if it is not there.
    pub(super) async fn declare(
        &self,
        stream: usize,
        channel: &Channel,
        options: &Options,
    ) -> Result<(), StreamError> {
        if options.create_topics {
            declare_exchange(channel, &self.topic, options).await?;
        }
        let mut arguments = arguments(&options.queue_arguments)?;
        options.queue_type.write(&mut arguments);
        if self.is_of_one_instance {
            arguments.insert("x-expires".into(), AMQPValue::LongLongInt(EXPIRY_MS));
        } else {
            arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        }
        if let Some(spread) = &self.spread {
            let kind = ExchangeKind::Custom(BY_HASH.to_owned());
            let made =
                channel.exchange_declare(spread.clone(), kind, DURABLE, FieldTable::default());
            made.await.map_err(|error| hashing(&error))?;
        }
        declare_queue(channel, &self.names[stream], arguments).await?;
        self.bind(stream, channel).await
    }

    /// Binds one of them, which does nothing where it is bound.
    async fn bind(&self, stream: usize, channel: &Channel) -> Result<(), StreamError> {
        let queue = &self.names[stream];
        let (from, key) = match &self.spread {
            None => (names::exchange(&self.topic)?, ALL),
            // Its weight.
            Some(spread) => (spread.clone(), "1"),
        };
        bind(channel, queue, from, key).await
    }

    /// Leads the events of the topic to them.
    async fn lead(&self, channel: &Channel) -> Result<(), StreamError> {
        let Some(spread) = &self.spread else {
            return Ok(());
        };
        let bound = channel.exchange_bind(
            spread.clone(),
            names::exchange(&self.topic)?,
            ALL.into(),
            ExchangeBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.map_err(|error| unbound(&self.topic, &error))
    }

    /// Sees to it that events still come to one of them, though somebody may have deleted what leads
    /// there.
    pub(super) async fn bind_again(
        &self,
        stream: usize,
        channel: &Channel,
    ) -> Result<(), StreamError> {
        self.bind(stream, channel).await?;
        self.lead(channel).await
    }
}

impl QueueType {
    fn write(self, arguments: &mut FieldTable) {
        let name = match self {
            QueueType::Classic => "classic",
            QueueType::Quorum => "quorum",
        };
        if !arguments.contains_key("x-queue-type") {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString(name.into()));
        }
    }
}

async fn declare_queue(
    channel: &Channel,
    queue: &ShortString,
    arguments: FieldTable,
) -> Result<(), StreamError> {
    let declared = channel.queue_declare(queue.clone(), DURABLE_QUEUE, arguments);
    let what = || format!("the queue `{queue}` cannot be made, or is there and was made otherwise");
    declared
        .await
        .map(drop)
        .map_err(|error| failed(&what(), &error))
}

async fn bind(
    channel: &Channel,
    queue: &ShortString,
    exchange: ShortString,
    key: &str,
) -> Result<(), StreamError> {
    let bound = channel.queue_bind(
        queue.clone(),
        exchange.clone(),
        key.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound
        .await
        .map_err(|error| unbound(exchange.as_str(), &error))
}

fn unbound(topic: &str, error: &Error) -> StreamError {
    if is_missing(error) {
        return StreamError::new(format!(
            "the topic `{topic}` is missing: RabbitMQ has no exchange of this name ({error})"
        ));
    }
    failed(
        &format!("nothing can be bound to the topic `{topic}`"),
        error,
    )
}

/// How many consumers a queue has.
pub(super) async fn consumers(channel: &Channel, queue: &ShortString) -> Result<u32, Error> {
    let passive = QueueDeclareOptions {
        passive: true,
        ..DURABLE_QUEUE
    };
    let looked = channel.queue_declare(queue.clone(), passive, FieldTable::default());
    Ok(looked.await?.consumer_count())
}

pub(super) fn is_missing(error: &Error) -> bool {
    is_soft(error, &AMQPSoftError::NOTFOUND)
}

fn is_soft(error: &Error, soft: &AMQPSoftError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error)
        if matches!(error.kind(), AMQPErrorKind::Soft(kind) if kind == soft))
}

fn is_hard(error: &Error, hard: &AMQPHardError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error)
        if matches!(error.kind(), AMQPErrorKind::Hard(kind) if kind == hard))
}

/// The largest message that the broker takes, where it has closed the channel over a larger one.
pub(super) fn larger_than(error: &Error) -> Option<usize> {
    if !is_soft(error, &AMQPSoftError::PRECONDITIONFAILED) {
        return None;
    }
    let text = error.to_string();
    let (_, limit) = text.split_once("configured max size ")?;
    let digits = limit.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}
