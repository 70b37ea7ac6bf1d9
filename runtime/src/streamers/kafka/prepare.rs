//! Topics that are to be there, and groups that are not needed any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;

use super::connect::{ANSWER, Connection};
use super::ear::ConsumerEar;
use crate::streamer::{Group, Leftover, Needs, StreamError};

pub(super) async fn prepare(connection: &Connection, needs: &Needs) -> Result<(), StreamError> {
    let topics: Vec<_> = needs.topics().into_iter().map(str::to_owned).collect();
    let troubles = connection.ask(move |asker| troubles(asker, topics)).await?;
    let (missing, mut troubles): (Vec<_>, Vec<_>) = troubles
        .into_iter()
        .partition(|(_, code)| *code == RDKafkaErrorCode::UnknownTopicOrPartition);
    let missing: Vec<_> = missing.into_iter().map(|(topic, _)| topic).collect();
    if connection.options.create_topics {
        troubles.extend(create(connection, &missing).await?);
    } else if !missing.is_empty() {
        let list = missing.join("`, `");
        return Err(StreamError::new(format!(
            "Kafka has no topics `{list}`: create them, or let the service do it with \
             `Kafka::with_create_topics(true)` (in a URL `create_topics=true`){}",
            words(&troubles),
        )));
    }
    match &troubles[..] {
        [] => Ok(()),
        _ => Err(StreamError::new(format!(
            "not all topics can be used{}",
            words(&troubles)
        ))),
    }
}

type Troubles = Vec<(String, RDKafkaErrorCode)>;

fn words(troubles: &Troubles) -> String {
    let words = troubles
        .iter()
        .map(|(topic, code)| format!("; `{topic}`: {code}"));
    words.collect()
}

/// What is wrong with each of these topics.
fn troubles(
    asker: &BaseConsumer<ConsumerEar>,
    topics: Vec<String>,
) -> Result<Troubles, StreamError> {
    let mut troubles = Troubles::new();
    for topic in topics {
        match partitions(asker, &topic, ANSWER) {
            Ok(_) => {}
            Err(KafkaError::OffsetFetch(code)) => troubles.push((topic, code)),
            Err(error) => {
                let error = format!("Kafka does not say what topics it has: {error}");
                return Err(StreamError::new(error));
            }
        }
    }
    Ok(troubles)
}

/// The numbers of a topic's partitions. What is wrong with the topic is an `OffsetFetch`.
pub(super) fn partitions(
    asker: &BaseConsumer<ConsumerEar>,
    topic: &str,
    patience: Duration,
) -> KafkaResult<Vec<i32>> {
    let metadata = asker.fetch_metadata(Some(topic), patience)?;
    let known = metadata.topics().iter().find(|known| known.name() == topic);
    let known = known.ok_or(KafkaError::OffsetFetch(
        RDKafkaErrorCode::UnknownTopicOrPartition,
    ))?;
    match known.error().map(RDKafkaErrorCode::from) {
        Some(RDKafkaErrorCode::LeaderNotAvailable) | None => Ok(known
            .partitions()
            .iter()
            .map(MetadataPartition::id)
            .collect()),
        Some(code) => Err(KafkaError::OffsetFetch(code)),
    }
}

/// Creates topics: those that could not be.
async fn create(connection: &Connection, missing: &[String]) -> Result<Troubles, StreamError> {
    if missing.is_empty() {
        return Ok(Troubles::new());
    }
    let options = &connection.options;
    let topics = missing.iter().map(|name| {
        let replication = TopicReplication::Fixed(options.replication_factor);
        NewTopic::new(name, options.partitions, replication)
    });
    let topics: Vec<_> = topics.collect();
    // Comes back when the topics are known to all.
    let patience = AdminOptions::new()
        .request_timeout(Some(ANSWER))
        .operation_timeout(Some(ANSWER));
    let admin = connection.admin()?;
    let created = admin.create_topics(&topics, &patience).await;
    drop_aside(admin);
    let created = created
        .map_err(|error| StreamError::new(format!("the topics cannot be created: {error}")))?;
    let mut troubles = Troubles::new();
    for created in created {
        match created {
            Ok(topic) => tracing::info!(topic, "Kafka has a new topic"),
            // Another instance was faster.
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err(trouble) => troubles.push(trouble),
        }
    }
    Ok(troubles)
}

/// An admin client takes its time to end.
fn drop_aside<T: Send + 'static>(admin: T) {
    tokio::task::spawn_blocking(move || drop(admin));
}

pub(super) async fn leftovers(
    connection: &Connection,
    needs: &Needs,
) -> Result<Vec<Leftover>, StreamError> {
    let prefix = &connection.options.group_prefix;
    let groups = needs.subscribed.values().flatten();
    let needed = groups.filter_map(|group| match group {
        Group::Shared(name) => Some(format!("{prefix}{name}")),
        Group::EachInstance => None,
    });
    let needed: BTreeSet<_> = needed.collect();
    let ours = format!("{prefix}{}.", needs.service);
    let groups = connection.ask(|asker| {
        let groups = asker.fetch_group_list(None, ANSWER).map_err(|error| {
            StreamError::new(format!("Kafka does not say what groups it has: {error}"))
        })?;
        let names = groups.groups().iter().map(|group| group.name().to_owned());
        Ok(names.collect::<BTreeSet<_>>())
    });
    let leftovers = groups.await?.into_iter();
    // With one more dot it is of another service, whose name begins as this one's.
    let is_ours = |group: &String| {
        let handler = group.strip_prefix(&ours);
        handler.is_some_and(|handler| !handler.contains('.')) && !needed.contains(group)
    };
    let leftovers = leftovers.filter(is_ours);
    Ok(leftovers
        .map(|group| Leftover {
            group: group[prefix.len()..].to_owned(),
            topic: None,
            waiting: None,
        })
        .collect())
}

pub(super) async fn remove(
    connection: &Arc<Connection>,
    leftover: &Leftover,
) -> Result<(), StreamError> {
    let group = format!("{}{}", connection.options.group_prefix, leftover.group);
    let patience = AdminOptions::new().request_timeout(Some(ANSWER));
    let admin = connection.admin()?;
    let deleted = admin.delete_groups(&[&group], &patience).await;
    drop_aside(admin);
    let why = match deleted.map(|mut groups| groups.pop()) {
        Ok(Some(Err((_, RDKafkaErrorCode::NonEmptyGroup)))) => {
            "somebody still subscribes to it".to_owned()
        }
        Ok(Some(Err((_, code)))) => code.to_string(),
        Ok(_) => return Ok(()),
        Err(error) => error.to_string(),
    };
    Err(StreamError::new(format!(
        "the group `{group}` is not removed: {why}"
    )))
}
