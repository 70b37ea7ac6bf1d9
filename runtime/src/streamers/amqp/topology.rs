//! Topics: what is there, and what is made; and what the broker says of it.

use lapin::options::{
    ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
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
pub(super) const ALL: &str = "#";
/// Of the plugin `rabbitmq_consistent_hash_exchange`.
pub(super) const BY_HASH: &str = "x-consistent-hash";
pub(super) const DURABLE: ExchangeDeclareOptions = ExchangeDeclareOptions {
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

/// Makes the exchange of a topic again, and leads it to what this streamer subscribes.
pub(super) async fn declare_exchange(
    channel: &Channel,
    topic: &str,
    options: &Options,
) -> Result<(), StreamError> {
    make_exchange(channel, topic, options).await?;
    options.leads.bind(channel, topic).await
}

/// Makes the exchange of a topic, or sees that it is as it would be made.
pub(super) async fn make_exchange(
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
            if let Err(error) = make_exchange(&channel, topic, options).await {
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

pub(super) fn hashing(error: &Error) -> StreamError {
    if is_hard(error, &AMQPHardError::COMMANDINVALID) {
        return StreamError::new(format!(
            "RabbitMQ cannot spread a group over several streams without its plugin: enable it by \
             `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange`, or leave `streams` at 1 \
             ({error})"
        ));
    }
    failed("RabbitMQ makes no exchange that spreads by key", error)
}

impl QueueType {
    pub(super) fn write(self, arguments: &mut FieldTable) {
        let name = match self {
            QueueType::Classic => "classic",
            QueueType::Quorum => "quorum",
        };
        if !arguments.contains_key("x-queue-type") {
            arguments.insert("x-queue-type".into(), AMQPValue::LongString(name.into()));
        }
    }
}

pub(super) async fn declare_queue(
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

pub(super) async fn bind(
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

pub(super) fn unbound(topic: &str, error: &Error) -> StreamError {
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

/// Whether the broker has closed the channel over a routing key that this user may not write. Of a
/// whole exchange it says other words: that is an operator's mistake, and no event's.
pub(super) fn is_forbidden_key(error: &Error) -> bool {
    is_soft(error, &AMQPSoftError::ACCESSREFUSED) && error.to_string().contains("access to topic '")
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
