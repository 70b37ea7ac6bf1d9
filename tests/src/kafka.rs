//! Kafka's own client, beside ours.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

const ANSWER: Duration = Duration::from_secs(20);

/// Creates a topic. Comes back when every broker knows it.
///
/// # Panics
/// When it cannot be created.
pub async fn create_topic(bootstrap: &str, name: &str, partitions: i32) {
    create_topic_with(bootstrap, name, partitions, &[]).await;
}

/// As [`create_topic`], with options of the topic.
///
/// # Panics
/// When it cannot be created.
pub async fn create_topic_with(
    bootstrap: &str,
    name: &str,
    partitions: i32,
    options: &[(&str, &str)],
) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .expect("a client");
    let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
    for (name, value) in options {
        topic = topic.set(name, value);
    }
    let patience = AdminOptions::new().operation_timeout(Some(ANSWER));
    let created = admin.create_topics([&topic], &patience).await;
    created.expect("an answer")[0].as_ref().expect("created");
    has_partitions(admin, name, partitions).await;
}

/// Lets a topic have so many partitions. Comes back when every broker knows it.
///
/// # Panics
/// When that cannot be.
pub async fn add_partitions(bootstrap: &str, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()
        .expect("a client");
    let more = NewPartitions::new(name, usize::try_from(partitions).expect("positive"));
    let patience = AdminOptions::new().operation_timeout(Some(ANSWER));
    let added = admin.create_partitions([&more], &patience).await;
    added.expect("an answer")[0].as_ref().expect("added");
    has_partitions(admin, name, partitions).await;
}

async fn has_partitions(admin: AdminClient<DefaultClientContext>, name: &str, partitions: i32) {
    let name = name.to_owned();
    let is_known = move || loop {
        let metadata = admin.inner().fetch_metadata(Some(&name), ANSWER);
        let metadata = metadata.expect("an answer");
        let topic = &metadata.topics()[0];
        let led = |partition: &rdkafka::metadata::MetadataPartition| partition.error().is_none();
        let has_all = i32::try_from(topic.partitions().len()) == Ok(partitions);
        if topic.error().is_none() && has_all && topic.partitions().iter().all(led) {
            return;
        }
    };
    tokio::task::spawn_blocking(is_known).await.expect("known");
}
