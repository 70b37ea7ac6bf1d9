//! Groups whose members come, go and crash.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fanfare::streamer::{Delivery, Outgoing, Publish, Streamer};
use fanfare_tests::brokers::Kafka as Server;
use fanfare_tests::publish;
use futures_util::StreamExt;
use tokio::select;

use super::{connected, keyed, next, subscribed, text, topic};

#[tokio::test]
async fn what_a_new_group_was_promised_it_gets_although_it_crashed_before_its_first_commit() {
    let server = Server::shared();
    let topic = topic(server, 3).await;
    let kafka = connected(server).await;
    publish(&kafka, &topic, keyed("before", "before")).await;
    let crashes = connected(server).await;
    drop(subscribed(&crashes, &topic, &topic).await);
    drop(crashes);
    for number in 0..9 {
        let number = format!("{number}");
        publish(&kafka, &topic, keyed(&number, &number)).await;
    }
    let mut deliveries = subscribed(&kafka, &topic, &topic).await;
    let mut came = BTreeSet::new();
    while came.len() < 9 {
        let delivery = next(&mut deliveries).await;
        came.insert(text(&delivery));
        delivery.acknowledge();
    }
    assert!(!came.contains("before"));
}

#[tokio::test]
async fn a_partition_that_was_added_while_nobody_was_there_is_read_from_its_beginning() {
    let server = Server::shared();
    let topic = topic(server, 1).await;
    drop(subscribed(&connected(server).await, &topic, &topic).await);
    fanfare_tests::kafka::add_partitions(&server.bootstrap(), &topic, 2).await;
    let kafka = connected(server).await;
    for number in 0..20 {
        let number = format!("{number}");
        publish(&kafka, &topic, keyed(&number, &number)).await;
    }
    let mut deliveries = subscribed(&kafka, &topic, &topic).await;
    let mut came = BTreeSet::new();
    let mut streams = BTreeSet::new();
    while came.len() < 20 {
        let delivery = next(&mut deliveries).await;
        came.insert(text(&delivery));
        streams.insert(delivery.stream().to_string());
        delivery.acknowledge();
    }
    assert!(streams.into_iter().eq(["0", "1"]));
}

#[tokio::test]
async fn a_group_that_lives_begins_with_another_topic_at_its_end() {
    let server = Server::shared();
    let (first, second) = (topic(server, 2).await, topic(server, 2).await);
    let kafka = connected(server).await;
    let _lives = subscribed(&kafka, &first, &first).await;
    publish(&kafka, &second, keyed("key", "before")).await;
    let mut deliveries = subscribed(&kafka, &second, &first).await;
    publish(&kafka, &second, keyed("key", "after")).await;
    assert_eq!(text(&next(&mut deliveries).await), "after");
}

#[tokio::test]
async fn what_is_acknowledged_behind_one_that_is_not_does_not_come_again() {
    let server = Server::shared();
    let topic = topic(server, 1).await;
    let kafka = connected(server).await;
    let mut deliveries = subscribed(&kafka, &topic, &topic).await;
    for number in 0..5 {
        publish(&kafka, &topic, keyed("key", &format!("{number}"))).await;
    }
    let mut held: Vec<Delivery> = Vec::new();
    while held.len() < 5 {
        held.push(next(&mut deliveries).await);
    }
    for delivery in held.drain(..) {
        match &*text(&delivery) {
            "1" | "3" => delivery.release(Duration::ZERO),
            _ => delivery.acknowledge(),
        }
    }
    drop(deliveries);
    kafka.close().await.expect("closed");

    let again = connected(server).await;
    let mut deliveries = subscribed(&again, &topic, &topic).await;
    publish(&again, &topic, keyed("key", "last")).await;
    for expected in ["1", "3", "last"] {
        let delivery = next(&mut deliveries).await;
        assert_eq!(text(&delivery), expected);
        delivery.acknowledge();
    }
}

#[tokio::test]
async fn what_is_acknowledged_after_its_partition_has_gone_does_not_count() {
    let server = Server::shared();
    let topic = topic(server, 2).await;
    let (kafka, other) = (connected(server).await, connected(server).await);
    let mut loses = subscribed(&kafka, &topic, &topic).await;
    for key in 0..20 {
        let key = format!("{key}");
        publish(&kafka, &topic, keyed(&key, &key)).await;
    }
    let mut held = Vec::new();
    while held.len() < 20 {
        held.push(next(&mut loses).await);
    }
    // One of two partitions goes over, when it was waited for long enough.
    let mut gets = subscribed(&other, &topic, &topic).await;
    let stream = next(&mut gets).await.stream().clone();
    let (lost, kept): (Vec<_>, Vec<_>) = held.into_iter().partition(|it| *it.stream() == stream);
    let lost: BTreeSet<_> = lost.into_iter().map(acknowledged).collect();
    let kept: BTreeSet<_> = kept.into_iter().map(acknowledged).collect();
    assert!(!lost.is_empty() && !kept.is_empty());
    drop(gets);
    let mut came = BTreeSet::new();
    while came.len() < lost.len() {
        came.insert(acknowledged(next(&mut loses).await));
    }
    assert_eq!(came, lost);
}

fn acknowledged(delivery: Delivery) -> String {
    let said = text(&delivery);
    delivery.acknowledge();
    said
}

const KEYS: usize = 20;
const ALL: usize = 6_000;

/// Counts up by key.
#[derive(Default)]
struct Seen {
    last: BTreeMap<String, usize>,
    repeated: usize,
    distinct: usize,
}

impl Seen {
    /// One that was seen may be seen again; one that is new comes in its order.
    fn see(&mut self, delivery: Delivery) {
        let said = text(&delivery);
        let (key, number) = said.split_once('/').expect("key and number");
        let number: usize = number.parse().expect("a number");
        let due = self.last.entry(key.to_owned()).or_default();
        assert!(number <= *due, "{key}/{number} before {key}/{due}");
        if number == *due {
            *due += 1;
            self.distinct += 1;
        } else {
            self.repeated += 1;
        }
        delivery.acknowledge();
    }
}

#[tokio::test]
async fn while_instances_come_and_go_nothing_is_lost_and_order_holds() {
    let server = Server::shared();
    let topic = topic(server, 6).await;
    let (kafka, other) = (connected(server).await, connected(server).await);
    let mut stays = subscribed(&kafka, &topic, &topic).await;
    let publishing = async {
        for batch in 0..ALL / 100 {
            let numbers = batch * 100..(batch + 1) * 100;
            let mut batch: Vec<_> = numbers
                .map(|number| {
                    let key = format!("{}", number % KEYS);
                    Outgoing::new(keyed(&key, &format!("{key}/{}", number / KEYS)))
                })
                .collect();
            kafka.publish(&topic, &mut batch).await;
            for outgoing in batch {
                outgoing.into_result().expect("confirmed");
            }
        }
    };
    let mut seen = Seen::default();
    let hearing = async {
        for joins in 0.. {
            // Each stays for some hundred events.
            let mut comes = subscribed(&other, &topic, &topic).await;
            let until = ALL / 8 * (joins + 1);
            while seen.distinct < until.min(ALL) {
                select! {
                    delivery = stays.next() => seen.see(delivery.expect("more").expect("one")),
                    delivery = comes.next() => seen.see(delivery.expect("more").expect("one")),
                }
            }
            if seen.distinct == ALL {
                break;
            }
        }
    };
    tokio::join!(publishing, hearing);
    assert!(seen.repeated < 100 * 8, "{} came again", seen.repeated);
}

#[tokio::test]
async fn a_leader_that_dies_is_no_end() {
    let server = tokio::task::spawn_blocking(|| Server::cluster(3)).await;
    let server = server.expect("a cluster");
    let topic = topic(&server, 3).await;
    let kafka = connected(&server).await;
    let mut deliveries = subscribed(&kafka, &topic, &topic).await;
    let publishing = async {
        for number in 0..300 {
            let key = format!("{}", number % KEYS);
            publish(
                &kafka,
                &topic,
                keyed(&key, &format!("{key}/{}", number / KEYS)),
            )
            .await;
            if number == 100 {
                use fanfare_tests::brokers::Broker as _;
                server.servers()[0].kill();
            }
        }
    };
    let mut seen = Seen::default();
    let hearing = async {
        while seen.distinct < 300 {
            seen.see(next(&mut deliveries).await);
        }
    };
    tokio::join!(publishing, hearing);
    kafka.health().expect("two of three are there");
}
