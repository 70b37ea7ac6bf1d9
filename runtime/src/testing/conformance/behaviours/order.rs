//! Events of one key come in the order in which they were published.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::event::Message;
use crate::streamer::{Deliver, Delivery, Publish};
use crate::testing::conformance::failure::Clock;
use crate::testing::conformance::messages::{event, text};
use crate::testing::conformance::scene::{Connection, Scene, one, shared};
use crate::testing::conformance::{Factory, Failure};

const KEYS: usize = 20;
const EACH: usize = 50;

/// Key by key, the events come in the order of their publishing, to several subscribers of a
/// group.
pub async fn order_by_key<F: Factory>() -> Result<(), Failure> {
    let scene = Scene::<F>::open().await?;
    let topic = scene.topic("topic").await?;
    let (here, there) = (scene.connect().await?, scene.connect().await?);
    let mut one = here.subscribe(&topic, shared("group"), 10).await?;
    publish_all(&here, &topic).await?;
    let mut last = BTreeMap::<String, usize>::new();
    let mut other = None;
    for count in 0..KEYS * EACH {
        // One that joins half way takes over, with the order kept.
        if count == KEYS * EACH / 2 && F::CAPABILITIES.contains(&super::Capability::Groups) {
            other = Some(there.subscribe(&topic, shared("group"), 10).await?);
        }
        let next = async {
            match &mut other {
                None => one.delivery().await,
                Some(other) => tokio::select! {
                    next = one.delivery() => next,
                    next = other.delivery() => next,
                },
            }
        };
        let expected = format!("1000 events, of which {count} came");
        let next = scene.clock.wait(&expected, next).await?;
        let next = next.ok_or_else(|| scene.clock.fail(expected, "an end"))?;
        let (key, number) = place(&next, &scene.clock)?;
        let due = last.entry(key.clone()).or_insert(0);
        if number != *due {
            let expected = format!("`{key}/{due}`");
            return Err(scene.clock.fail(expected, format!("`{key}/{number}`")));
        }
        *due += 1;
        next.acknowledge();
    }
    Ok(())
}

/// One that is released comes again before any later one of its key that was not delivered yet.
pub async fn order_by_key_after_redelivery<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
    publish_all(&connection, &topic).await?;
    // Of each key: the next one that was never delivered, and those that were given back.
    let mut keys = BTreeMap::<String, (usize, BTreeSet<usize>)>::new();
    let (mut count, mut acknowledged) = (0, 0);
    while acknowledged < KEYS * EACH {
        let expected = format!("1000 events, of which {acknowledged} are acknowledged");
        let delivery = subscriber.next(&expected).await?;
        let (key, number) = place(&delivery, &scene.clock)?;
        let (due, released) = keys.entry(key.clone()).or_default();
        let is_again = released.remove(&number);
        if !is_again && (number != *due || !released.is_empty()) {
            let expected = match released.first() {
                Some(first) => format!("`{key}/{first}`, which was released"),
                None => format!("`{key}/{due}`"),
            };
            return Err(scene.clock.fail(expected, format!("`{key}/{number}`")));
        }
        *due += usize::from(!is_again);
        count += 1;
        if count % 7 == 0 {
            released.insert(number);
            delivery.release(Duration::ZERO);
        } else {
            delivery.acknowledge();
            acknowledged += 1;
        }
    }
    subscriber
        .expect_nothing("nothing after the last one")
        .await
}

/// All keys in turn, in batches of different sizes.
async fn publish_all<S: Publish + Deliver>(
    connection: &Connection<S>,
    topic: &str,
) -> Result<(), Failure> {
    let all: Vec<_> = (0..KEYS * EACH).map(numbered).collect();
    let (mut rest, mut size) = (&all[..], 1);
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(size.min(rest.len()));
        connection.publish(topic, batch.iter().cloned()).await?;
        (rest, size) = (later, size + 7);
    }
    Ok(())
}

fn numbered(number: usize) -> Message {
    let key = format!("key {}", number % KEYS);
    event(Some(&key), &format!("{key}/{}", number / KEYS))
}

/// The key of a delivery and its number within the key.
fn place(delivery: &Delivery, clock: &Clock) -> Result<(String, usize), Failure> {
    let said = text(delivery);
    let place = said.split_once('/');
    let place = place.and_then(|(key, number)| Some((key.to_owned(), number.parse().ok()?)));
    place.ok_or_else(|| clock.fail("an event of this test", format!("`{said}`")))
}
