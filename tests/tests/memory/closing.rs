use std::pin::pin;
use std::time::Duration;

use fanfare::streamer::{Deliver, Streamer, Subscribe, SubscriptionRequest};
use fanfare::streamers::Memory;
use futures_util::{FutureExt, StreamExt, poll};

use crate::{
    TOPIC, all_ready, count, plain, publish, ready, shared, subscribe, try_publish, work_off,
};

const CLOSED: &str = "memory streamer is closed";

#[tokio::test]
async fn a_closed_handle_neither_publishes_nor_subscribes() {
    let memory = Memory::new();
    memory.close().await.expect("closed");
    for report in try_publish(&memory, [plain("0"), plain("1")]).await {
        assert_eq!(report.expect_err("closed").to_string(), CLOSED);
    }
    let request = SubscriptionRequest {
        topic: TOPIC.to_owned(),
        group: shared("group"),
        max_in_flight: count(1),
    };
    let subscribed = memory.subscribe(request).await;
    assert_eq!(subscribed.err().expect("closed").to_string(), CLOSED);
}

#[tokio::test]
async fn closing_ends_what_was_subscribed_through_the_handle_and_nothing_else() {
    let memory = Memory::new();
    let other = memory.clone();
    let mut ends = subscribe(&memory, shared("group"), 10).await;
    let mut stays = subscribe(&other, shared("group"), 10).await;
    publish(&memory, (0..40).map(|n| plain(&n.to_string()))).await;
    let in_flight = all_ready(&mut ends);
    memory.close().await.expect("closed");

    assert!(ends.next().now_or_never().expect("at once").is_none());
    for delivery in in_flight {
        delivery.acknowledge();
    }
    publish(&other, [plain("40")]).await;
    assert!(work_off(&mut stays).len() >= 21, "it has all that is left");
    publish(&memory.clone(), [plain("through a new handle")]).await;
    assert!(ready(&mut stays).is_some());
}

#[tokio::test]
async fn closing_wakes_who_waits_for_a_delivery() {
    let memory = Memory::new();
    let mut deliveries = subscribe(&memory, shared("group"), 10).await;
    let waiting = tokio::spawn(async move { deliveries.next().await.is_none() });
    tokio::task::yield_now().await;
    memory.close().await.expect("closed");
    assert!(waiting.await.expect("no panic"));
}

#[tokio::test]
async fn closing_ends_the_wait_for_room() {
    let memory = Memory::new().with_capacity(count(1));
    let other = memory.clone();
    let _slow = subscribe(&other, shared("group"), 10).await;
    publish(&memory, [plain("0")]).await;
    let mut waiting = pin!(try_publish(&memory, [plain("1")]));
    assert!(poll!(&mut waiting).is_pending());
    memory.close().await.expect("closed");
    let report = waiting.await.remove(0);
    assert_eq!(report.expect_err("closed").to_string(), CLOSED);
}

#[tokio::test]
async fn options_are_read_from_a_table_and_those_left_out_have_defaults() {
    let text = r#"{ "capacity": 2, "publish_timeout": "1500ms" }"#;
    let memory: Memory = serde_json::from_str(text).expect("options");
    let built = Memory::new()
        .with_capacity(count(2))
        .with_publish_timeout(Duration::from_millis(1500));
    assert_eq!(format!("{memory:?}"), format!("{built:?}"));

    for wrong in [
        r#"{ "capacity": 0 }"#,
        r#"{ "capacities": 2 }"#,
        r#"{ "publish_timeout": "-1s" }"#,
    ] {
        assert!(serde_json::from_str::<Memory>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn it_delivers_by_subscription() {
    let _source = std::sync::Arc::new(Memory::new()).source();
}
