use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use fanfare::event::{Foreign, Message};
use fanfare::streamer::{Group, Outgoing, Publish};
use fanfare::streamers::Memory;
use futures_util::{FutureExt, StreamExt, poll};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::{
    TOPIC, all_ready, count, keyed, plain, publish, ready, shared, subscribe, text, try_publish,
    work_off,
};

#[tokio::test]
async fn a_publisher_waits_while_a_group_is_full() {
    let memory = Memory::new().with_capacity(count(2));
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [plain("0"), plain("1")]).await;
    let mut third = pin!(publish(&memory, [plain("2")]));
    assert!(poll!(&mut third).is_pending());

    let delivery = ready(&mut deliveries).expect("a delivery");
    assert!(poll!(&mut third).is_pending(), "in flight is not done");
    delivery.acknowledge();
    third.await;
    assert_eq!(work_off(&mut deliveries), ["1", "2"]);
}

#[tokio::test]
async fn publishers_get_room_in_the_order_in_which_they_came() {
    let memory = Memory::new().with_capacity(count(1));
    let mut deliveries = subscribe(&memory, shared("group"), 1).await;
    publish(&memory, [plain("0")]).await;
    let (done, mut order) = mpsc::unbounded_channel();
    for n in 1..=20 {
        let (memory, done) = (memory.clone(), done.clone());
        tokio::spawn(async move {
            publish(&memory, [plain(&n.to_string())]).await;
            done.send(n).expect("heard");
        });
        tokio::task::yield_now().await;
    }
    for n in 0..=20 {
        let next = deliveries.next().await.expect("not ended");
        let next = next.expect("a delivery");
        assert_eq!(text(&next), n.to_string());
        next.acknowledge();
        if n < 20 {
            assert_eq!(order.recv().await, Some(n + 1));
        }
    }
}

#[tokio::test]
async fn nobody_takes_the_room_that_another_has_waited_for() {
    let memory = Memory::new().with_capacity(count(1));
    let mut deliveries = subscribe(&memory, shared("group"), 1).await;
    publish(&memory, [plain("0")]).await;
    let mut waits = pin!(publish(&memory, [plain("1")]));
    assert!(poll!(&mut waits).is_pending());
    ready(&mut deliveries).expect("a delivery").acknowledge();
    let mut comes = pin!(publish(&memory, [plain("2")]));
    assert!(poll!(&mut comes).is_pending());
    assert!(poll!(&mut waits).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_finds_no_room_in_time_is_told_where_and_what_to_do() {
    let memory = Memory::new()
        .with_capacity(count(2))
        .with_publish_timeout(Duration::from_secs(7));
    let _slow = subscribe(&memory, shared("blog.index_post"), 1).await;
    publish(&memory, [plain("0"), plain("1")]).await;
    let start = Instant::now();
    let report = try_publish(&memory, [plain("2")]).await.remove(0);

    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(
        report.expect_err("no room").to_string(),
        "the group `blog.index_post` of the topic `posts` has been full for 7s with 2 \
         unacknowledged events: make its handler faster or start more instances, or else raise \
         `Memory::with_capacity` or `Memory::with_publish_timeout`",
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_its_turn_is_not_kept_longer_than_the_time_limit() {
    let memory = Memory::new().with_capacity(count(1));
    let patient = memory
        .clone()
        .with_publish_timeout(Duration::from_secs(1000));
    let _slow = subscribe(&memory, shared("group"), 1).await;
    publish(&memory, [plain("0")]).await;
    let mut first = pin!(try_publish(&patient, [plain("1")]));
    assert!(poll!(&mut first).is_pending());
    let start = Instant::now();
    let report = try_publish(&memory, [plain("2")]).await.remove(0);
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(report.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_reported_message_by_message() {
    let memory = Memory::new().with_capacity(count(3));
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    let batch = (0..5).map(|n| keyed("key", &n.to_string()));
    let reports = try_publish(&memory, batch).await;
    let published: Vec<_> = reports.iter().map(Result::is_ok).collect();
    assert_eq!(published, [true, true, true, false, false]);
    assert_eq!(work_off(&mut deliveries), ["0", "1", "2"]);
}

#[tokio::test]
async fn a_batch_larger_than_the_capacity_goes_through_as_room_is_made() {
    let memory = Memory::new().with_capacity(count(3));
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    let batch = (0..100).map(|n| keyed("key", &n.to_string()));
    let mut publishing = pin!(publish(&memory, batch));
    let mut said = Vec::new();
    while poll!(&mut publishing).is_pending() {
        assert!(said.len() < 100, "stuck");
        said.extend(work_off(&mut deliveries));
    }
    said.extend(work_off(&mut deliveries));
    assert!(said.into_iter().eq((0..100).map(|n| n.to_string())));
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_in_one_group_reaches_no_other() {
    let memory = Memory::new().with_capacity(count(1));
    let mut quick = subscribe(&memory, shared("quick"), 10).await;
    let mut slow = subscribe(&memory, shared("slow"), 10).await;
    publish(&memory, [plain("0")]).await;
    assert_eq!(work_off(&mut quick), ["0"]);
    assert!(try_publish(&memory, [plain("1")]).await.remove(0).is_err());
    assert_eq!(work_off(&mut quick), [""; 0]);
    assert_eq!(work_off(&mut slow), ["0"]);

    publish(&memory, [plain("2")]).await;
    assert_eq!(work_off(&mut quick), ["2"]);
    assert_eq!(work_off(&mut slow), ["2"]);
}

#[tokio::test]
async fn a_publish_that_is_dropped_half_way_reaches_all_groups_or_none() {
    let memory = Memory::new().with_capacity(count(2));
    let mut one = subscribe(&memory, shared("one"), 10).await;
    let mut other = subscribe(&memory, Group::EachInstance, 10).await;
    for n in 0..50 {
        {
            let batch = (0..4).map(|part| keyed("key", &format!("{n}.{part}")));
            let mut half = pin!(publish(&memory, batch));
            assert!(poll!(&mut half).is_pending());
            if n % 3 > 0 {
                ready(&mut one).expect("a delivery").acknowledge();
                assert!(poll!(&mut half).is_pending());
            }
            if n % 3 == 2 {
                ready(&mut other).expect("a delivery").acknowledge();
            }
        }
        let (one, other) = (work_off(&mut one), work_off(&mut other));
        let from = one.len().min(other.len()) - 1;
        assert_eq!(one[one.len() - from..], other[other.len() - from..]);
        assert_eq!(one.last(), other.last());
    }
}

#[tokio::test]
async fn a_publisher_that_gives_up_does_not_block_the_next() {
    let memory = Memory::new().with_capacity(count(1));
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [plain("0")]).await;
    let mut next = pin!(publish(&memory, [plain("2")]));
    {
        let mut gives_up = pin!(publish(&memory, [plain("1")]));
        assert!(poll!(&mut gives_up).is_pending());
        assert!(poll!(&mut next).is_pending());
        ready(&mut deliveries).expect("a delivery").acknowledge();
    }
    next.await;
    assert_eq!(work_off(&mut deliveries), ["2"]);
}

#[tokio::test]
async fn a_full_group_without_a_subscriber_is_an_error_at_once() {
    let memory = Memory::new().with_capacity(count(2));
    let left = subscribe(&memory, shared("gone"), 10).await;
    let mut stays = subscribe(&memory, shared("stays"), 10).await;
    drop(left);
    publish(&memory, [plain("0"), plain("1")]).await;
    work_off(&mut stays);
    let reports = try_publish(&memory, [plain("2")]).now_or_never();
    let report = reports.expect("at once").remove(0);
    assert_eq!(
        report.expect_err("no room").to_string(),
        "the group `gone` of the topic `posts` is full with 2 unacknowledged events, and nobody \
         subscribes to it any more: start its service again, or raise `Memory::with_capacity`",
    );
    assert!(ready(&mut stays).is_none(), "nothing is half published");

    work_off(&mut subscribe(&memory, shared("gone"), 10).await);
    publish(&memory, [plain("3")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_publisher_hears_that_the_last_subscriber_has_left() {
    let memory = Memory::new().with_capacity(count(1));
    let shared_one = subscribe(&memory, shared("group"), 10).await;
    publish(&memory, [plain("0")]).await;
    let start = Instant::now();
    let waiting = {
        let memory = memory.clone();
        tokio::spawn(async move { try_publish(&memory, [plain("1")]).await.remove(0) })
    };
    tokio::task::yield_now().await;
    drop(shared_one);
    assert!(waiting.await.expect("no panic").is_err());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_publisher_goes_on_when_the_full_instance_has_left() {
    let memory = Memory::new().with_capacity(count(1));
    let instance = subscribe(&memory, Group::EachInstance, 10).await;
    publish(&memory, [plain("0")]).await;
    let start = Instant::now();
    let waiting = {
        let memory = memory.clone();
        tokio::spawn(async move { publish(&memory, [plain("1")]).await })
    };
    tokio::task::yield_now().await;
    drop(instance);
    waiting.await.expect("published");
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Counts how many payloads there are.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn message(live: &Arc<AtomicUsize>) -> Message {
        live.fetch_add(1, Ordering::Relaxed);
        Foreign::new(Bytes::from_owner(Counted(Arc::clone(live)))).into()
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        b"payload"
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn no_more_is_kept_than_the_capacity_however_fast_one_publishes() {
    let memory = Memory::new().with_capacity(count(16));
    let live = Arc::new(AtomicUsize::new(0));
    let mut one = subscribe(&memory, shared("one"), 4).await;
    let mut other = subscribe(&memory, shared("other"), 100).await;
    let publisher = {
        let (memory, live) = (memory.clone(), Arc::clone(&live));
        tokio::spawn(async move {
            for _ in 0..5000 {
                publish(&memory, [Counted::message(&live)]).await;
            }
        })
    };
    let (mut handled, mut most) = (0, 0);
    while handled < 5000 {
        most = most.max(live.load(Ordering::Relaxed));
        handled += work_off(&mut one).len();
        work_off(&mut other);
        tokio::task::yield_now().await;
    }
    publisher.await.expect("published");
    assert!(most > 4, "the publisher was ahead");
    assert!(most <= 17, "{most} payloads at once");
    assert_eq!(live.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_publisher_that_always_finds_room_lets_others_run() {
    let memory = Memory::new().with_capacity(count(100_000));
    let mut deliveries = subscribe(&memory, shared("group"), 100_000).await;
    let publisher = tokio::spawn(async move {
        for _ in 0..100_000 {
            let mut batch = [Outgoing::new(plain("event"))];
            memory.publish(TOPIC, &mut batch).await;
        }
    });
    tokio::task::yield_now().await;
    let published = all_ready(&mut deliveries).len();
    assert!((1..10_000).contains(&published), "{published}");
    publisher.abort();
}
