//! What is not acknowledged comes again, and nothing else does.

use std::time::Duration;

use crate::testing::conformance::messages::{event, events, text, texts};
use crate::testing::conformance::scene::{one, shared};
use crate::testing::conformance::{Factory, Failure};

/// A delivery that is released comes again, as often as it is released, and with the same message.
pub async fn a_released_delivery_comes_again<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 1).await?;
    let sent = event(Some("key"), "event");
    connection.publish(&topic, [sent.clone()]).await?;
    for time in 0..4 {
        let expected = format!("the event, released {time} times");
        let delivery = subscriber.next(&expected).await?;
        if *delivery.message() != sent {
            let came = format!("{:?}", delivery.message());
            return Err(scene.clock.fail(expected, came));
        }
        if time == 3 {
            delivery.acknowledge();
        } else {
            delivery.release(Duration::ZERO);
        }
    }
    subscriber
        .expect_nothing("nothing after it is acknowledged")
        .await
}

/// A delivery that is dropped comes again: by a task that forgets it, and by one that panics.
pub async fn a_dropped_delivery_comes_again<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 1).await?;
    let sent = texts("event", 0..1);
    connection.publish(&topic, events(&sent)).await?;
    drop(subscriber.next("the event").await?);
    let delivery = subscriber.next("the event, dropped once").await?;
    let task = tokio::spawn(async move {
        let _delivery = delivery;
        // Without the hook that prints: this is no news.
        std::panic::resume_unwind(Box::new("in a handler"));
    });
    if scene.clock.wait("a panic", task).await?.is_ok() {
        return Err(scene.clock.fail("a panic", "none"));
    }
    subscriber.expect(&sent).await
}

/// While a delivery is not settled, nobody of its group gets it a second time; and what is
/// acknowledged does not come again.
pub async fn no_second_delivery_before_it_is_settled<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 100).await?;
    let sent = texts("event", 0..20);
    connection.publish(&topic, events(&sent)).await?;
    let held = subscriber.hold(sent.len()).await?;
    let mut said: Vec<_> = held.iter().map(text).collect();
    said.sort_unstable_by_key(|text| sent.iter().position(|sent| sent == text));
    if said != sent {
        let came = format!("{said:?}");
        return Err(scene
            .clock
            .fail("20 events, each once, before any is settled", came));
    }
    let silence = "nothing while all is in flight";
    subscriber.expect_nothing(silence).await?;
    for delivery in held {
        delivery.acknowledge();
    }
    subscriber
        .expect_nothing("nothing after all is acknowledged")
        .await?;
    let later = texts("later", 0..20);
    connection.publish(&topic, events(&later)).await?;
    subscriber.expect(&later).await
}
