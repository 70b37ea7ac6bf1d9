//! Streams and consumers: what is needed, what is made, what is left behind.

use std::time::Duration;

use fanfare::streamer::{Group, Leftover, Needs, Streamer};
use fanfare::streamers::Nats;
use fanfare_tests::brokers::Options;
use serde_json::json;
use tokio::time::{interval, timeout};

use super::{
    PATIENCE, Server, carries_an_event, connected, event, next, publish, shared, subscribe, take,
    try_publish, unique,
};

fn needs(topics: &[&str]) -> Needs {
    let mut needs = Needs::default();
    needs.service = String::from("blog");
    needs.published = topics.iter().map(|topic| (*topic).to_owned()).collect();
    needs
}

#[tokio::test]
async fn all_missing_topics_are_listed_at_once() {
    let (one, two) = (unique("posts"), unique("posts.comments"));
    let nats = connected(Nats::new(Server::shared().url())).await;
    let said = nats.prepare(&needs(&[&one, &two, "not.*"])).await;
    let said = said.expect_err("missing topics").to_string();
    for part in [&*one, &two, "not.*", "with_create_topics"] {
        assert!(said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn missing_topics_are_created_where_that_is_asked_for() {
    let (one, two) = (unique("posts"), unique("posts.comments"));
    let nats = Nats::new(Server::shared().url())
        .with_create_topics(true)
        .with_stream_option("max_age", 60_000_000_000_u64);
    let nats = connected(nats).await;
    nats.prepare(&needs(&[&one, &two])).await.expect("created");
    nats.prepare(&needs(&[&one, &two])).await.expect("there");
    let jetstream = Server::jetstream().await;
    let stream = jetstream.stream_by_subject(two).await.expect("a stream");
    let stream = jetstream.get_stream(stream).await.expect("a stream");
    let config = &stream.cached_info().config;
    assert_eq!(config.max_age, Duration::from_mins(1));
}

#[tokio::test]
async fn a_stream_may_capture_several_topics_which_stay_apart() {
    let all = unique("all");
    let (one, two) = (format!("{all}.one"), format!("{all}.two"));
    Server::stream(&all, &format!("{all}.>")).await;
    let nats = connected(Nats::new(Server::shared().url())).await;
    nats.prepare(&needs(&[&one, &two])).await.expect("there");
    let mut ones = subscribe(&nats, &one, shared("group"), 10).await;
    let mut twos = subscribe(&nats, &two, shared("group"), 10).await;
    // The same event to both: it is no duplicate.
    let sent = event("key", "both");
    publish(&nats, &one, [sent.clone()]).await;
    publish(&nats, &two, [sent]).await;
    publish(&nats, &two, [event("key", "two")]).await;
    next(&mut ones).await.acknowledge();
    assert_eq!(take(&mut twos).await, "both");
    assert_eq!(take(&mut twos).await, "two");
}

#[tokio::test]
async fn an_event_that_is_published_twice_is_stored_once() {
    let (nats, topic) = Server::with_topic().await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 10).await;
    let sent = event("key", "once");
    publish(&nats, &topic, [sent.clone(), sent.clone()]).await;
    publish(&nats, &topic, [sent, event("key", "next")]).await;
    assert_eq!(take(&mut deliveries).await, "once");
    assert_eq!(take(&mut deliveries).await, "next");
}

#[tokio::test]
async fn what_a_removed_handler_left_is_listed_and_removed_unless_somebody_listens() {
    let (nats, topic) = Server::with_topic().await;
    let service = unique("blog");
    let group = format!("{service}.removed");
    let deliveries = subscribe(&nats, &topic, Group::Shared(group.clone()), 10).await;
    publish(&nats, &topic, [event("key", "waits")]).await;
    let mut needs = needs(&[]);
    needs.service = service;
    let leftover = Leftover {
        group: group.clone(),
        topic: Some(topic.clone()),
        waiting: Some(1),
    };
    let found = nats.leftovers(&needs).await.expect("a list");
    assert_eq!(found, std::slice::from_ref(&leftover));
    let said = nats.remove(&leftover).await.expect_err("somebody listens");
    assert!(said.to_string().contains("still subscribes"), "{said}");

    let again = Nats::new(Server::shared().url());
    drop(deliveries);
    nats.close().await.expect("closed");
    let nats = connected(again).await;
    needs.subscribed = [(topic.clone(), vec![Group::Shared(group)])].into();
    assert_eq!(nats.leftovers(&needs).await.expect("a list"), []);
    needs.subscribed.clear();
    // What was given back was delivered a moment ago.
    let said = nats.remove(&leftover).await.expect_err("too early");
    assert!(said.to_string().contains("at work"), "{said}");
    let mut again = interval(Duration::from_millis(100));
    let removed = async {
        while nats.remove(&leftover).await.is_err() {
            again.tick().await;
        }
    };
    timeout(PATIENCE, removed).await.expect("removed in time");
    assert_eq!(nats.leftovers(&needs).await.expect("a list"), []);
    let said = nats.remove(&leftover).await.expect_err("it is gone");
    assert!(said.to_string().contains("keeps nothing"), "{said}");
}

#[tokio::test]
async fn what_another_service_has_is_no_leftover() {
    let (nats, topic) = Server::with_topic().await;
    let service = unique("blog");
    let other = Group::Shared(format!("{service}.admin.index"));
    let _deliveries = subscribe(&nats, &topic, other, 10).await;
    let mut needs = needs(&[]);
    needs.service = service;
    assert_eq!(nats.leftovers(&needs).await.expect("a list"), []);
}

#[tokio::test]
async fn another_domain_of_jetstream_is_not_found_and_its_own_is() {
    let server = Server::start_with(&Options {
        jetstream: "domain: hub",
        ..Options::default()
    });
    carries_an_event(Nats::new(server.url()).with_domain("hub")).await;
    let said = said_of(Nats::new(server.url()).with_domain("leaf")).await;
    assert!(said.contains("JetStream does not answer"), "{said}");
}

/// What is said of an option at the start, where nobody listens.
async fn said_of(nats: Nats) -> String {
    nats.connect().await.expect_err("an error").to_string()
}

#[tokio::test]
async fn options_that_promises_rest_on_are_refused_and_others_are_not() {
    let new = || Nats::new("nats://127.0.0.1:1");
    let refused = [
        ("retention", json!("interest")),
        ("discard", json!("old")),
        ("storage", json!("memory")),
        ("num_replicas", json!(3)),
        ("max_msgs_per_subject", json!(1)),
        ("no_ack", json!(true)),
    ];
    for (name, value) in refused {
        let said = said_of(new().with_stream_option(name, value)).await;
        let is_clear = said.contains(name) && said.contains("fanfare's own");
        assert!(is_clear, "{name}: {said}");
    }
    let refused = [
        ("max_deliver", json!(3)),
        ("backoff", json!([1_000_000_000])),
        ("inactive_threshold", json!(1_000_000_000)),
        ("headers_only", json!(true)),
        ("max_ack_pending", json!(1)),
        ("replay_policy", json!("original")),
        ("mem_storage", json!(true)),
        ("max_expires", json!(1_000_000_000)),
        ("opt_start_seq", json!(7)),
        ("opt_start_time", json!("2026-01-01T00:00:00Z")),
        ("deliver_policy", json!("by_start_sequence")),
        ("deliver_policy", json!("by_start_time")),
    ];
    for (name, value) in refused {
        let said = said_of(new().with_consumer_option(name, value)).await;
        let is_clear = said.contains(name) && said.contains("fanfare's own");
        assert!(is_clear, "{name}: {said}");
    }
    for (name, value) in [
        ("max_msgs", json!(10)),
        ("max_bytes", json!(1_000_000)),
        ("duplicate_window", json!(60_000_000_000_u64)),
        ("description", json!("posts")),
    ] {
        let said = said_of(new().with_stream_option(name, value)).await;
        assert!(said.contains("127.0.0.1:1"), "{name}: {said}");
    }
    for (name, value) in [
        ("deliver_policy", json!("all")),
        ("max_waiting", json!(100)),
        ("description", json!("posts")),
    ] {
        let said = said_of(new().with_consumer_option(name, value)).await;
        assert!(said.contains("127.0.0.1:1"), "{name}: {said}");
    }
}

#[tokio::test]
async fn an_option_that_nobody_knows_is_an_error_at_the_start() {
    for (nats, named) in [
        (
            Nats::new(Server::shared().url()).with_stream_option("max_aeg", 1),
            "max_aeg",
        ),
        (
            Nats::new(Server::shared().url()).with_stream_option("max_age", "a week"),
            "max_age",
        ),
        (
            Nats::new(Server::shared().url()).with_consumer_option("ack_policy", "none"),
            "ack_policy",
        ),
    ] {
        let said = nats.connect().await.expect_err("an error").to_string();
        assert!(said.contains(named), "{said}");
    }
}

#[tokio::test]
async fn a_new_group_may_begin_with_what_is_there() {
    let (nats, topic) = Server::with_topic().await;
    publish(&nats, &topic, [event("key", "old")]).await;
    let all = Nats::new(Server::shared().url()).with_consumer_option("deliver_policy", "all");
    let all = connected(all).await;
    let mut deliveries = subscribe(&all, &topic, shared("group"), 10).await;
    assert_eq!(take(&mut deliveries).await, "old");
}

#[tokio::test]
async fn a_topic_without_a_stream_is_an_error_when_its_time_is_over() {
    let nats = Nats::new(Server::shared().url()).with_publish_timeout(Duration::from_millis(200));
    let nats = connected(nats).await;
    let reports = try_publish(&nats, &unique("nowhere"), [event("key", "lost")]).await;
    let said = reports[0].as_ref().expect_err("an error");
    assert!(!said.is_refusal());
    assert!(said.to_string().contains("no JetStream stream"), "{said}");
}

#[test]
fn it_is_read_from_a_file() {
    let nats: Nats = serde_json::from_str(
        r#"{"servers": "nats://a:1, nats://b", "user": "blog", "password": "secret",
            "create_topics": true, "ack_wait": "5s", "stream_options": {"max_msgs": 10}}"#,
    )
    .expect("options");
    let shown = format!("{nats:?}");
    assert!(shown.contains("a:1") && shown.contains("b:4222"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    let unknown = serde_json::from_str::<Nats>(r#"{"servers": "a", "create_topic": true}"#);
    assert!(unknown.is_err());
}
