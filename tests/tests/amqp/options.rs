//! What `Amqp` is told, and what comes of it.

use std::num::NonZeroU16;

use fanfare::streamer::Streamer;
use fanfare::streamers::{Amqp, QueueType};
use fanfare_tests::brokers::{MANAGEMENT, Options};
use fanfare_tests::{foreign, join, publish, try_publish};
use lapin::options::BasicGetOptions;
use serde_json::json;

use super::{by_hand, connected, needs, shared, start, try_subscribe, unique};

const TWO: NonZeroU16 = NonZeroU16::new(2).expect("not zero");

/// Why it cannot subscribe, at the shared broker.
async fn refusal(amqp: Amqp, topic: &str) -> String {
    amqp.connect().await.expect("connected");
    let subscribed = try_subscribe(&amqp, topic, 1).await;
    subscribed.map(drop).expect_err("refused").to_string()
}

#[tokio::test]
async fn options_come_from_a_file() {
    let broker = shared().await;
    let options = json!({
        "url": broker.url(), "create_topics": true, "publish_timeout": "5s", "streams": 2,
        "unroutable": "fail", "queue_arguments": {"x-dead-letter-exchange": "lost"},
    });
    let amqp: Amqp = serde_json::from_value(options).expect("options");
    assert!(format!("{amqp:?}").contains("publish_timeout: 5s"));
    amqp.connect().await.expect("connected");
    let topic = unique("posts");
    // It makes the topic.
    amqp.prepare(&needs(&[&topic])).await.expect("prepared");
    let unheard = try_publish(&amqp, &topic, foreign("unheard")).await;
    assert!(unheard.is_err(), "no queue takes it");
    drop(try_subscribe(&amqp, &topic, 1).await.expect("subscribed"));
    let error = refusal(Amqp::new(broker.url()), &topic).await;
    assert!(error.contains("number of `streams`"), "{error}");
    let error = refusal(Amqp::new(broker.url()).with_streams(TWO), &topic).await;
    assert!(error.contains("x-dead-letter-exchange"), "{error}");
}

#[test]
fn an_option_of_a_file_that_is_unknown_is_named() {
    let wrong = serde_json::from_str::<Amqp>(r#"{"url": "amqp://localhost", "stream": 2}"#);
    let error = wrong.expect_err("refused").to_string();
    assert!(error.contains("`stream`"), "{error}");
}

#[tokio::test]
async fn a_quorum_queue_carries_events_and_is_no_classic_one() {
    let broker = shared().await;
    let topic = unique("posts");
    let amqp = Amqp::new(broker.url())
        .with_create_topics(true)
        .with_queue_type(QueueType::Quorum);
    amqp.connect().await.expect("connected");
    let mut ear = join(&amqp, &topic, "shop.pack").await;
    for number in 0..100 {
        publish(&amqp, &topic, foreign(&number.to_string())).await;
    }
    for number in 0..100 {
        assert_eq!(ear.next().await.payload(), &number.to_string());
    }
    let error = refusal(Amqp::new(broker.url()), &topic).await;
    assert!(error.contains("x-queue-type"), "{error}");
}

#[tokio::test]
async fn an_exchange_argument_is_the_exchange_s() {
    let broker = shared().await;
    let (topic, lost) = (unique("posts"), unique("lost"));
    // A dead letter's topic has a queue of its own.
    let mut needs = needs(&[&lost]);
    needs.dead_letters.insert(lost.clone());
    let amqp = connected(&broker.url()).await;
    amqp.prepare(&needs).await.expect("prepared");
    let amqp = Amqp::new(broker.url())
        .with_create_topics(true)
        .with_exchange_argument("alternate-exchange", lost.as_str());
    amqp.connect().await.expect("connected");
    publish(&amqp, &topic, foreign("nobody hears it")).await;
    let (_connection, channel) = by_hand(broker).await;
    let kept = channel.basic_get(lost.as_str().into(), BasicGetOptions::default());
    let kept = kept.await.expect("a queue").expect("a message");
    assert_eq!(kept.delivery.data, b"nobody hears it");
}

#[tokio::test]
async fn what_is_larger_than_the_client_may_send_is_refused() {
    let broker = shared().await;
    let topic = unique("posts");
    let amqp = Amqp::new(broker.url())
        .with_create_topics(true)
        .with_max_message_size(10);
    amqp.connect().await.expect("connected");
    amqp.prepare(&needs(&[&topic])).await.expect("prepared");
    publish(&amqp, &topic, foreign("just fits.")).await;
    let refused = try_publish(&amqp, &topic, foreign("does not fit")).await;
    assert!(refused.expect_err("refused").is_refusal());
}

#[tokio::test]
async fn a_client_property_is_shown_by_the_broker() {
    let broker = start(Options {
        plugins: &[MANAGEMENT],
        ..Options::default()
    })
    .await;
    let amqp = Amqp::new(broker.url()).with_client_property("team", "the blog's");
    amqp.connect().await.expect("connected");
    let authorization = format!("Basic {}", "Z3Vlc3Q6Z3Vlc3Q=");
    let url = format!("{}/api/connections", broker.management());
    let shown = tokio::task::spawn_blocking(move || {
        loop {
            let asked = ureq::get(&url).header("authorization", &authorization);
            let shown = asked.call().expect("an answer").body_mut().read_to_string();
            let shown = shown.expect("text");
            // The broker tells of a connection some time after it was made.
            if shown != "[]" {
                return shown;
            }
        }
    });
    let shown = fanfare_tests::in_time("a connection", shown)
        .await
        .expect("asked");
    assert!(shown.contains(r#""team":"the blog's""#), "{shown}");
}
