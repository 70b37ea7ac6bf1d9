use std::time::Duration;

use fanfare::streamer::Delivery;
use fanfare::streamers::Memory;
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::{
    all_ready, count, keyed, keys_apart, plain, publish, ready, shared, subscribe, text, texts,
    work_off,
};

#[tokio::test]
async fn a_released_one_comes_again_before_later_ones() {
    let memory = Memory::new();
    let mut deliveries = subscribe(&memory, shared("group"), 2).await;
    publish(&memory, (0..5).map(|n| keyed("key", &n.to_string()))).await;
    let mut in_flight = all_ready(&mut deliveries);
    assert_eq!(texts(&in_flight), ["0", "1"]);
    let first = in_flight.remove(0);
    let position = first.position().clone();
    first.release(Duration::ZERO);

    let again = ready(&mut deliveries).expect("it comes again");
    assert_eq!(text(&again), "0");
    assert_eq!(*again.position(), position);
}

#[tokio::test]
async fn several_released_in_any_order_come_again_in_order() {
    let memory = Memory::new();
    let mut deliveries = subscribe(&memory, shared("group"), 4).await;
    publish(&memory, (0..6).map(|n| keyed("key", &n.to_string()))).await;
    let mut in_flight = all_ready(&mut deliveries);
    in_flight.remove(1).acknowledge();
    in_flight.remove(0).release(Duration::ZERO);
    in_flight.reverse();
    for delivery in in_flight {
        delivery.release(Duration::ZERO);
    }
    assert_eq!(work_off(&mut deliveries), ["0", "2", "3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn a_delay_holds_the_stream_back_and_no_other() {
    let memory = Memory::new().with_streams(count(2));
    let (held, free) = keys_apart().await;
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [keyed(&held, "held 1"), keyed(&held, "held 2")]).await;
    let start = Instant::now();
    let first = ready(&mut deliveries).expect("a delivery");
    first.release(Duration::from_secs(10));
    publish(&memory, [keyed(&free, "free")]).await;

    assert_eq!(work_off(&mut deliveries), ["free"]);
    for expected in ["held 1", "held 2"] {
        let next = deliveries.next().await.expect("not ended");
        let next = next.expect("a delivery");
        assert_eq!(text(&next), expected);
        assert_eq!(start.elapsed().as_secs(), 10);
        next.acknowledge();
    }
}

#[tokio::test(start_paused = true)]
async fn a_delay_reaches_one_that_is_waiting_already() {
    let memory = Memory::new().with_streams(count(1));
    let mut first = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [plain("event")]).await;
    let delivery = ready(&mut first).expect("a delivery");
    let start = Instant::now();
    let waiting = tokio::spawn(async move { first.next().await });
    tokio::task::yield_now().await;
    delivery.release(Duration::from_millis(1500));

    let again = waiting.await.expect("no panic").expect("not ended");
    assert_eq!(text(&again.expect("a delivery")), "event");
    assert_eq!(start.elapsed().as_millis(), 1500);
}

#[tokio::test(start_paused = true)]
async fn the_shorter_of_two_delays_ends_first() {
    let memory = Memory::new().with_streams(count(2));
    let (long, short) = keys_apart().await;
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [keyed(&long, "long"), keyed(&short, "short")]).await;
    let mut in_flight = all_ready(&mut deliveries);
    let start = Instant::now();
    in_flight.remove(0).release(Duration::from_secs(10));
    assert!(
        ready(&mut deliveries).is_none(),
        "it waits for the long one"
    );
    in_flight.remove(0).release(Duration::from_secs(2));
    for (expected, seconds) in [("short", 2), ("long", 10)] {
        let next = deliveries.next().await.expect("not ended");
        let next = next.expect("a delivery");
        assert_eq!(text(&next), expected);
        assert_eq!(start.elapsed().as_secs(), seconds);
        next.acknowledge();
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_delay_is_no_panic() {
    let memory = Memory::new();
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [plain("event")]).await;
    let delivery = ready(&mut deliveries).expect("a delivery");
    delivery.release(Duration::MAX);
    assert!(ready(&mut deliveries).is_none());
}

#[tokio::test]
async fn a_full_subscriber_is_woken_when_it_settles() {
    let memory = Memory::new();
    let mut deliveries = subscribe(&memory, shared("group"), 1).await;
    publish(&memory, [plain("0"), plain("1")]).await;
    let first = ready(&mut deliveries).expect("a delivery");
    let waiting = tokio::spawn(async move { deliveries.next().await });
    tokio::task::yield_now().await;
    first.acknowledge();
    let next = waiting.await.expect("no panic").expect("not ended");
    assert_eq!(text(&next.expect("a delivery")), "1");
}

#[tokio::test]
async fn a_subscriber_with_much_in_flight_keeps_it_over_a_rebalance() {
    let memory = Memory::new();
    let mut first = subscribe(&memory, shared("group"), 100).await;
    publish(&memory, (0..50).map(|n| plain(&n.to_string()))).await;
    let in_flight = all_ready(&mut first);
    let mut second = subscribe(&memory, shared("group"), 100).await;
    assert!(ready(&mut second).is_none());
    in_flight.into_iter().for_each(Delivery::acknowledge);
    assert!(ready(&mut first).is_none() && ready(&mut second).is_none());
}
