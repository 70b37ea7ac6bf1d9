//! What is not acknowledged comes again, and nothing else does.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::testing::conformance::messages::{difference, event, events, text, texts};
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
        if let Some(difference) = difference(&sent, delivery.message()) {
            return Err(scene.clock.fail(expected, difference));
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

/// A delivery comes as often as it was given back, and once more: what is acknowledged does not
/// come again because others of its stream do.
pub async fn bounded_duplicates<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 50).await?;
    let sent = texts("event", 0..300);
    connection.publish(&topic, events(&sent)).await?;
    let mut due: BTreeMap<String, bool> = sent.into_iter().map(|text| (text, true)).collect();
    let (mut count, mut acknowledged) = (0, 0);
    while acknowledged < due.len() {
        let expected = format!("300 events, of which {acknowledged} are acknowledged");
        let delivery = subscriber.next(&expected).await?;
        let said = text(&delivery);
        let Some(due) = due.get_mut(&said).filter(|due| **due) else {
            let came = format!("`{said}`, which is acknowledged or unknown");
            return Err(scene.clock.fail(expected, came));
        };
        count += 1;
        if count % 3 == 0 {
            delivery.release(Duration::ZERO);
        } else {
            *due = false;
            delivery.acknowledge();
            acknowledged += 1;
        }
    }
    subscriber
        .expect_nothing("nothing after the last one")
        .await
}

/// A delivery that is released for a while comes again, and no sooner.
pub async fn a_delay_is_kept<F: Factory>() -> Result<(), Failure> {
    const DELAY: Duration = Duration::from_millis(300);
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 1).await?;
    let sent = event(Some("key"), "event");
    connection.publish(&topic, [sent.clone()]).await?;
    let delivery = subscriber.next("the event").await?;
    let released = Instant::now();
    delivery.release(DELAY);
    subscriber
        .expect_same("the event, after its delay", &sent)
        .await?;
    let held = released.elapsed();
    // Brokers count in milliseconds, and round.
    if held + Duration::from_millis(2) < DELAY {
        let came = format!("the event after {held:?}");
        return Err(scene.clock.fail(format!("the event after {DELAY:?}"), came));
    }
    Ok(())
}

/// What is unsettled at a time is no more than was asked for, however much waits; each one that is
/// settled makes room for one.
pub async fn max_in_flight_is_kept<F: Factory>() -> Result<(), Failure> {
    let (_scene, connection, topic) = one::<F>().await?;
    for max in [1, 3, 10] {
        let name = shared(&max.to_string());
        let mut subscriber = connection.subscribe(&topic, name, max).await?;
        connection
            .publish(&topic, events(&texts("event", 0..30)))
            .await?;
        let mut held = subscriber.hold(max).await?;
        let expected = format!("no more than {max} in flight");
        for number in 0..3 {
            subscriber.expect_nothing(&expected).await?;
            let settled = held.swap_remove(number % held.len());
            if number == 1 {
                settled.release(Duration::ZERO);
            } else {
                settled.acknowledge();
            }
            held.push(subscriber.next("the next one, when there is room").await?);
        }
        subscriber.expect_nothing(&expected).await?;
    }
    Ok(())
}

/// What was delivered may be acknowledged when its subscription is gone already, and does not come
/// again then.
pub async fn settling_after_unsubscribing<F: Factory>() -> Result<(), Failure> {
    let (_scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 20).await?;
    let sent = texts("event", 0..20);
    connection.publish(&topic, events(&sent)).await?;
    let held = subscriber.hold(20).await?;
    drop(subscriber);
    for delivery in held {
        delivery.acknowledge();
    }
    let mut subscriber = connection.subscribe(&topic, shared("group"), 20).await?;
    let later = texts("later", 0..20);
    connection.publish(&topic, events(&later)).await?;
    subscriber.expect(&later).await
}

/// How many attempts were made is known wherever the delivery comes again.
pub async fn attempts_survive_redelivery<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 1).await?;
    connection
        .publish(&topic, [event(Some("key"), "event")])
        .await?;
    for attempts in 0..4 {
        let expected = format!("the event after {attempts} attempts");
        let mut delivery = subscriber.next(&expected).await?;
        if delivery.attempts() != attempts {
            let came = format!("the event after {}", delivery.attempts());
            return Err(scene.clock.fail(expected, came));
        }
        delivery.begin_attempt();
        if attempts % 2 == 0 {
            delivery.release(Duration::ZERO);
        } else {
            drop(delivery);
        }
    }
    Ok(())
}
