use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, poll};
use tokio::time::Instant;

use super::*;
use crate::event::Foreign;
use crate::streamer::Group as GroupName;
use crate::streamer::queue::locked;

/// A list that grows, and sometimes cannot be read.
#[derive(Default)]
struct Feed {
    items: Mutex<Vec<String>>,
    failures: Mutex<usize>,
    asked: Mutex<Vec<(Instant, Option<Position>, usize)>>,
}

impl Feed {
    fn of(count: usize) -> Arc<Self> {
        let feed = Arc::new(Feed::default());
        feed.add(count);
        feed
    }

    fn add(&self, count: usize) {
        let mut items = locked(&self.items);
        let next = items.len();
        items.extend((next..next + count).map(|n| n.to_string()));
    }

    /// The pauses between one poll and the next.
    fn pauses(&self) -> Vec<Duration> {
        let asked = locked(&self.asked);
        asked.windows(2).map(|two| two[1].0 - two[0].0).collect()
    }

    async fn subscribe(self: &Arc<Self>, max_in_flight: usize) -> Deliveries {
        let request = SubscriptionRequest {
            topic: "feed".to_owned(),
            group: GroupName::EachInstance,
            max_in_flight: NonZeroUsize::new(max_in_flight).expect("not zero"),
        };
        let polled = Polled::new(Arc::clone(self));
        polled.subscribe(request).await.expect("subscribed")
    }
}

impl Streamer for Feed {}

impl Poll for Feed {
    async fn poll(&self, _: &str, after: Option<&Position>, max: usize) -> Fetched {
        locked(&self.asked).push((Instant::now(), after.cloned(), max));
        // A store is some time away, and may be given up on meanwhile.
        tokio::task::yield_now().await;
        let mut failures = locked(&self.failures);
        if *failures > 0 {
            *failures -= 1;
            return Err(StreamError::new("out of order"));
        }
        let items = locked(&self.items);
        let start = after.map_or(0, |after| {
            let known = items.iter().position(|item| token(item) == *after);
            known.expect("a position of ours") + 1
        });
        let new = items.iter().skip(start).take(max);
        Ok(new.map(|item| (token(item), message(item))).collect())
    }
}

fn token(item: &str) -> Position {
    Position::Token(arcstr::format!("at {item}"))
}

fn message(item: &str) -> Message {
    Foreign::new(Bytes::copy_from_slice(item.as_bytes())).into()
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message().payload().to_vec()).expect("text")
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    let next = deliveries.next().await.expect("not ended");
    next.expect("a delivery")
}

async fn ready(deliveries: &mut Deliveries) -> Option<Delivery> {
    let next = tokio::time::timeout(Duration::from_millis(1), deliveries.next()).await;
    Some(next.ok()?.expect("not ended").expect("a delivery"))
}

#[tokio::test(start_paused = true)]
async fn what_is_polled_comes_in_order_and_once() {
    let feed = Feed::of(10);
    let mut deliveries = feed.subscribe(4).await;
    for n in 0..15 {
        if n == 10 {
            feed.add(5);
        }
        let delivery = next(&mut deliveries).await;
        assert_eq!(text(&delivery), n.to_string());
        assert_eq!(*delivery.position(), token(&n.to_string()));
        assert_eq!(delivery.stream(), "0");
        delivery.acknowledge();
    }
    assert_eq!(locked(&feed.asked)[0].1, None);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_in_flight_nor_asked_for_than_there_is_room() {
    let feed = Feed::of(10);
    let mut deliveries = feed.subscribe(3).await;
    let mut in_flight = Vec::new();
    while let Some(delivery) = ready(&mut deliveries).await {
        in_flight.push(delivery);
    }
    assert_eq!(in_flight.len(), 3);
    let waiting = tokio::spawn(async move { text(&next(&mut deliveries).await) });
    tokio::task::yield_now().await;
    in_flight.remove(1).acknowledge();

    assert_eq!(waiting.await.expect("no panic"), "3");
    let rooms: Vec<_> = locked(&feed.asked).iter().map(|asked| asked.2).collect();
    assert_eq!(rooms, [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_released_comes_again_in_order_without_asking() {
    let feed = Feed::of(4);
    let mut deliveries = feed.subscribe(4).await;
    let first = next(&mut deliveries).await;
    let second = next(&mut deliveries).await;
    drop(second);
    first.release(Duration::ZERO);
    for n in 0..4 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(text(&delivery), n.to_string());
        delivery.acknowledge();
    }
    assert_eq!(locked(&feed.asked).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_released_does_not_wait_for_the_rest_to_end() {
    let feed = Feed::of(1);
    let mut deliveries = feed.subscribe(4).await;
    let delivery = next(&mut deliveries).await;
    let mut waiting = pin!(next(&mut deliveries));
    assert!(poll!(&mut waiting).is_pending());
    let start = Instant::now();
    delivery.release(Duration::ZERO);
    assert_eq!(text(&waiting.await), "0");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_released_one_is_held_back_as_long_as_asked() {
    let feed = Feed::of(2);
    let mut deliveries = feed.subscribe(2).await;
    let start = Instant::now();
    let delivery = next(&mut deliveries).await;
    delivery.release(Duration::from_secs(5));
    for n in 0..2 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(text(&delivery), n.to_string());
        assert_eq!(start.elapsed().as_secs(), 5);
        delivery.acknowledge();
    }
}

#[tokio::test(start_paused = true)]
async fn it_rests_when_there_is_nothing_new() {
    let feed = Feed::of(0);
    let mut deliveries = feed.subscribe(10).await;
    let waited = tokio::time::timeout(Duration::from_millis(9500), deliveries.next()).await;
    assert!(waited.is_err());
    assert_eq!(feed.pauses(), [Duration::from_secs(1); 9]);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_yielded_and_the_same_place_asked_for_after_growing_pauses() {
    let feed = Feed::of(1);
    let mut deliveries = feed.subscribe(10).await;
    next(&mut deliveries).await.acknowledge();
    *locked(&feed.failures) = 12;
    for _ in 0..12 {
        let error = deliveries.next().await.expect("not ended");
        assert_eq!(error.expect_err("it fails").to_string(), "out of order");
    }
    feed.add(1);
    assert_eq!(text(&next(&mut deliveries).await), "1");

    let pauses = feed.pauses();
    for (n, pause) in pauses[1..].iter().enumerate() {
        let least = Duration::from_millis(100 << n).min(Duration::from_secs(30));
        assert!((least..=2 * least + Duration::from_millis(2)).contains(pause));
    }
    let asked = locked(&feed.asked);
    assert!(asked[1..].iter().all(|asked| asked.1 == Some(token("0"))));
}

#[tokio::test(start_paused = true)]
async fn pauses_start_anew_after_a_success() {
    let feed = Feed::of(0);
    let mut deliveries = feed.subscribe(10).await;
    for round in 1..=5 {
        *locked(&feed.failures) = 1;
        assert!(deliveries.next().await.expect("not ended").is_err());
        feed.add(1);
        next(&mut deliveries).await.acknowledge();
        let pause = *feed.pauses().last().expect("a pause");
        assert!(
            pause <= Duration::from_millis(202),
            "{pause:?} in round {round}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_is_delivered_while_polling_fails() {
    let feed = Feed::of(2);
    let mut deliveries = feed.subscribe(10).await;
    next(&mut deliveries).await.acknowledge();
    let second = next(&mut deliveries).await;
    *locked(&feed.failures) = usize::MAX;
    assert!(deliveries.next().await.expect("not ended").is_err());
    second.release(Duration::ZERO);
    assert_eq!(text(&next(&mut deliveries).await), "1");
}

#[tokio::test(start_paused = true)]
async fn each_subscription_polls_for_itself() {
    let feed = Feed::of(3);
    for mut deliveries in [feed.subscribe(10).await, feed.subscribe(10).await] {
        for n in 0..3 {
            let delivery = next(&mut deliveries).await;
            assert_eq!(text(&delivery), n.to_string());
            delivery.acknowledge();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_may_be_settled_when_the_subscription_is_gone() {
    let feed = Feed::of(2);
    let mut deliveries = feed.subscribe(10).await;
    let first = next(&mut deliveries).await;
    let second = next(&mut deliveries).await;
    assert!(deliveries.next().now_or_never().is_none());
    drop(deliveries);
    first.acknowledge();
    second.release(Duration::from_secs(1));
}
