//! Bad days of the broker and of the network.

use std::time::Duration;

use fanfare::streamer::Streamer;
use fanfare::streamers::{Amqp, Unroutable};
use fanfare_tests::brokers::{Broker, Options, Proxy};
use fanfare_tests::{Log, foreign, in_time, join, listen, publish, try_publish};
use futures_util::{FutureExt, StreamExt};
use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use tokio::time::interval;

use super::{by_hand, connected, shared, start, subscribe, unique, until_health};

#[tokio::test]
async fn a_cut_connection_is_said_once_and_everything_resumes() {
    let log = Log::listen();
    let broker = shared().await;
    let proxy = Proxy::to(broker.address());
    let amqp = connected(&broker.url_at(proxy.address())).await;
    let topic = unique("posts");
    let mut ear = join(&amqp, &topic, "shop.pack").await;
    publish(&amqp, &topic, foreign("before")).await;
    assert_eq!(&ear.next().await.payload()[..], b"before");
    proxy.cut();
    until_health(&amqp, false).await;
    let waiting = publish(&amqp, &topic, foreign("meanwhile"));
    let healing = async {
        tokio::task::yield_now().await;
        proxy.heal();
    };
    tokio::join!(waiting, healing);
    // The acknowledgement may not have got through.
    let mut heard = ear.next().await;
    while heard.payload() == "before" {
        heard = ear.next().await;
    }
    assert_eq!(heard.payload(), "meanwhile");
    until_health(&amqp, true).await;
    log.wait_for(2, &["INFO", "is there again"]).await;
    assert_eq!(
        log.lines(&["WARN", "is lost"]).len(),
        2,
        "one for each connection"
    );
}

#[tokio::test]
async fn a_connection_that_stands_still_is_noticed() {
    let broker = shared().await;
    let proxy = Proxy::to(broker.address());
    let amqp = connected(&broker.url_at(proxy.address())).await;
    let topic = unique("posts");
    let mut ear = join(&amqp, &topic, "shop.pack").await;
    proxy.stall();
    until_health(&amqp, false).await;
    proxy.heal();
    until_health(&amqp, true).await;
    publish(&amqp, &topic, foreign("after")).await;
    assert_eq!(&ear.next().await.payload()[..], b"after");
}

#[tokio::test]
async fn a_broker_that_is_killed_loses_nothing_that_was_confirmed() {
    let broker = start(Options::default()).await;
    let amqp = connected(&broker.url()).await;
    let mut ear = join(&amqp, "posts", "shop.pack").await;
    broker.settle();
    publish(&amqp, "posts", foreign("confirmed")).await;
    broker.kill();
    until_health(&amqp, false).await;
    let restarting = tokio::task::spawn_blocking(move || {
        broker.restart();
        broker
    });
    let _broker = restarting.await.expect("restarted");
    assert_eq!(&ear.next().await.payload()[..], b"confirmed");
    until_health(&amqp, true).await;
}

#[tokio::test]
async fn what_is_in_flight_when_the_connection_is_lost_is_not_handled_twice_at_once() {
    let broker = shared().await;
    let proxy = Proxy::to(broker.address());
    let amqp = connected(&broker.url_at(proxy.address())).await;
    let topic = unique("posts");
    let mut deliveries = subscribe(&amqp, &topic, 10).await;
    let mut other_group = join(&amqp, &topic, "shop.charge").await;
    publish(&amqp, &topic, foreign("event")).await;
    let held = deliveries.next().await.expect("more").expect("a delivery");
    assert_eq!(other_group.next().await.payload(), "event");
    proxy.cut();
    until_health(&amqp, false).await;
    proxy.heal();
    // Nothing is in the hands of the other group, so it goes on: this one would have, by then.
    for number in 0..50 {
        let number = number.to_string();
        publish(&amqp, &topic, foreign(&number)).await;
        while other_group.next().await.payload() != &number {}
    }
    assert!(deliveries.next().now_or_never().is_none());
    // Too late: it is the broker's again.
    held.acknowledge();
    for expected in ["event", "0", "1"] {
        let again = deliveries.next().await.expect("more").expect("a delivery");
        assert_eq!(again.message().payload(), expected.as_bytes());
        again.acknowledge();
    }
}

#[tokio::test]
async fn a_queue_that_is_deleted_is_made_again() {
    let log = Log::listen();
    let broker = shared().await;
    let amqp = connected(&broker.url()).await;
    let topic = unique("posts");
    let mut ear = join(&amqp, &topic, "shop.pack").await;
    let (_connection, channel) = by_hand(broker).await;
    let queue = format!("{topic}/shop.pack").as_str().into();
    let deleted = channel.queue_delete(queue, QueueDeleteOptions::default());
    deleted.await.expect("deleted");
    log.wait_for(1, &["WARN", "is not consumed any more", &topic])
        .await;
    log.wait_for(1, &["INFO", "is consumed again", &topic])
        .await;
    publish(&amqp, &topic, foreign("after")).await;
    assert_eq!(&ear.next().await.payload()[..], b"after");
}

#[tokio::test]
async fn a_topic_that_is_deleted_is_said_and_comes_back() {
    let broker = shared().await;
    let topic = unique("posts");
    let maker = connected(&broker.url()).await;
    let mut ear = join(&maker, &topic, "shop.pack").await;
    let amqp = Amqp::new(broker.url());
    amqp.connect().await.expect("connected");
    let (_connection, channel) = by_hand(broker).await;
    let deleted = channel.exchange_delete(topic.as_str().into(), ExchangeDeleteOptions::default());
    deleted.await.expect("deleted");
    let error = try_publish(&amqp, &topic, foreign("nowhere")).await;
    let error = error.expect_err("refused").to_string();
    assert!(error.contains(&topic), "{error}");
    // Made again by one who does not know of the queue; what leads there is looked after now and then.
    let stranger = connected(&broker.url()).await;
    publish(&stranger, &topic, foreign("unheard")).await;
    let strict = Amqp::new(broker.url()).with_unroutable(Unroutable::Fail);
    strict.connect().await.expect("connected");
    let mut glance = interval(Duration::from_millis(100));
    let taken = async {
        while try_publish(&strict, &topic, foreign("after"))
            .await
            .is_err()
        {
            glance.tick().await;
        }
    };
    in_time("a queue takes it", taken).await;
    assert_eq!(&ear.next().await.payload()[..], b"after");
}

#[tokio::test]
async fn a_topic_that_is_made_again_by_a_publish_loses_nothing_for_who_listens_here() {
    let broker = shared().await;
    let amqp = connected(&broker.url()).await;
    let topic = unique("posts");
    let mut ears = vec![
        join(&amqp, &topic, "shop.pack").await,
        join(&amqp, &topic, "shop.charge").await,
        listen(&amqp, &topic).await,
    ];
    let gone = join(&amqp, &topic, "shop.gone").await;
    drop(gone);
    let (_connection, channel) = by_hand(broker).await;
    for text in ["first", "second"] {
        let exchange = topic.as_str().into();
        let deleted = channel.exchange_delete(exchange, ExchangeDeleteOptions::default());
        deleted.await.expect("deleted");
        publish(&amqp, &topic, foreign(text)).await;
        for ear in &mut ears {
            let heard = in_time("heard", ear.next()).await;
            assert_eq!(heard.payload(), text.as_bytes());
        }
    }
}

#[tokio::test]
async fn a_broker_without_memory_makes_publishers_wait() {
    let broker = start(Options::default()).await;
    let amqp = connected(&broker.url()).await;
    let mut ear = join(&amqp, "posts", "shop.pack").await;
    broker.alarm(true);
    let waiting = publish(&amqp, "posts", foreign("waits"));
    let relieving = async {
        until_health(&amqp, false).await;
        let error = amqp.health().expect_err("not well").to_string();
        assert!(error.contains("takes no events"), "{error}");
        broker.alarm(false);
    };
    tokio::join!(waiting, relieving);
    assert_eq!(&ear.next().await.payload()[..], b"waits");
    until_health(&amqp, true).await;
}

#[tokio::test]
async fn a_broker_that_takes_less_refuses_the_larger_alone() {
    let broker = start(Options {
        configuration: "max_message_size = 1000",
        ..Options::default()
    })
    .await;
    let amqp = connected(&broker.url()).await;
    let mut ear = join(&amqp, "posts", "shop.pack").await;
    let messages = ["small", &"large".repeat(1000), "last"].map(foreign);
    let mut batch = messages.map(|message| fanfare::streamer::Outgoing::new(message.into()));
    fanfare::streamer::Publish::publish(&amqp, "posts", &mut batch).await;
    let [small, large, last] = batch.map(fanfare::streamer::Outgoing::into_result);
    assert!(small.is_ok() && last.is_ok());
    assert!(large.expect_err("refused").is_refusal());
    let mut heard = ear.next().await;
    while heard.payload() != "last" {
        assert_eq!(heard.payload(), "small");
        heard = ear.next().await;
    }
}
