//! Raw options of the client.

use std::time::Duration;

use fanfare::streamer::{Needs, Streamer};
use fanfare::streamers::Kafka;
use fanfare_tests::brokers::Kafka as Server;
use fanfare_tests::{foreign, in_time, try_publish};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::json;
use tokio::task::spawn_blocking;

use super::{name, subscribed, topic};

async fn refusal(kafka: Kafka) -> String {
    kafka.connect().await.expect_err("refused").to_string()
}

fn kafka() -> Kafka {
    Kafka::new(Server::shared().bootstrap())
}

#[tokio::test]
async fn an_option_that_the_client_does_not_know_ends_the_start() {
    let error = refusal(kafka().with_option("linger.sm", "5")).await;
    assert!(error.contains("`linger.sm`"), "{error}");
}

#[tokio::test]
async fn a_value_that_the_client_does_not_take_ends_the_start() {
    let error = refusal(kafka().with_producer_option("linger.ms", "soon")).await;
    assert!(error.contains("`linger.ms`"), "{error}");
    let consumer = kafka().with_consumer_option("fetch.min.bytes", "none");
    let error = refusal(consumer).await;
    assert!(error.contains("`fetch.min.bytes`"), "{error}");
}

#[tokio::test]
async fn an_option_that_a_guarantee_rests_on_is_refused() {
    for name in [
        "acks",
        "enable.auto.commit",
        "group.id",
        "auto.offset.reset",
        "delivery.report.only.error",
        "group.instance.id",
    ] {
        let error = refusal(kafka().with_option(name, "1")).await;
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
}

/// What the broker knows the only member of a group by.
async fn known_as(kafka: &Kafka, topic: &str) -> String {
    let _deliveries = subscribed(kafka, topic, topic).await;
    let asker: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", Server::shared().bootstrap())
        .create()
        .expect("a client");
    let group = topic.to_owned();
    let known = spawn_blocking(move || {
        loop {
            let groups = asker.fetch_group_list(Some(&group), Duration::from_secs(20));
            let groups = groups.expect("an answer");
            if let [member] = groups.groups()[0].members() {
                return member.client_id().to_owned();
            }
        }
    });
    in_time("a member", known).await.expect("asked")
}

/// Whether the client sends what is somewhat large.
async fn sends(kafka: &Kafka, topic: &str) -> bool {
    let sent = try_publish(kafka, topic, foreign(&"large".repeat(1000))).await;
    sent.map_err(|error| assert!(error.is_refusal(), "{error}"))
        .is_ok()
}

#[tokio::test]
async fn an_option_is_passed_on_to_producers_and_consumers() {
    let topic = topic(Server::shared(), 1).await;
    let kafka = kafka()
        .with_option("message.max.bytes", "2000")
        .with_option("client.id", "blog");
    kafka.connect().await.expect("connected");
    assert!(!sends(&kafka, &topic).await);
    assert_eq!(known_as(&kafka, &topic).await, "blog");
}

#[tokio::test]
async fn an_option_of_producers_is_passed_on_to_them() {
    let topic = topic(Server::shared(), 1).await;
    let kafka = kafka().with_producer_option("message.max.bytes", "2000");
    kafka.connect().await.expect("connected");
    assert!(!sends(&kafka, &topic).await);
}

#[tokio::test]
async fn an_option_of_consumers_is_passed_on_to_them_alone() {
    let topic = topic(Server::shared(), 1).await;
    let kafka = kafka()
        .with_consumer_option("client.id", "reader")
        .with_consumer_option("message.max.bytes", "2000");
    kafka.connect().await.expect("connected");
    assert!(sends(&kafka, &topic).await);
    assert_eq!(known_as(&kafka, &topic).await, "reader");
}

#[tokio::test]
async fn the_value_of_an_option_that_is_a_secret_shows_nowhere() {
    let kafka = kafka().with_option("ssl.key.password", "hunter2");
    assert!(!format!("{kafka:?}").contains("hunter2"));
    let kafka = kafka.with_option("ssl.key.passwords", "hunter3");
    let error = refusal(kafka).await;
    assert!(!error.contains("hunter"), "{error}");
}

#[tokio::test]
async fn options_come_from_a_file() {
    let server = Server::shared();
    let topic = name("topic");
    let options = json!({
        "brokers": server.bootstrap(), "create_topics": true, "partitions": 3,
        "group_prefix": "team.", "options": {"client.id": "blog"},
        "producer_options": {"message.max.bytes": "2000"},
    });
    let kafka: Kafka = serde_json::from_value(options).expect("options");
    kafka.connect().await.expect("connected");
    let mut needs = Needs::default();
    needs.published.insert(topic.clone());
    kafka.prepare(&needs).await.expect("prepared");
    let _deliveries = subscribed(&kafka, &topic, &topic).await;
    assert!(!sends(&kafka, &topic).await);
    let asker: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", server.bootstrap())
        .create()
        .expect("a client");
    let asking = spawn_blocking(move || {
        let metadata = asker.fetch_metadata(Some(&topic), Duration::from_secs(20));
        let partitions = metadata.expect("an answer").topics()[0].partitions().len();
        let groups =
            asker.fetch_group_list(Some(&format!("team.{topic}")), Duration::from_secs(20));
        (partitions, groups.expect("an answer").groups().len())
    });
    assert_eq!(asking.await.expect("asked"), (3, 1));
}

#[test]
fn what_a_file_says_shows_but_for_secrets() {
    let read = serde_json::from_str::<Kafka>;
    let kafka = r#"{"brokers": "a:9092", "publish_timeout": "5s", "options": {"client.id": "blog"},
        "sasl": {"mechanism": "PLAIN", "user": "blog", "password": "hunter2"}}"#;
    let kafka = format!("{:?}", read(kafka).expect("options"));
    assert!(kafka.contains("a:9092") && kafka.contains("5s"), "{kafka}");
    assert!(!kafka.contains("hunter2"), "{kafka}");
    let error = read(r#"{"brokers": "a:9092", "retries": 3}"#).expect_err("unknown");
    assert!(error.to_string().contains("retries"), "{error}");
}

#[test]
fn numbers_and_truth_values_in_a_file_are_texts_to_the_client() {
    let kafka = r#"{"brokers": "a:9092", "options": {"socket.nagle.disable": true},
        "producer_options": {"linger.ms": 5}, "consumer_options": {"fetch.wait.max.ms": "10"}}"#;
    let kafka = serde_json::from_str::<Kafka>(kafka).expect("options");
    let kafka = format!("{kafka:?}");
    for part in [
        r#""socket.nagle.disable": "true""#,
        r#""linger.ms": "5""#,
        r#""fetch.wait.max.ms": "10""#,
    ] {
        assert!(kafka.contains(part), "{part}: {kafka}");
    }
    let list = r#"{"brokers": "a:9092", "options": {"client.id": ["blog"]}}"#;
    let error = serde_json::from_str::<Kafka>(list).expect_err("a list");
    assert!(error.to_string().contains("a text, a number"), "{error}");
}
