//! Running until nothing is left to do.

use std::time::Duration;

use super::{Order, Packed, Shipped, in_trouble, order, settled, start, streamer, trouble};

#[tokio::test]
async fn a_chain_of_handlers_settles() {
    let test = start().await;
    test.publish(order(1)).await.expect("published");
    settled(&test).await;
    assert_eq!(test.published::<Packed>(), [Packed { number: 1 }]);
    assert_eq!(test.published::<Shipped>(), [Shipped { number: 1 }]);
    assert_eq!(test.handled::<Packed>("ship"), [Packed { number: 1 }]);
    assert!(test.to_string().contains("announced: `Packed`"), "{test}");
    assert_eq!(test.handled::<Shipped>("thank"), [Shipped { number: 1 }]);
    assert_eq!(test.published_to(streamer!("far", "shipped")).len(), 1);
}

#[tokio::test]
async fn a_stuck_handler_is_named() {
    let test = in_trouble("stuck").await;
    let topic = streamer!("far", "trouble");
    test.deliver(topic, trouble("")).await.expect("delivered");
    let error = test.settle().await.expect_err("stuck").to_string();
    let stuck = test.published_to(topic);
    let id = stuck[0].event().expect("an event").id();
    let named = format!("`cope` is still in attempt 1 at `Trouble` {id}, since 0.000s");
    assert!(error.contains(&named), "{error}");
    assert!(error.contains("within 3600s of virtual time"), "{error}");
    assert!(error.contains("1 more that wait"), "{error}");
}

#[tokio::test]
async fn a_pause_without_an_end_in_sight_is_named() {
    let test = in_trouble("later").await;
    let error = test.settle().await.expect_err("paused").to_string();
    assert!(
        error.contains("`cope` waits for another attempt"),
        "{error}"
    );
    assert!(error.contains("attempt 1 failed at 0.000s"), "{error}");
    let day = Duration::from_hours(24);
    test.settle_within(day).await.expect("settled");
    assert_eq!(test.dead_letters()[0].at.as_secs(), 3 * 2 * 60 * 60);
}

#[tokio::test]
async fn thousands_of_events_settle_at_once() {
    let test = start().await;
    let orders = (100..5_100).map(order);
    let published = test.publisher().publish_all(orders).await;
    assert!(published.iter().all(Result::is_ok));
    settled(&test).await;
    let thanked = test.attempts("thank");
    assert_eq!(thanked.len(), 5_000);
    assert_eq!(thanked[4_999].ended, Duration::ZERO);
    assert!(test.to_string().contains("lines that are left out"));
}

#[tokio::test]
async fn nothing_to_do_is_settled() {
    let test = start().await;
    settled(&test).await;
    assert!(test.to_string().ends_with("nothing has happened"), "{test}");
}

#[tokio::test]
async fn a_test_may_go_on_after_it_has_settled() {
    let test = start().await;
    for number in 1..=3 {
        test.publish(order(number)).await.expect("published");
        settled(&test).await;
    }
    assert_eq!(test.published::<Order>(), [order(1), order(2), order(3)]);
    test.shutdown().await.expect("shut down");
}
