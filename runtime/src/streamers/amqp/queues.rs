//! The queues of groups, and what leads to them.

use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use uuid::Uuid;

use super::connect::failed;
use super::leads::Lead;
use super::link::Link;
use super::names;
use super::options::{Options, arguments};
use super::topology::{
    ALL, BY_HASH, DURABLE, bind, consumers, declare_queue, hashing, is_missing, make_exchange,
    unbound,
};
use crate::streamer::StreamError;

/// How long a queue of one instance is kept while the instance does not reach the broker.
const EXPIRY_MS: i64 = 10 * 60 * 1000;

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

    /// What the topic leads to, in the end to all of them.
    pub(super) fn lead_to(&self) -> Option<Lead> {
        match &self.spread {
            Some(spread) => Some(Lead::Exchange(spread.clone())),
            None => self.names.first().cloned().map(Lead::Queue),
        }
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
            make_exchange(channel, &self.topic, options).await?;
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
        let lead = Lead::Exchange(spread.clone());
        let bound = lead.bind(channel, names::exchange(&self.topic)?);
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
