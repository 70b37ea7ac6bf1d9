//! Consumers: what `JetStream` keeps for a group and a topic.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{self, ApiError};
use super::link::Link;
use super::session::Session;
use super::topics::{checked_name, find, merge, name_of};
use crate::streamer::{Leftover, Needs, StreamError};

// In a consumer's metadata: whose it is.
const GROUP: &str = "fanfare-group";
const TOPIC: &str = "fanfare-topic";

/// How long the server keeps the consumer of an instance that is gone without a word.
const INSTANCE_IS_GONE_AFTER: u64 = 5 * 60;

/// What the server says of a consumer.
#[derive(Deserialize)]
pub(super) struct ConsumerInfo {
    pub(super) name: String,
    config: Value,
    /// The server's time.
    ts: Option<String>,
    pub(super) delivered: Delivered,
    pub(super) num_ack_pending: u64,
    pub(super) num_waiting: u64,
    num_pending: u64,
}

#[derive(Deserialize)]
pub(super) struct Delivered {
    pub(super) stream_seq: u64,
    /// When there was one.
    last_active: Option<String>,
}

/// The name of a group's consumer. An `@` is neither in the one nor the other half.
pub(super) fn durable_name(group: &str, topic: &str) -> Result<String, StreamError> {
    let name = format!("{}@{}", name_of(group), name_of(topic));
    checked_name(name, &format!("the group `{group}` of `{topic}`"))
}

pub(super) async fn info(
    session: &Session,
    stream: &str,
    name: &str,
) -> Result<ConsumerInfo, ApiError> {
    api::ask(
        session,
        &format!("CONSUMER.INFO.{stream}.{name}"),
        &api::Bare {},
    )
    .await
}

async fn put(
    session: &Session,
    (stream, name): (&str, &str),
    config: &Value,
    action: &str,
) -> Result<ConsumerInfo, ApiError> {
    let topic = config["filter_subject"].as_str().unwrap_or_default();
    let subject = format!("CONSUMER.CREATE.{stream}.{name}.{topic}");
    let question = json!({ "stream_name": stream, "config": config, "action": action });
    api::ask(session, &subject, &question).await
}

/// Where a group that is not known yet begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// With what is published from now on, unless the options say otherwise.
    Now,
    /// With this number.
    At(u64),
}

/// The consumer of a group, made if there is none.
pub(super) async fn durable(
    link: &Link,
    session: &Session,
    stream: &str,
    (group, topic): (&str, &str),
    begin: Begin,
) -> Result<ConsumerInfo, StreamError> {
    let name = durable_name(group, topic)?;
    let wrong = |error: ApiError| {
        StreamError::new(format!(
            "the consumer `{name}` of the stream `{stream}`, for the group `{group}` of \
             `{topic}`: {error}"
        ))
    };
    match info(session, stream, &name).await {
        Ok(known) => return adapt(link, session, stream, known).await.map_err(wrong),
        Err(error) if error.is(api::NO_CONSUMER) => {}
        Err(error) => return Err(wrong(error)),
    }
    let config = durable_config(link, &name, (group, topic), begin);
    match put(session, (stream, &name), &config, "create").await {
        Ok(created) => Ok(created),
        // Another instance was faster.
        Err(error) if error.is(api::CONSUMER_EXISTS) => {
            info(session, stream, &name).await.map_err(wrong)
        }
        Err(error) => Err(wrong(error)),
    }
}

fn durable_config(link: &Link, name: &str, (group, topic): (&str, &str), begin: Begin) -> Value {
    let mut config = json!({
        "name": name,
        "durable_name": name,
        "deliver_policy": "new",
        "replay_policy": "instant",
        "ack_policy": "explicit",
        "ack_wait": nanoseconds(link.options.ack_wait.as_nanos()),
        // We count attempts ourselves, and each instance asks for no more than it may have.
        "max_deliver": -1,
        "max_ack_pending": -1,
        "filter_subject": topic,
        "metadata": { GROUP: group, TOPIC: topic },
    });
    merge(&mut config, &link.options.consumer_options);
    if let Begin::At(sequence) = begin {
        config["deliver_policy"] = json!("by_start_sequence");
        config["opt_start_seq"] = json!(sequence);
    }
    config
}

fn nanoseconds(nanoseconds: u128) -> Value {
    json!(u64::try_from(nanoseconds).unwrap_or(u64::MAX / 2))
}

/// Gives a consumer that is there the options of this program, where they may change.
async fn adapt(
    link: &Link,
    session: &Session,
    stream: &str,
    known: ConsumerInfo,
) -> Result<ConsumerInfo, ApiError> {
    let mut config = known.config.clone();
    config["ack_wait"] = nanoseconds(link.options.ack_wait.as_nanos());
    let options = link.options.consumer_options.iter();
    // Where it begins is only said at the beginning.
    merge(
        &mut config,
        options.filter(|(name, _)| *name != "deliver_policy"),
    );
    if config == known.config {
        return Ok(known);
    }
    put(session, (stream, &known.name), &config, "update").await
}

/// A consumer for one instance alone, from this number on.
pub(super) async fn for_instance(
    link: &Link,
    session: &Session,
    stream: &str,
    topic: &str,
    begin: u64,
) -> Result<ConsumerInfo, StreamError> {
    let name = format!("fanfare-{}", uuid::Uuid::now_v7().simple());
    let mut config = json!({
        "name": name,
        "replay_policy": "instant",
        // What is lost on the way is asked for again by its number.
        "ack_policy": "none",
        "max_deliver": -1,
        "filter_subject": topic,
        "mem_storage": true,
        "num_replicas": 1,
    });
    merge(&mut config, &link.options.consumer_options);
    config["deliver_policy"] = json!("by_start_sequence");
    config["opt_start_seq"] = json!(begin);
    config["inactive_threshold"] = json!(INSTANCE_IS_GONE_AFTER * 1_000_000_000);
    let created = put(session, (stream, &name), &config, "create").await;
    created.map_err(|error| {
        StreamError::new(format!(
            "no consumer can be created on the stream `{stream}` for this instance and `{topic}`: \
             {error}"
        ))
    })
}

pub(super) async fn delete(session: &Session, stream: &str, name: &str) -> Result<(), ApiError> {
    let subject = format!("CONSUMER.DELETE.{stream}.{name}");
    let deleted = api::ask::<api::Anything>(session, &subject, &api::Bare {}).await;
    match deleted {
        Err(error) if !error.is(api::NO_CONSUMER) && !error.is(api::NO_STREAM) => Err(error),
        _ => Ok(()),
    }
}

impl ConsumerInfo {
    fn metadata(&self, name: &str) -> Option<&str> {
        self.config["metadata"][name].as_str()
    }

    /// The group and the topic that fanfare made it for, if it did.
    fn owner(&self) -> Option<(&str, &str)> {
        let (group, topic) = (self.metadata(GROUP)?, self.metadata(TOPIC)?);
        let is_ours = durable_name(group, topic).is_ok_and(|name| name == self.name);
        is_ours.then_some((group, topic))
    }

    /// Whether somebody may be at work on what was delivered last.
    fn is_at_work(&self) -> bool {
        let last = self.delivered.last_active.as_deref();
        let last = last.and_then(|last| last.parse::<Timestamp>().ok());
        let now = self.ts.as_deref().and_then(|now| now.parse().ok());
        let age = last.map(|last| now.unwrap_or_else(Timestamp::now).duration_since(last));
        let wait = self.config["ack_wait"].as_i64().unwrap_or_default();
        self.num_ack_pending > 0 && age.is_some_and(|age| age < SignedDuration::from_nanos(wait))
    }
}

/// All consumers of a stream.
async fn all(session: &Session, stream: &str) -> Result<Vec<ConsumerInfo>, ApiError> {
    #[derive(Deserialize)]
    struct Page {
        total: usize,
        consumers: Option<Vec<ConsumerInfo>>,
    }
    let subject = format!("CONSUMER.LIST.{stream}");
    let mut all = Vec::new();
    loop {
        let page: Page = api::ask(session, &subject, &json!({ "offset": all.len() })).await?;
        let more = page.consumers.unwrap_or_default();
        let is_last = more.is_empty() || all.len() + more.len() >= page.total;
        all.extend(more);
        if is_last {
            return Ok(all);
        }
    }
}

/// What is kept for groups of this service that no handler has.
pub(super) async fn leftovers(link: &Link, needs: &Needs) -> Result<Vec<Leftover>, StreamError> {
    let session = link.session()?;
    let prefix = format!("{}.", needs.service);
    let mut leftovers = Vec::new();
    for stream in api::stream_names(&session, None).await? {
        for consumer in all(&session, &stream).await? {
            let Some((group, topic)) = consumer.owner() else {
                continue;
            };
            // With one more dot it is that of another service, whose name begins like this one's.
            let handler = group.strip_prefix(&prefix);
            let is_own = handler.is_some_and(|handler| !handler.contains('.'));
            if is_own && !needs.has_group(topic, group) {
                leftovers.push(Leftover {
                    group: group.to_owned(),
                    topic: Some(topic.to_owned()),
                    waiting: Some(consumer.num_pending + consumer.num_ack_pending),
                });
            }
        }
    }
    leftovers.sort();
    Ok(leftovers)
}

pub(super) async fn remove(link: &Link, leftover: &Leftover) -> Result<(), StreamError> {
    let session = link.session()?;
    let nothing = || StreamError::new(format!("NATS keeps nothing for {leftover}"));
    let topic = leftover.topic.as_deref().ok_or_else(nothing)?;
    let name = durable_name(&leftover.group, topic)?;
    let stream = find(&session, topic).await?.ok_or_else(nothing)?;
    let consumer = match info(&session, &stream, &name).await {
        Ok(consumer) => consumer,
        Err(error) if error.is(api::NO_CONSUMER) || error.is(api::NO_STREAM) => {
            return Err(nothing());
        }
        Err(error) => return Err(error.into()),
    };
    if consumer.owner().is_none() {
        return Err(nothing());
    }
    if consumer.num_waiting > 0 {
        return Err(StreamError::new(format!(
            "somebody still subscribes to {leftover}: stop the service that does"
        )));
    }
    if consumer.is_at_work() {
        return Err(StreamError::new(format!(
            "somebody may still be at work on events of {leftover}: stop the service that is, and \
             try again once the `ack_wait` of its consumer has passed"
        )));
    }
    Ok(delete(&session, &stream, &name).await?)
}
