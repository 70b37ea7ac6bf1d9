//! Raw options of the client.

use fanfare::streamer::Streamer;
use fanfare::streamers::Kafka;
use fanfare_tests::brokers::Kafka as Server;

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
    ] {
        let error = refusal(kafka().with_option(name, "1")).await;
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
}

#[tokio::test]
async fn options_are_passed_on() {
    let kafka = kafka()
        .with_option("client.id", "blog")
        .with_producer_option("linger.ms", "0")
        .with_consumer_option("fetch.wait.max.ms", "10");
    kafka.connect().await.expect("connected");
    kafka.close().await.expect("closed");
}

#[tokio::test]
async fn the_value_of_an_option_that_is_a_secret_shows_nowhere() {
    let kafka = kafka().with_option("ssl.key.password", "hunter2");
    assert!(!format!("{kafka:?}").contains("hunter2"));
    let kafka = kafka.with_option("ssl.key.passwords", "hunter3");
    let error = refusal(kafka).await;
    assert!(!error.contains("hunter"), "{error}");
}

#[test]
fn options_are_read_from_a_file() {
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
