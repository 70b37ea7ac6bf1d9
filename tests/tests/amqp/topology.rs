//! What is made, what is missing, and what is left over.

use std::num::NonZeroU16;

use fanfare::streamer::{Group, Streamer};
use fanfare::streamers::{Amqp, Unroutable};
use fanfare_tests::brokers::{HASHING, MANAGEMENT, Options, RabbitMq};
use fanfare_tests::{Log, foreign, join, publish, try_publish};
use lapin::ExchangeKind;
use lapin::options::{BasicGetOptions, ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;

use super::{by_hand, connected, needs, shared, start, unique};

const TWO: NonZeroU16 = NonZeroU16::new(2).expect("not zero");

#[tokio::test]
async fn all_topics_that_are_missing_are_listed_at_once() {
    let amqp = Amqp::new(shared().await.url());
    amqp.connect().await.expect("connected");
    let (posts, likes) = (unique("posts"), unique("likes"));
    let error = amqp.prepare(&needs(&[&posts, &likes])).await;
    let error = error.expect_err("refused").to_string();
    assert!(error.contains(&posts) && error.contains(&likes), "{error}");
    assert!(error.contains("create_topics"), "{error}");
    let error = try_publish(&amqp, &posts, foreign("nowhere")).await;
    let error = error.expect_err("refused").to_string();
    assert!(
        error.contains(&posts) && error.contains("not there"),
        "{error}"
    );
}

#[tokio::test]
async fn topics_are_made_and_dead_letters_are_kept() {
    let broker = shared().await;
    let amqp = connected(&broker.url()).await;
    let (posts, letters) = (unique("posts"), unique("posts.dead-letters"));
    let mut needs = needs(&[&posts, &letters]);
    needs.dead_letters.insert(letters.clone());
    amqp.prepare(&needs).await.expect("prepared");
    publish(&amqp, &letters, foreign("a dead letter")).await;
    let (_connection, channel) = by_hand(broker).await;
    let kept = channel.basic_get(letters.as_str().into(), BasicGetOptions::default());
    let kept = kept.await.expect("a queue").expect("a letter");
    assert_eq!(kept.delivery.data, b"a dead letter");
}

#[tokio::test]
async fn an_exchange_that_was_made_otherwise_is_named() {
    let broker = shared().await;
    let topic = unique("posts");
    let (_connection, channel) = by_hand(broker).await;
    let made = channel.exchange_declare(
        topic.as_str().into(),
        ExchangeKind::Fanout,
        ExchangeDeclareOptions::default(),
        FieldTable::default(),
    );
    made.await.expect("made");
    let amqp = connected(&broker.url()).await;
    let error = amqp.prepare(&needs(&[&topic])).await;
    let error = error.expect_err("refused").to_string();
    assert!(error.contains(&topic) && error.contains("topic"), "{error}");
}

#[tokio::test]
async fn a_queue_argument_that_the_broker_does_not_know_or_that_changed_is_an_error() {
    let broker = shared().await;
    let topic = unique("posts");
    drop(join(&connected(&broker.url()).await, &topic, "shop.pack").await);
    let changed = Amqp::new(broker.url()).with_queue_argument("x-dead-letter-exchange", "lost");
    let wrong = Amqp::new(broker.url()).with_queue_argument("x-overflow", "sideways");
    for (amqp, group) in [(changed, "shop.pack"), (wrong, "shop.charge")] {
        amqp.connect().await.expect("connected");
        let request = fanfare::streamer::SubscriptionRequest {
            topic: topic.clone(),
            group: Group::Shared(group.to_owned()),
            max_in_flight: std::num::NonZeroUsize::MIN,
        };
        let subscribed = fanfare::streamer::Subscribe::subscribe(&amqp, request).await;
        let error = subscribed.map(drop).expect_err("refused").to_string();
        assert!(error.contains(&format!("{topic}/{group}")), "{error}");
    }
}

#[tokio::test]
async fn another_number_of_streams_is_refused() {
    let broker = shared().await;
    let topic = unique("posts");
    drop(join(&connected(&broker.url()).await, &topic, "shop.pack").await);
    let amqp = Amqp::new(broker.url()).with_streams(TWO);
    amqp.connect().await.expect("connected");
    let request = fanfare::streamer::SubscriptionRequest {
        topic,
        group: Group::Shared("shop.pack".to_owned()),
        max_in_flight: std::num::NonZeroUsize::MIN,
    };
    let subscribed = fanfare::streamer::Subscribe::subscribe(&amqp, request).await;
    let error = subscribed.map(drop).expect_err("refused").to_string();
    assert!(error.contains("streams"), "{error}");
}

#[tokio::test]
async fn an_event_that_no_queue_takes_is_counted_or_an_error() {
    let log = Log::listen();
    let broker = shared().await;
    let topic = unique("posts");
    let amqp = connected(&broker.url()).await;
    amqp.prepare(&needs(&[&topic])).await.expect("prepared");
    for _ in 0..4 {
        publish(&amqp, &topic, foreign("unheard")).await;
    }
    // Once each time that the count has doubled.
    log.wait_for(3, &["no queue takes", &topic]).await;
    let amqp = Amqp::new(broker.url()).with_unroutable(Unroutable::Fail);
    amqp.connect().await.expect("connected");
    let error = try_publish(&amqp, &topic, foreign("unheard")).await;
    let error = error.expect_err("an error");
    assert!(error.to_string().contains("no queue takes it") && !error.is_refusal());
}

#[tokio::test]
async fn several_streams_need_a_plugin_and_leftovers_another() {
    let broker = start(Options {
        plugins: &[MANAGEMENT],
        ..Options::default()
    })
    .await;
    let amqp = Amqp::new(broker.url()).with_streams(TWO);
    amqp.connect().await.expect("connected");
    let mut subscribed = needs(&[]);
    let group = Group::Shared("shop.pack".to_owned());
    subscribed
        .subscribed
        .insert("posts".to_owned(), vec![group]);
    let error = amqp
        .prepare(&subscribed)
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains(&format!("rabbitmq-plugins enable {HASHING}")),
        "{error}"
    );
    let error = amqp
        .leftovers(&subscribed)
        .await
        .expect_err("refused")
        .to_string();
    assert!(error.contains("with_management"), "{error}");
    leftovers_are_listed_and_removed(&broker).await;
}

async fn leftovers_are_listed_and_removed(broker: &RabbitMq) {
    let amqp = Amqp::new(broker.url())
        .with_create_topics(true)
        .with_management(broker.management());
    amqp.connect().await.expect("connected");
    for group in ["shop.pack", "shop.old", "bank.old", "shop.admin.old"] {
        drop(join(&amqp, "posts", group).await);
    }
    let (_connection, channel) = by_hand(broker).await;
    let theirs = QueueDeclareOptions::default();
    let made = channel.queue_declare("posts/shop.theirs".into(), theirs, FieldTable::default());
    made.await.expect("made");
    publish(&amqp, "posts", foreign("waits")).await;
    let mut needs = needs(&["posts"]);
    "shop".clone_into(&mut needs.service);
    let group = Group::Shared("shop.pack".to_owned());
    needs.subscribed.insert("posts".to_owned(), vec![group]);
    let listed = amqp.leftovers(&needs).await.expect("listed");
    let [old] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(
        (&*old.group, old.topic.as_deref()),
        ("shop.old", Some("posts"))
    );

    let ear = join(&amqp, "posts", "shop.old").await;
    let error = amqp.remove(old).await.expect_err("refused").to_string();
    assert!(error.contains("still subscribe"), "{error}");
    drop(ear);
    amqp.close().await.expect("closed");
    let amqp = Amqp::new(broker.url()).with_management(broker.management());
    amqp.connect().await.expect("connected");
    amqp.remove(old).await.expect("removed");
    assert_eq!(amqp.leftovers(&needs).await.expect("listed"), []);
}
