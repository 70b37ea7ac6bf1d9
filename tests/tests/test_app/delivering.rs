//! What comes from elsewhere, and in what form.

use bytes::Bytes;
use fanfare::PublishError;
use fanfare::event::{Foreign, Message};
use fanfare_tests::event;

use super::{Call, Order, OrderV1, Row, order, reason, settled, start, streamer};

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_with_its_bytes() {
    let test = start().await;
    let topic = streamer!("hook", "calls");
    test.deliver_bytes(topic, b"{\xFF")
        .await
        .expect("delivered");
    settled(&test).await;
    let letters = test.dead_letters();
    assert_eq!(letters[0].message.payload(), &b"{\xFF"[..]);
    assert!(letters[0].reason.contains("no `Call`"), "{test}");
    let kept = test.published_to(streamer!("far", "missed"));
    assert_eq!(kept[0].payload(), &b"{\xFF"[..]);
}

#[tokio::test]
async fn what_is_ingested_in_production_is_delivered() {
    let test = start().await;
    let call = || Call {
        from: "Ada".to_owned(),
    };
    test.deliver(streamer!("hook", "calls"), call())
        .await
        .expect("delivered");
    settled(&test).await;
    assert_eq!(test.handled::<Call>("answer"), [call()]);
}

#[tokio::test]
async fn what_another_service_delivers_is_not_published_by_this_one() {
    let test = start().await;
    let topic = streamer!("far", "orders");
    let id = test.deliver(topic, order(5)).await.expect("delivered");
    let old = test.deliver(topic, OrderV1 { number: 6 }).await;
    old.expect("delivered");
    settled(&test).await;
    assert_eq!(test.handled::<Order>("pack"), [order(5), order(6)]);
    assert!(test.published::<Order>().is_empty());
    let came = test.published_to(topic);
    let came = came[0].event().expect("an event");
    assert_eq!((came.source(), came.key()), ("another-service", Some("5")));
    assert_eq!(came.id(), &id);
}

#[tokio::test]
async fn an_envelope_is_delivered_as_it_is() {
    let test = start().await;
    let envelope = event("Order", r#"{"number":7}"#);
    let topic = streamer!("far", "orders");
    test.deliver_message(topic, envelope.clone())
        .await
        .expect("delivered");
    settled(&test).await;
    assert_eq!(test.attempts("pack")[0].message, Message::Event(envelope));
    let attempts = test.attempts("pack");
    assert!(reason(&attempts[0].outcome).contains("express"), "{test}");
}

#[tokio::test]
async fn a_delivery_that_nobody_hears_is_an_error() {
    let test = start().await;
    let foreign = Foreign::new(Bytes::new());
    let unheard = test
        .deliver_message(streamer!("far", "odrers"), foreign)
        .await;
    let unheard = unheard.expect_err("unheard").to_string();
    assert!(
        unheard.contains("`far/odrers`: `shop` listens on"),
        "{unheard}"
    );
    assert!(unheard.contains("`far/orders`, `far/rows`"), "{unheard}");
}

#[tokio::test]
async fn an_event_that_goes_nowhere_is_the_error_of_production() {
    let test = start().await;
    let nowhere = test.publish(OrderV1 { number: 1 }).await;
    // The handlers of this service's own events hear none of this name.
    assert!(matches!(nowhere, Err(PublishError::NoTarget { .. })));
}

#[tokio::test]
async fn a_batch_is_seen_one_by_one() {
    let test = start().await;
    let rows = (1..=3).map(|number| Row { number });
    test.publisher().publish_all(rows).await;
    settled(&test).await;
    let numbers = test.handled::<Row>("store");
    let numbers: Vec<_> = numbers.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    for attempt in test.attempts("store") {
        assert_eq!((attempt.number, attempt.began.as_secs()), (1, 5));
    }
}

#[tokio::test]
async fn what_has_expired_is_settled() {
    let test = start().await;
    let late = event("Order", r#"{"number":7}"#);
    let late = late.with_extension("expirytime", "2020-02-02T20:20:20Z");
    let topic = streamer!("far", "orders");
    let delivered = test.deliver_message(topic, late.expect("valid")).await;
    delivered.expect("delivered");
    settled(&test).await;
    assert!(test.attempts("pack").is_empty());
    assert!(test.to_string().contains("1 expired"), "{test}");
}
