//! The broker goes, and comes back.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use fanfare::streamer::{Group, Publish, Streamer, Subscribe, SubscriptionRequest};
use fanfare::streamers::Kafka;
use fanfare_tests::brokers::{Broker, Kafka as Server, Options};
use fanfare_tests::{Log, in_time, publish, try_publish};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use tokio::task::{spawn_blocking, yield_now};

use super::{client, connected, keyed, next, subscribed, text, topic};

async fn start(options: Options) -> Arc<Server> {
    let server = spawn_blocking(move || Server::start_with(&options)).await;
    Arc::new(server.expect("a server"))
}

async fn with(server: &Arc<Server>, what: fn(&Server)) {
    let server = Arc::clone(server);
    spawn_blocking(move || what(&server)).await.expect("done");
}

async fn is_ill(kafka: &Kafka) -> String {
    let ill = async {
        loop {
            match kafka.health() {
                Err(error) => return error.to_string(),
                Ok(()) => yield_now().await,
            }
        }
    };
    in_time("ill", ill).await
}

async fn is_well(kafka: &Kafka) {
    let well = async {
        while kafka.health().is_err() {
            yield_now().await;
        }
    };
    in_time("well", well).await;
}

/// The broker is away, and back: the log and the health say so, what is published meanwhile is
/// confirmed in the end, and all comes.
async fn survives(options: Options, goes: fn(&Server), comes: fn(&Server)) {
    let log = Log::of_all();
    let server = start(options).await;
    let topic = topic(&server, 2).await;
    let kafka = connected(&server).await;
    let mut deliveries = subscribed(&kafka, &topic, "group").await;
    publish(&kafka, &topic, keyed("key", "before")).await;
    next(&mut deliveries).await.acknowledge();

    with(&server, goes).await;
    let meanwhile = async {
        publish(&kafka, &topic, keyed("key", "meanwhile")).await;
    };
    let back = async {
        let error = is_ill(&kafka).await;
        assert!(error.contains("no broker is reached"), "{error}");
        with(&server, comes).await;
        is_well(&kafka).await;
    };
    tokio::join!(meanwhile, back);
    publish(&kafka, &topic, keyed("key", "after")).await;
    for expected in ["meanwhile", "after"] {
        let mut delivery = next(&mut deliveries).await;
        // Its acknowledgement may not have been committed yet.
        while text(&delivery) == "before" {
            delivery.acknowledge();
            delivery = next(&mut deliveries).await;
        }
        assert_eq!(text(&delivery), expected);
        delivery.acknowledge();
    }
    let brokers = server.bootstrap();
    for words in ["is lost, and tried again", "is reached again"] {
        let lines = log.lines(&[&brokers, words]);
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    kafka.close().await.expect("closed");
}

#[tokio::test]
async fn a_broker_that_is_killed_and_restarted() {
    survives(Options::default(), Server::kill, Server::restart).await;
}

#[tokio::test]
async fn a_broker_that_is_stopped_and_restarted() {
    survives(Options::default(), Server::stop, Server::restart).await;
}

#[tokio::test]
async fn a_connection_that_is_cut() {
    let proxied = Options {
        proxied: true,
        ..Options::default()
    };
    survives(
        proxied,
        |server| server.proxies()[0].cut(),
        |server| server.proxies()[0].heal(),
    )
    .await;
}

#[tokio::test]
async fn a_broker_that_is_paused_is_missed_when_a_publish_fails() {
    let server = start(Options::default()).await;
    let topic = topic(&server, 1).await;
    let kafka = client(&server).with_publish_timeout(Duration::from_secs(2));
    kafka.connect().await.expect("connected");
    let mut deliveries = subscribed(&kafka, &topic, "group").await;
    server.pause();
    let published = try_publish(&kafka, &topic, keyed("key", "late")).await;
    let error = published.expect_err("nobody confirms it");
    assert!(error.to_string().contains("within 2s"), "{error}");
    assert!(!error.is_refusal());
    kafka.health().expect_err("nobody answers");
    server.resume();
    is_well(&kafka).await;
    publish(&kafka, &topic, keyed("key", "after")).await;
    while text(&next(&mut deliveries).await) != "after" {}
}

#[tokio::test]
async fn a_close_while_the_broker_is_away_ends_in_time() {
    let server = start(Options::default()).await;
    let topic = topic(&server, 1).await;
    let kafka = connected(&server).await;
    let deliveries = subscribed(&kafka, &topic, "group").await;
    server.kill();
    is_ill(&kafka).await;
    // Whether it could leave the group in time is not the point.
    let _ = in_time("closed", kafka.close()).await;
    drop(deliveries);
}

#[tokio::test]
async fn a_topic_that_is_deleted_and_created_again() {
    let log = Log::of_all();
    let server = Server::shared();
    let topic = topic(server, 2).await;
    let kafka = connected(server).await;
    let mut deliveries = subscribed(&kafka, &topic, &topic).await;
    for number in 0..20 {
        let number = format!("{number}");
        publish(&kafka, &topic, keyed(&number, "before")).await;
        next(&mut deliveries).await.acknowledge();
    }
    delete(server, &topic).await;
    let error = is_ill(&kafka).await;
    assert!(error.contains(&format!("`{topic}`")), "{error}");
    log.wait_for(1, &[&topic, "the topic cannot be read"]).await;

    fanfare_tests::kafka::create_topic(&server.bootstrap(), &topic, 2).await;
    is_well(&kafka).await;
    let mut batch = [fanfare::streamer::Outgoing::new(keyed("key", "after"))];
    kafka.publish(&topic, &mut batch).await;
    let [outgoing] = batch;
    outgoing.into_result().expect("confirmed");
    assert_eq!(text(&next(&mut deliveries).await), "after");
}

#[tokio::test]
async fn a_group_that_lets_nobody_in_like_this_is_told_by_health_and_log() {
    let log = Log::of_all();
    let server = Server::shared();
    let topic = topic(server, 1).await;
    // The broker takes no less than six seconds.
    let kafka = client(server).with_consumer_option("session.timeout.ms", "1000");
    kafka.connect().await.expect("connected");
    let _deliveries = subscribed(&kafka, &topic, &topic).await;
    let error = is_ill(&kafka).await;
    assert!(error.contains("Invalid session timeout"), "{error}");
    log.wait_for(1, &[&topic, "the topic cannot be read"]).await;
}

/// Nobody assigns it anything again.
#[tokio::test]
async fn a_topic_that_is_there_again_is_said_to_who_reads_all_of_it() {
    let server = Server::shared();
    let topic = topic(server, 1).await;
    let (kafka, publisher) = (connected(server).await, connected(server).await);
    let request = SubscriptionRequest {
        topic: topic.clone(),
        group: Group::EachInstance,
        max_in_flight: NonZeroUsize::new(100).expect("not zero"),
    };
    let subscribed = in_time("subscribed", kafka.subscribe(request)).await;
    let mut deliveries = subscribed.expect("subscribed");
    // Fewer, and it would seem to be the topic that it was.
    for _ in 0..10 {
        publish(&publisher, &topic, keyed("key", "before")).await;
        next(&mut deliveries).await.acknowledge();
    }
    delete(server, &topic).await;
    is_ill(&kafka).await;
    fanfare_tests::kafka::create_topic(&server.bootstrap(), &topic, 1).await;
    let published = async {
        while try_publish(&publisher, &topic, keyed("key", "after"))
            .await
            .is_err()
        {}
    };
    in_time("published", published).await;
    assert_eq!(text(&next(&mut deliveries).await), "after");
    is_well(&kafka).await;
}

async fn delete(server: &Server, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", server.bootstrap())
        .create()
        .expect("a client");
    let deleted = admin.delete_topics(&[topic], &AdminOptions::new()).await;
    deleted.expect("an answer")[0].as_ref().expect("deleted");
}
