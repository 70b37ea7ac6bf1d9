//! The broker stops and starts again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::streamer::{Deliver, Publish};
use crate::testing::conformance::messages::{events, text, texts};
use crate::testing::conformance::scene::{Connection, Scene, Subscriber, one, said, shared};
use crate::testing::conformance::{Capability, Factory, Failure};

/// While the broker restarts, publishing is an error at worst, and subscriptions stand: what is
/// confirmed afterwards comes through them; and before, if the streamer is durable.
pub async fn reconnects_after_a_restart<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
    let before = texts("before", 0..20);
    connection.publish(&topic, events(&before)).await?;
    subscriber.expect(&before).await?;

    let (during, after) = (texts("during", 0..50), texts("after", 0..50));
    let mut missing: BTreeSet<String> = after.iter().cloned().collect();
    if F::CAPABILITIES.contains(&Capability::Durable) {
        missing.extend(during.iter().cloned());
    }
    let publishing = async {
        tokio::try_join!(
            restart(&scene),
            publish_until_confirmed(&scene, &connection, &topic, &during)
        )?;
        publish_until_confirmed(&scene, &connection, &topic, &after).await
    };
    // The subscriber listens all the time, as a service would.
    let listening = async {
        while let Some(delivery) = subscriber.delivery().await {
            missing.remove(&text(&delivery));
            delivery.acknowledge();
        }
    };
    tokio::select! {
        published = publishing => published?,
        () = listening => {
            let expected = "a subscription that stands";
            return Err(scene.clock.fail(expected, "its end while the broker restarts"));
        }
    }
    take(&scene, &mut subscriber, missing).await
}

/// What is confirmed is there after a restart: what was in flight, and what nobody has seen yet.
pub async fn confirmed_events_survive_a_restart<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
    let sent = texts("event", 0..200);
    connection.publish(&topic, events(&sent)).await?;
    let held = subscriber.hold(10).await?;
    restart(&scene).await?;
    drop((subscriber, held));
    let again = scene.connect().await?;
    let mut subscriber = again.subscribe(&topic, shared("group"), 10).await?;
    take(&scene, &mut subscriber, sent.into_iter().collect()).await
}

async fn restart<F: Factory>(scene: &Scene<F>) -> Result<(), Failure> {
    let restarting = scene.factory.restart();
    let restarted = scene
        .clock
        .wait("the broker to restart", restarting)
        .await?;
    restarted.map_err(|error| scene.clock.fail("the broker to restart", said(&error)))
}

async fn publish_until_confirmed<F: Factory, S: Publish + Deliver>(
    scene: &Scene<F>,
    connection: &Connection<S>,
    topic: &str,
    texts: &[String],
) -> Result<(), Failure> {
    let mut rest = texts.to_vec();
    // Some publishers give up at once: not to ask them in a busy loop.
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let expected = "publishing to succeed again";
    let publishing = async {
        while !rest.is_empty() {
            pace.tick().await;
            let reports = connection.try_publish(topic, events(&rest)).await?;
            let mut reports = reports.iter();
            rest.retain(|_| reports.next().is_some_and(Result::is_err));
        }
        Ok(())
    };
    scene.clock.wait(expected, publishing).await?
}

/// Takes all of these, and maybe some twice: whoever publishes again after an error does not know
/// whether the first time arrived.
async fn take<F: Factory>(
    scene: &Scene<F>,
    subscriber: &mut Subscriber,
    mut missing: BTreeSet<String>,
) -> Result<(), Failure> {
    while let Some(first) = missing.first() {
        let expected = format!(
            "all that was confirmed; {} like `{first}` are missing",
            missing.len()
        );
        let delivery = subscriber.next(&expected).await;
        let delivery = delivery.map_err(|failure| scene.clock.fail(expected, failure.came()))?;
        missing.remove(&text(&delivery));
        delivery.acknowledge();
    }
    Ok(())
}
