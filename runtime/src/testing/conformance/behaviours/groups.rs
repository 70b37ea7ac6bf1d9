//! Who gets what.

use crate::streamer::Group;
use crate::testing::conformance::messages::{Tally, events, text, texts};
use crate::testing::conformance::scene::{Scene, one, shared};
use crate::testing::conformance::{Factory, Failure};

/// Each group gets every event, through one connection or through two.
pub async fn each_group_gets_every_event<F: Factory>() -> Result<(), Failure> {
    let scene = Scene::<F>::open().await?;
    let topic = scene.topic("topic").await?;
    let (here, there) = (scene.connect().await?, scene.connect().await?);
    let mut groups = [
        here.subscribe(&topic, shared("one"), 10).await?,
        here.subscribe(&topic, shared("two"), 10).await?,
        there.subscribe(&topic, shared("three"), 10).await?,
    ];
    let sent = texts("event", 0..100);
    here.publish(&topic, events(&sent)).await?;
    for group in &mut groups {
        group.expect(&sent).await?;
    }
    Ok(())
}

/// Of the subscribers of a group, one gets an event; and while one is busy, the others work.
pub async fn subscribers_of_a_group_share<F: Factory>() -> Result<(), Failure> {
    let scene = Scene::<F>::open().await?;
    let topic = scene.topic("topic").await?;
    let (here, there) = (scene.connect().await?, scene.connect().await?);
    let mut one = here.subscribe(&topic, shared("group"), 1).await?;
    let mut other = there.subscribe(&topic, shared("group"), 1).await?;
    let sent = texts("event", 0..100);
    here.publish(&topic, events(&sent)).await?;

    let mut tally = Tally::of(&sent);
    // Each holds one before the first is acknowledged, so one alone cannot have all.
    let mut held = vec![
        one.next("an event for the one").await?,
        other
            .next("an event for the other, while the one is busy")
            .await?,
    ];
    loop {
        for delivery in held.drain(..) {
            tally.count(&text(&delivery));
            delivery.acknowledge();
        }
        if !tally.is_waiting() {
            break;
        }
        let next = async {
            tokio::select! {
                next = one.delivery() => next,
                next = other.delivery() => next,
            }
        };
        match scene.clock.wait("an event", next).await {
            Ok(Some(delivery)) => held.push(delivery),
            Ok(None) | Err(_) => return Err(scene.clock.fail(tally.expected(), tally.came())),
        }
    }
    tally.check(&scene.clock)?;
    one.expect_nothing("nothing after the last one").await?;
    other.expect_nothing("nothing after the last one").await
}

/// A group of one instance gets every event from its subscription on, and leaves nothing behind.
pub async fn each_instance_gets_every_event<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let old = texts("old", 0..10);
    connection.publish(&topic, events(&old)).await?;
    let other = scene.connect().await?;
    let mut instances = vec![
        connection
            .subscribe(&topic, Group::EachInstance, 100)
            .await?,
        connection
            .subscribe(&topic, Group::EachInstance, 100)
            .await?,
        other.subscribe(&topic, Group::EachInstance, 100).await?,
    ];
    let sent = texts("event", 0..50);
    connection.publish(&topic, events(&sent)).await?;
    let leaves = instances.pop();
    for instance in &mut instances {
        instance.expect(&sent).await?;
    }
    drop(leaves);
    let mut later = other.subscribe(&topic, Group::EachInstance, 100).await?;
    let new = texts("new", 0..10);
    connection.publish(&topic, events(&new)).await?;
    later.expect(&new).await?;
    for instance in &mut instances {
        instance.expect(&new).await?;
    }
    Ok(())
}
