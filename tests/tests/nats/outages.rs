//! The server goes away and comes back, and so do streams and consumers.

use std::pin::pin;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use fanfare::streamer::{Group, Streamer};
use fanfare::streamers::Nats;
use fanfare_tests::brokers::{self, Broker, Proxy};
use fanfare_tests::{Log, in_time};
use futures_util::poll;
use tokio::sync::watch;
use tokio::time::interval;

use super::{
    GLANCE, Server, connected, event, healthy, next, publish, raw, shared, subscribe, take, text,
    texts, try_publish, unhealthy, unique,
};

/// A server of its own, a topic there, and a way to it that can be cut.
async fn behind_a_proxy() -> (Server, Proxy, Nats, String) {
    let server = Server::start();
    let proxy = Proxy::to(server.address());
    let nats = Nats::new(format!("nats://{}", proxy.address()))
        .with_create_topics(true)
        .with_ack_wait(Duration::from_secs(2));
    let nats = connected(nats).await;
    let topic = server.topic("posts").await;
    (server, proxy, nats, topic)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_told_and_comes_back() {
    let (_server, proxy, nats, topic) = behind_a_proxy().await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 10).await;
    healthy(&nats).await;
    proxy.cut();
    let said = unhealthy(&nats).await;
    let address = proxy.address().to_string();
    assert!(said.contains(&address), "{said}");
    let mut publishing = pin!(publish(&nats, &topic, texts(0..10)));
    assert!(
        poll!(&mut publishing).is_pending(),
        "it waits for the connection"
    );
    proxy.heal();
    publishing.await;
    healthy(&nats).await;
    for number in 0..10 {
        assert_eq!(take(&mut deliveries).await, number.to_string());
    }
    for words in ["is lost; it is tried again", "connected to NATS again"] {
        let lines = Log::of_all().lines(&[words, &address]);
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_holds_while_the_connection_is_cut_again_and_again() {
    const ALL: usize = 20_000;
    const CUTS: usize = 15;
    let (_server, proxy, nats, topic) = behind_a_proxy().await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 500).await;
    let publishing = async {
        for first in (0..ALL).step_by(500) {
            publish(&nats, &topic, texts(first..first + 500)).await;
        }
    };
    let (tell, mut taken) = watch::channel(0);
    let cutting = async {
        for time in 1..=CUTS {
            let more = taken.wait_for(|taken| *taken >= time * ALL / (CUTS + 1));
            more.await.expect("more");
            proxy.cut();
            proxy.heal();
        }
    };
    let taking = async {
        let mut again = 0;
        while *tell.borrow() < ALL {
            let delivery = next(&mut deliveries).await;
            let number: usize = text(&delivery).parse().expect("a number");
            let due = *tell.borrow();
            assert!(number <= due, "{number} has overtaken {due}");
            again += usize::from(number < due);
            tell.send_replace(due.max(number + 1));
            delivery.acknowledge();
        }
        again
    };
    let ((), (), again) = tokio::join!(publishing, cutting, taking);
    assert!(again <= CUTS * 500, "{again} came again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_that_comes_back_goes_on_in_order() {
    const ALL: usize = 5_000;
    const KILLS: usize = 3;
    let server = Server::start();
    let nats = connected(Nats::new(server.url())).await;
    let topic = server.topic("posts").await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 100).await;
    let publishing = async {
        for first in (0..ALL).step_by(500) {
            publish(&nats, &topic, texts(first..first + 500)).await;
        }
    };
    let (tell, mut taken) = watch::channel(0);
    let killing = async {
        for time in 1..=KILLS {
            let more = taken.wait_for(|taken| *taken >= time * ALL / (KILLS + 1));
            more.await.expect("more");
            tokio::task::block_in_place(|| server.restart());
        }
    };
    let taking = async {
        while *tell.borrow() < ALL {
            let delivery = next(&mut deliveries).await;
            let number: usize = text(&delivery).parse().expect("a number");
            let due = *tell.borrow();
            assert!(number <= due, "{number} has overtaken {due}");
            tell.send_replace(due.max(number + 1));
            delivery.acknowledge();
        }
    };
    tokio::join!(publishing, killing, taking);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_three_servers_keep_survives_the_loss_of_one() {
    const ALL: usize = 1_000;
    let cluster = tokio::task::block_in_place(|| brokers::Nats::cluster(3));
    let nats = Nats::new(cluster.url())
        .with_create_topics(true)
        .with_replicas(3)
        .with_publish_timeout(Duration::from_mins(1));
    let nats = connected(nats).await;
    let mut deliveries = subscribe(&nats, "posts", shared("group"), 100).await;
    publish(&nats, "posts", texts(0..ALL / 2)).await;
    // The one that we are connected to.
    cluster.servers()[0].kill();
    publish(&nats, "posts", texts(ALL / 2..ALL)).await;
    let mut due = 0;
    while due < ALL {
        let number: usize = take(&mut deliveries).await.parse().expect("a number");
        assert!(number <= due, "{number} has overtaken {due}");
        due = due.max(number + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_server_fails_what_is_published_in_its_time_and_goes_on() {
    let server = Server::start();
    let nats = Nats::new(server.url()).with_publish_timeout(Duration::from_secs(1));
    let nats = connected(nats).await;
    let topic = server.topic("posts").await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 10).await;
    publish(&nats, &topic, [event("key", "before")]).await;
    server.pause();
    let begun = Instant::now();
    let during = event("key", "during");
    let reports = try_publish(&nats, &topic, [during.clone()]).await;
    assert!(reports[0].is_err());
    assert!(begun.elapsed() < Duration::from_secs(5));
    server.resume();
    publish(&nats, &topic, [during, event("key", "after")]).await;
    for expected in ["before", "during", "after"] {
        assert_eq!(take(&mut deliveries).await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_deleted_is_made_again_where_it_was() {
    let (nats, topic) = Server::with_topic().await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 10).await;
    publish(&nats, &topic, [event("key", "before")]).await;
    next(&mut deliveries).await.acknowledge();
    let jetstream = Server::jetstream().await;
    let stream = jetstream.get_stream(&topic).await.expect("the stream");
    let consumer = format!("group@{topic}");
    stream.delete_consumer(&consumer).await.expect("deleted");
    publish(&nats, &topic, [event("key", "after")]).await;
    assert_eq!(take(&mut deliveries).await, "after");
    let lines = Log::of_all().lines(&[&topic, "the consumer is looked for again"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_deleted_is_waited_for() {
    let (nats, topic) = Server::with_topic().await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 10).await;
    publish(&nats, &topic, [event("key", "before")]).await;
    let held = next(&mut deliveries).await;
    let jetstream = Server::jetstream().await;
    jetstream.delete_stream(&topic).await.expect("deleted");
    let said = unhealthy(&nats).await;
    assert!(said.contains(&topic), "{said}");
    let mut publishing = pin!(publish(&nats, &topic, [event("key", "after")]));
    // What has less patience has been answered by then that there is no stream, and so has this.
    let hasty = Nats::new(Server::shared().url()).with_publish_timeout(Duration::from_secs(1));
    let hasty = connected(hasty).await;
    let reports = tokio::select! {
        () = &mut publishing => panic!("there is no stream"),
        reports = try_publish(&hasty, &topic, [event("key", "too soon")]) => reports,
    };
    let said = reports[0].as_ref().expect_err("no stream").to_string();
    assert!(said.contains("no JetStream stream captures it"), "{said}");
    Server::stream(&topic, &topic).await;
    publishing.await;
    // It has the number that the one before had, and is another one.
    let after = next(&mut deliveries).await;
    assert_eq!(text(&after), "after");
    held.acknowledge();
    drop(after);
    assert_eq!(take(&mut deliveries).await, "after");
    healthy(&nats).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_last_is_told_over_the_next_connection() {
    let (server, proxy, nats, topic) = behind_a_proxy().await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 10).await;
    publish(&nats, &topic, [event("key", "last")]).await;
    let last = next(&mut deliveries).await;
    // It does not arrive, whenever it is sent.
    proxy.stall();
    last.acknowledge();
    drop(deliveries);
    proxy.cut();
    proxy.heal();
    let stream = raw(&server.url()).await.get_stream(&topic).await;
    let consumer = format!("group@{topic}");
    let mut consumer: PullConsumer = stream
        .expect("a stream")
        .get_consumer(&consumer)
        .await
        .expect("a consumer");
    let mut glance = interval(GLANCE);
    let acknowledged = async {
        while consumer
            .info()
            .await
            .expect("told")
            .ack_floor
            .stream_sequence
            < 1
        {
            glance.tick().await;
        }
    };
    in_time("acknowledged", acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_deleted_is_made_again_by_who_only_publishes() {
    let topic = unique("posts");
    let nats = Nats::new(Server::shared().url()).with_create_topics(true);
    let nats = connected(nats).await;
    let jetstream = Server::jetstream().await;
    for text in ["before", "after"] {
        // The first time there is none yet.
        publish(&nats, &topic, [event("key", text)]).await;
        let stream = jetstream.get_stream(&topic).await.expect("a stream");
        let stored = stream.get_raw_message(1).await.expect("stored");
        assert_eq!(&stored.payload[..], text.as_bytes());
        jetstream.delete_stream(&topic).await.expect("deleted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trouble_of_a_subscription_ends_with_it_and_with_no_other() {
    let (nats, topic) = Server::with_topic().await;
    let one = subscribe(&nats, &topic, shared("one"), 10).await;
    let two = subscribe(&nats, &topic, shared("two"), 10).await;
    let jetstream = Server::jetstream().await;
    jetstream.delete_stream(&topic).await.expect("deleted");
    for group in ["group=`one`", "group=`two`"] {
        let log = Log::of_all();
        log.wait_for(1, &[&topic, group, "no events come"]).await;
    }
    // The trouble of the first is told first.
    let said = || nats.health().expect_err("one is in trouble").to_string();
    let until_it_is = async |group: &str| {
        let mut glance = interval(GLANCE);
        while !said().contains(group) {
            glance.tick().await;
        }
    };
    in_time("the first one's trouble", until_it_is("`one`")).await;
    drop(one);
    in_time("the other one's trouble", until_it_is("`two`")).await;
    drop(two);
    healthy(&nats).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_misses_nothing_where_the_server_forgets_it() {
    let server = Server::start();
    let nats = connected(Nats::new(server.url())).await;
    let topic = server.topic("posts").await;
    let mut deliveries = subscribe(&nats, &topic, Group::EachInstance, 10).await;
    for number in 0..3 {
        publish(&nats, &topic, [event("key", &number.to_string())]).await;
        assert_eq!(take(&mut deliveries).await, number.to_string());
        // Its consumer is in the memory of the server.
        tokio::task::block_in_place(|| server.restart());
    }
}
