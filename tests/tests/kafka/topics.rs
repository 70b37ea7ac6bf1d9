//! Topics that are missing, and groups that are left over.

use fanfare::streamer::{Group, Needs, Outgoing, Publish, Streamer};
use fanfare_tests::brokers::Kafka as Server;
use fanfare_tests::{event, publish};

use super::{client, connected, keyed, name, next, subscribed, topic};

fn needs(published: &[&str], subscribed: &[(&str, &str)]) -> Needs {
    let mut needs = Needs::default();
    needs.service = "blog".into();
    needs.published = published.iter().map(|&topic| topic.to_owned()).collect();
    for (topic, group) in subscribed {
        let groups = needs.subscribed.entry((*topic).to_owned()).or_default();
        groups.push(Group::Shared((*group).to_owned()));
    }
    needs
}

#[tokio::test]
async fn all_topics_that_are_missing_are_named_at_once() {
    let server = Server::shared();
    let kafka = connected(server).await;
    let there = topic(server, 1).await;
    let (first, second) = (name("missing"), name("missing"));
    let needs = needs(&[&first, &there], &[(&second, "blog.index")]);
    let error = kafka
        .prepare(&needs)
        .await
        .expect_err("missing")
        .to_string();
    assert!(error.contains(&format!("`{first}`, `{second}`")), "{error}");
    assert!(error.contains("with_create_topics"), "{error}");
    assert!(!error.contains(&there), "{error}");
}

#[tokio::test]
async fn topics_that_are_missing_are_created_where_that_is_wanted() {
    let server = Server::shared();
    let partitions = const { std::num::NonZeroU16::new(3).expect("not zero") };
    let kafka = client(server)
        .with_create_topics(true)
        .with_partitions(partitions);
    kafka.connect().await.expect("connected");
    let (there, missing) = (topic(server, 1).await, name("missing"));
    let needs = needs(&[&there, &missing], &[]);
    kafka.prepare(&needs).await.expect("created");
    kafka.prepare(&needs).await.expect("a second time");
    let mut deliveries = subscribed(&kafka, &missing, "group").await;
    let mut streams = std::collections::BTreeSet::new();
    // Without a key they go anywhere, after some time.
    while streams.len() < 3 {
        publish(&kafka, &missing, event("tests.event", "{}")).await;
        let delivery = next(&mut deliveries).await;
        streams.insert(delivery.stream().to_string());
        delivery.acknowledge();
    }
    assert!(streams.into_iter().eq(["0", "1", "2"]));
}

#[tokio::test]
async fn what_cannot_be_created_is_named_and_the_rest_is_created() {
    let server = Server::shared();
    let kafka = client(server).with_create_topics(true);
    kafka.connect().await.expect("connected");
    let missing = name("missing");
    let error = kafka.prepare(&needs(&["not a name!", &missing], &[])).await;
    let error = error.expect_err("no name").to_string();
    assert!(error.contains("`not a name!`"), "{error}");
    assert!(!error.contains("with_create_topics"), "{error}");
    kafka
        .prepare(&needs(&[&missing], &[]))
        .await
        .expect("created");
}

#[tokio::test]
async fn an_event_that_is_too_large_for_its_topic_is_refused_and_those_beside_it_are_not() {
    let server = Server::shared();
    let topic = name("small");
    let limit = [("max.message.bytes", "20000")];
    fanfare_tests::kafka::create_topic_with(&server.bootstrap(), &topic, 1, &limit).await;
    let kafka = connected(server).await;
    let sizes = [1_000, 15_000, 30_000, 15_000, 1_000];
    let events = sizes.map(|size| keyed("key", &"x".repeat(size)));
    let mut batch = events.map(Outgoing::new);
    kafka.publish(&topic, &mut batch).await;
    let reports = batch.map(Outgoing::into_result);
    let [Ok(()), Ok(()), Err(error), Ok(()), Ok(())] = reports else {
        panic!("{reports:?}");
    };
    assert!(error.is_refusal(), "{error}");
    assert!(error.to_string().contains("max.message.bytes"), "{error}");
}

#[tokio::test]
async fn events_that_are_small_enough_are_taken_although_the_client_sends_them_together() {
    let server = Server::shared();
    let topic = name("small");
    let limit = [("max.message.bytes", "20000")];
    fanfare_tests::kafka::create_topic_with(&server.bootstrap(), &topic, 1, &limit).await;
    let kafka = client(server).with_producer_option("linger.ms", "100");
    kafka.connect().await.expect("connected");
    let publishing = (0..20).map(|number| {
        let event = keyed(&number.to_string(), &"x".repeat(5_000));
        publish(&kafka, &topic, event)
    });
    futures_util::future::join_all(publishing).await;
}

#[tokio::test]
async fn what_stands_behind_one_that_is_sent_again_comes_after_it() {
    let server = Server::shared();
    let topic = name("small");
    let limit = [("max.message.bytes", "20000")];
    fanfare_tests::kafka::create_topic_with(&server.bootstrap(), &topic, 1, &limit).await;
    let kafka = client(server)
        .with_producer_option("linger.ms", "100")
        .with_producer_option("batch.num.messages", "2");
    kafka.connect().await.expect("connected");
    let mut deliveries = subscribed(&kafka, &topic, &topic).await;
    // The first two are too much together, and the others are not.
    let sizes = [12_000, 13_000, 100, 200];
    let mut batch = sizes.map(|size| Outgoing::new(keyed("key", &"x".repeat(size))));
    kafka.publish(&topic, &mut batch).await;
    for outgoing in batch {
        outgoing.into_result().expect("published");
    }
    let mut came = Vec::new();
    // What comes twice counts when it comes last.
    while came != sizes {
        let delivery = next(&mut deliveries).await;
        let size = delivery.message().payload().len();
        came.retain(|other| *other != size);
        came.push(size);
        delivery.acknowledge();
    }
}

#[tokio::test]
async fn groups_of_removed_handlers_are_found_and_removed_on_demand() {
    let server = Server::start();
    let kafka = connected(&server).await;
    let topic = topic(&server, 1).await;
    let groups = ["blog.kept", "blog.removed", "blog-other.kept", "by-hand"];
    for group in groups {
        drop(subscribed(&kafka, &topic, group).await);
    }
    let needs = needs(&[], &[(&topic, "blog.kept")]);
    let leftovers = kafka.leftovers(&needs).await.expect("leftovers");
    let [leftover] = &leftovers[..] else {
        panic!("{leftovers:?}");
    };
    assert_eq!(leftover.group, "blog.removed");

    let deliveries = subscribed(&kafka, &topic, "blog.removed").await;
    let member = subscribed(&kafka, &topic, "blog.removed").await;
    let error = kafka
        .remove(leftover)
        .await
        .expect_err("in use")
        .to_string();
    assert!(error.contains("`blog.removed`"), "{error}");
    assert!(error.contains("still subscribes"), "{error}");
    drop((deliveries, member));
    kafka.close().await.expect("closed");

    let kafka = connected(&server).await;
    kafka.remove(leftover).await.expect("removed");
    let leftovers = kafka.leftovers(&needs).await.expect("leftovers");
    assert!(leftovers.is_empty(), "{leftovers:?}");
}
