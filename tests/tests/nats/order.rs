//! Order by key within one instance, also across its death.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fanfare::streamer::Streamer;
use fanfare::streamers::Nats;

use super::{Server, connected, event, next, publish, shared, subscribe, take, text, texts};

const URL: &str = "FANFARE_TEST_NATS_URL";
const TOPIC: &str = "FANFARE_TEST_NATS_TOPIC";

/// The instance that is killed: this program once more, with the test that holds what it is given.
#[tokio::test(flavor = "multi_thread")]
async fn the_instance_that_is_killed() {
    let (Ok(url), Ok(topic)) = (env::var(URL), env::var(TOPIC)) else {
        return;
    };
    let nats = connected(Nats::new(url).with_ack_wait(Duration::from_secs(2))).await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 20).await;
    let mut held = Vec::new();
    // The last five come when the server has heard of the first five.
    while held.len() < 20 {
        let delivery = next(&mut deliveries).await;
        if text(&delivery)
            .parse()
            .is_ok_and(|number: usize| number < 5)
        {
            delivery.acknowledge();
        } else {
            held.push(delivery);
        }
    }
    println!("\nholds");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_next_instance_is_given_what_was_held_first() {
    let server = Server::start();
    let topic = server.topic("posts").await;
    let new = || Nats::new(server.url()).with_ack_wait(Duration::from_secs(2));
    // The group is to know the topic before anything is published.
    let nats = connected(new()).await;
    drop(subscribe(&nats, &topic, shared("group"), 1).await);
    nats.close().await.expect("closed");
    let nats = connected(new()).await;
    publish(&nats, &topic, texts(0..30)).await;
    let mut killed = Command::new(env::current_exe().expect("this program"))
        .args([
            "--exact",
            "order::the_instance_that_is_killed",
            "--nocapture",
        ])
        .envs([(URL, server.url()), (TOPIC, topic.clone())])
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program");
    let said = BufReader::new(killed.stdout.take().expect("piped"));
    let said = said.lines().map_while(Result::ok);
    assert!(tokio::task::block_in_place(|| said
        .into_iter()
        .any(|line| line == "holds")));
    killed.kill().expect("killed");
    killed.wait().expect("ended");

    publish(&nats, &topic, texts(30..60)).await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 20).await;
    for expected in 5..60 {
        assert_eq!(take(&mut deliveries).await, expected.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_close_the_next_instance_is_given_what_was_held_first_and_at_once() {
    let (nats, topic) = Server::with_topic().await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 200).await;
    publish(&nats, &topic, texts(0..500)).await;
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(next(&mut deliveries).await);
    }
    let begun = Instant::now();
    drop((deliveries, held));
    nats.close().await.expect("closed");
    let nats = connected(Nats::new(Server::shared().url())).await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 10).await;
    for expected in 0..500 {
        assert_eq!(take(&mut deliveries).await, expected.to_string());
    }
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "no sooner than the server would have"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_long_goes_to_nobody_else() {
    let (nats, topic) = Server::with_topic().await;
    let wait = Duration::from_secs(1);
    let [one, other] = [(), ()].map(|()| Nats::new(Server::shared().url()).with_ack_wait(wait));
    let (one, other) = (connected(one).await, connected(other).await);
    let mut ones = subscribe(&one, &topic, shared("group"), 1).await;
    publish(&nats, &topic, [event("key", "long")]).await;
    let held = next(&mut ones).await;
    let mut others = subscribe(&other, &topic, shared("group"), 1).await;
    let came = tokio::time::timeout(wait * 3, next(&mut others)).await;
    assert!(came.is_err(), "it came to another while it was worked on");
    held.acknowledge();
    publish(&nats, &topic, [event("key", "next")]).await;
    let next = tokio::select! {
        next = next(&mut ones) => next,
        next = next(&mut others) => next,
    };
    assert_eq!(text(&next), "next");
}
