use std::collections::{BTreeMap, BTreeSet};

use fanfare::streamer::{Group, Position};
use fanfare::streamers::Memory;

use crate::{all_ready, count, keyed, plain, publish, shared, subscribe, text, texts};

#[tokio::test]
async fn events_of_one_key_come_in_order_and_in_one_stream() {
    let memory = Memory::new();
    let mut deliveries = subscribe(&memory, shared("group"), 1000).await;
    let events = (0..300).map(|n| (n % 7, n));
    publish(
        &memory,
        events.map(|(key, n)| keyed(&key.to_string(), &n.to_string())),
    )
    .await;

    let mut streams = BTreeMap::<usize, BTreeSet<_>>::new();
    let mut last = BTreeMap::new();
    for delivery in all_ready(&mut deliveries) {
        let number: usize = text(&delivery).parse().expect("a number");
        let key = number % 7;
        streams
            .entry(key)
            .or_default()
            .insert(delivery.stream().clone());
        let before = last.insert(key, number);
        assert_eq!(before.map_or(key, |before| before + 7), number);
    }
    assert_eq!(last.len(), 7);
    assert!(streams.values().all(|streams| streams.len() == 1));
}

#[tokio::test]
async fn a_subscriber_gets_its_events_in_the_order_of_arrival_over_all_streams() {
    let memory = Memory::new().with_streams(count(5));
    let mut deliveries = subscribe(&memory, shared("group"), 1000).await;
    let sent: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    let (keyless, with_key) = sent.split_at(100);
    publish(&memory, keyless.iter().map(|n| plain(n))).await;
    publish(&memory, with_key.iter().map(|n| keyed(n, n))).await;

    assert_eq!(texts(&all_ready(&mut deliveries)), sent);
}

#[tokio::test]
async fn positions_count_up_in_each_stream_and_are_the_same_for_every_group() {
    let memory = Memory::new().with_streams(count(3));
    let mut early = subscribe(&memory, shared("early"), 1000).await;
    publish(&memory, (0..10).map(|n| keyed(&n.to_string(), "before"))).await;
    let mut late = subscribe(&memory, shared("late"), 1000).await;
    publish(&memory, (0..50).map(|n| keyed(&n.to_string(), "after"))).await;

    let early = all_ready(&mut early);
    let mut next = BTreeMap::new();
    for delivery in &early {
        let next = next.entry(delivery.stream().clone()).or_insert(0);
        assert_eq!(*delivery.position(), Position::Number(*next));
        *next += 1;
    }
    let late = all_ready(&mut late);
    assert_eq!(late.len(), 50);
    for (late, early) in late.iter().zip(&early[10..]) {
        assert_eq!(late.stream(), early.stream());
        assert_eq!(late.position(), early.position());
        assert_eq!(late.message(), early.message());
    }
}

#[tokio::test]
async fn events_without_a_key_go_to_every_stream_in_turn() {
    let memory = Memory::new().with_streams(count(4));
    let mut deliveries = subscribe(&memory, shared("group"), 1000).await;
    publish(&memory, (0..40).map(|n| plain(&n.to_string()))).await;

    let mut counts = BTreeMap::new();
    for delivery in all_ready(&mut deliveries) {
        *counts.entry(delivery.stream().clone()).or_insert(0) += 1;
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [10; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_groups_see_one_order_whoever_publishes() {
    let memory = Memory::new();
    let mut one = subscribe(&memory, shared("one"), 1000).await;
    let mut other = subscribe(&memory, Group::EachInstance, 1000).await;
    let publishers: Vec<_> = (0..4)
        .map(|publisher| {
            let memory = memory.clone();
            tokio::spawn(async move {
                for n in 0..100 {
                    publish(&memory, [keyed("key", &format!("{publisher}/{n}"))]).await;
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.expect("published");
    }
    let (one, other) = (all_ready(&mut one), all_ready(&mut other));
    assert_eq!(one.len(), 400);
    assert_eq!(texts(&one), texts(&other));
}
