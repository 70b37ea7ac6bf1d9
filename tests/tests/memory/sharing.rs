use fanfare::event::Message;
use fanfare::streamer::{Deliveries, Delivery, Group};
use fanfare::streamers::Memory;

use crate::{
    all_ready, count, keyed, keys_apart, plain, publish, ready, shared, subscribe, text, texts,
    work_off,
};

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

fn by_own_key(range: std::ops::Range<usize>) -> impl Iterator<Item = Message> {
    range.map(|n| keyed(&n.to_string(), &n.to_string()))
}

fn sorted(said: impl IntoIterator<Item = String>) -> Vec<usize> {
    let numbers = said.into_iter().map(|text| text.parse().expect("a number"));
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn a_subscriber_more_than_there_are_streams_has_nothing_to_do() {
    let memory = Memory::new().with_streams(count(1));
    let mut one = subscribe(&memory, shared("group"), 10).await;
    let mut other = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [plain("event")]).await;

    assert!(ready(&mut other).is_none());
    let delivery = ready(&mut one).expect("it has the stream");
    drop((one, delivery));
    assert!(ready(&mut other).is_some(), "it takes over");
}

#[tokio::test]
async fn what_is_published_while_nobody_subscribes_is_confirmed_and_not_kept() {
    let memory = Memory::new();
    publish(&memory, [plain("before")]).await;
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [plain("after")]).await;
    assert_eq!(work_off(&mut deliveries), ["after"]);
}

#[tokio::test]
async fn a_group_of_one_instance_leaves_nothing_behind() {
    let memory = Memory::new().with_capacity(count(2));
    let mut stays = subscribe(&memory, shared("group"), 10).await;
    let leaves = subscribe(&memory, Group::EachInstance, 10).await;
    publish(&memory, [plain("0"), plain("1")]).await;
    drop(leaves);
    for n in 0..5 {
        work_off(&mut stays);
        publish(&memory, [plain(&n.to_string())]).await;
    }
    let mut later = subscribe(&memory, Group::EachInstance, 10).await;
    assert!(ready(&mut later).is_none(), "it begins with what comes now");
}

#[tokio::test]
async fn clones_share_one_memory_and_a_new_one_is_another() {
    let memory = Memory::new();
    let mut clone = subscribe(&memory.clone(), shared("group"), 10).await;
    let mut other = subscribe(&Memory::new(), shared("group"), 10).await;
    publish(&memory, [plain("event")]).await;
    assert_eq!(work_off(&mut clone), ["event"]);
    assert!(ready(&mut other).is_none());
}

#[tokio::test]
async fn a_newcomer_gets_a_stream_when_what_is_in_flight_there_is_settled() {
    let memory = Memory::new().with_streams(count(2));
    let (left, right) = keys_apart().await;
    let mut first = subscribe(&memory, shared("group"), 2).await;
    publish(&memory, [keyed(&left, "left 1"), keyed(&right, "right 1")]).await;
    let in_flight = all_ready(&mut first);
    assert_eq!(texts(&in_flight), ["left 1", "right 1"]);
    publish(&memory, [keyed(&left, "left 2"), keyed(&right, "right 2")]).await;

    let mut second = subscribe(&memory, shared("group"), 2).await;
    assert!(ready(&mut second).is_none(), "both streams are busy");
    let mut taken_over = Vec::new();
    for delivery in in_flight {
        delivery.acknowledge();
        taken_over.extend(all_ready(&mut second));
    }
    assert_eq!(taken_over.len(), 1, "one of the two streams is its own");
    assert_eq!(all_ready(&mut first).len(), 1);
}

#[tokio::test]
async fn what_a_newcomer_takes_over_comes_in_order_and_once() {
    let memory = Memory::new().with_streams(count(2));
    let (left, right) = keys_apart().await;
    let mut subscribers = vec![subscribe(&memory, shared("group"), 3).await];
    let keys = [left, right];
    let events = (0..200).map(|n| keyed(&keys[n % 2], &n.to_string()));
    publish(&memory, events).await;

    let mut handled: Vec<usize> = Vec::new();
    for round in 0..200 {
        let in_flight: Vec<Delivery> = subscribers.iter_mut().flat_map(all_ready).collect();
        match round % 4 {
            0 => subscribers.push(subscribe(&memory, shared("group"), 3).await),
            2 => drop(subscribers.remove(0)),
            _ => {}
        }
        for delivery in in_flight {
            handled.push(text(&delivery).parse().expect("a number"));
            delivery.acknowledge();
        }
    }
    for parity in 0..2 {
        let of_key = handled.iter().copied().filter(|n| n % 2 == parity);
        assert!(of_key.eq((parity..200).step_by(2)));
    }
}

#[tokio::test]
async fn what_one_that_leaves_has_not_fetched_goes_to_the_others() {
    let memory = Memory::new();
    let mut leaves = subscribe(&memory, shared("group"), 2).await;
    let mut stays = subscribe(&memory, shared("group"), 1000).await;
    publish(&memory, by_own_key(0..100)).await;
    let in_flight = all_ready(&mut leaves);
    drop(leaves);

    let mut said = work_off(&mut stays);
    assert!(said.len() < 98, "its streams wait for what is in flight");
    assert!(said.iter().all(|text| !texts(&in_flight).contains(text)));
    drop(in_flight);
    said.extend(work_off(&mut stays));
    assert_eq!(sorted(said), sorted(numbers(0..100)));
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken_by_what_another_hands_over() {
    let memory = Memory::new().with_streams(count(1));
    let mut first = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [plain("0"), plain("1")]).await;
    let zero = ready(&mut first).expect("a delivery");
    let mut second: Deliveries = subscribe(&memory, shared("group"), 10).await;
    let waiting = tokio::spawn(async move {
        use futures_util::StreamExt;
        let next = second.next().await.expect("not ended");
        text(&next.expect("a delivery"))
    });
    tokio::task::yield_now().await;
    drop(first);
    tokio::task::yield_now().await;
    zero.acknowledge();
    assert_eq!(waiting.await.expect("no panic"), "1");
}
