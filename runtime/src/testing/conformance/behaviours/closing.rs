//! Subscribers and connections come and go, and nothing is lost over it.

use std::collections::BTreeSet;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::streamer::{Deliver, Publish};
use crate::testing::conformance::messages::{Tally, events, text, texts};
use crate::testing::conformance::scene::{Connection, Scene, Subscriber, one, shared};
use crate::testing::conformance::{Factory, Failure};

/// What a subscriber had and did not settle goes to the others of its group when it is lost.
pub async fn a_lost_consumer_loses_nothing<F: Factory>() -> Result<(), Failure> {
    let scene = Scene::<F>::open().await?;
    let topic = scene.topic("topic").await?;
    let (here, there) = (scene.connect().await?, scene.connect().await?);
    let mut stays = here.subscribe(&topic, shared("group"), 20).await?;
    let mut lost = there.subscribe(&topic, shared("group"), 20).await?;
    let sent = texts("event", 0..200);
    here.publish(&topic, events(&sent)).await?;
    let held = lost.hold(5).await?;
    // The task that had both is gone.
    drop((lost, held));

    let mut tally = Tally::of(&sent);
    while tally.is_waiting() {
        let Ok(next) = stays.next("an event").await else {
            break;
        };
        tally.count(&text(&next));
        next.acknowledge();
    }
    tally.check(&scene.clock)
}

/// A group keeps what it has not acknowledged, and gets what is published, while nobody of it
/// subscribes and all of its connections are closed.
pub async fn a_group_keeps_its_events_while_away<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
    let before = texts("before", 0..20);
    connection.publish(&topic, events(&before)).await?;
    let held = subscriber.hold(10).await?;
    drop((subscriber, held));
    connection.close().await?;

    let meanwhile = texts("meanwhile", 0..20);
    let other = scene.connect().await?;
    other.publish(&topic, events(&meanwhile)).await?;
    other.close().await?;
    let again = scene.connect().await?;
    let mut subscriber = again.subscribe(&topic, shared("group"), 10).await?;
    subscriber.expect(&[before, meanwhile].concat()).await
}

/// With thousands in flight a subscriber closes and reopens, again and again: nothing is lost,
/// and an event comes at most once more for each time.
pub async fn continues_after_reopening<F: Factory>() -> Result<(), Failure> {
    const ALL: usize = 4_000;
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 2_000).await?;
    let sent = texts("event", 0..ALL);
    let mut rest = &sent[..];
    let mut tally = Tally::of(&sent);
    for reopened in 0..4 {
        let (batch, later) = rest.split_at(ALL / 4);
        connection.publish(&topic, events(batch)).await?;
        rest = later;
        let mut held = subscriber.hold(800).await?;
        for delivery in held.drain(..500) {
            tally.count(&text(&delivery));
            delivery.acknowledge();
        }
        // Once the subscription goes first, and once what it had.
        if reopened % 2 == 0 {
            drop(subscriber);
        } else {
            held.clear();
        }
        subscriber = connection.subscribe(&topic, shared("group"), 2_000).await?;
    }
    while tally.is_waiting() {
        let Ok(next) = subscriber.next("an event").await else {
            break;
        };
        tally.count(&text(&next));
        next.acknowledge();
    }
    tally.check_at_most(5, &scene.clock)
}

/// Several connections close at the same time, in the middle of publishing and taking: each close
/// returns, and what was confirmed comes to those that stay.
pub async fn concurrent_close<F: Factory>() -> Result<(), Failure> {
    let scene = Scene::<F>::open().await?;
    let topic = scene.topic("topic").await?;
    let (told, mut heard) = mpsc::unbounded_channel();
    let stays = scene.connect().await?;
    let (mut listeners, mut publishers) = (JoinSet::new(), JoinSet::new());
    let subscriber = stays.subscribe(&topic, shared("group"), 10).await?;
    listeners.spawn(listen(subscriber, told.clone()));
    let mut close = Vec::new();
    for number in 0..4 {
        let connection = scene.connect().await?;
        let subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
        listeners.spawn(listen(subscriber, told.clone()));
        publishers.spawn(publish_until_closed(
            connection.clone(),
            topic.clone(),
            number,
        ));
        close.push(connection);
    }
    let mut came = BTreeSet::new();
    while came.len() < 200 {
        came.extend(scene.clock.wait("an event", heard.recv()).await?);
    }
    let mut closing = JoinSet::new();
    for connection in close {
        closing.spawn(async move { connection.close().await });
    }
    closing
        .join_all()
        .await
        .into_iter()
        .collect::<Result<(), _>>()?;
    let published = publishers.join_all();
    let published = scene
        .clock
        .wait("an error from `publish`", published)
        .await?;
    let confirmed = published.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut missing: BTreeSet<_> = confirmed.concat().into_iter().collect();
    missing.retain(|text| !came.contains(text));
    while let Some(first) = missing.first() {
        let next = scene.clock.wait("an event", heard.recv()).await;
        let Ok(Some(text)) = next else {
            let came = format!("{} missing, `{first}` among them", missing.len());
            return Err(scene.clock.fail("all that was confirmed", came));
        };
        missing.remove(&text);
    }
    Ok(())
}

async fn listen(mut subscriber: Subscriber, told: mpsc::UnboundedSender<String>) {
    while let Some(delivery) = subscriber.delivery().await {
        let said = text(&delivery);
        delivery.acknowledge();
        // When the test has ended, nobody hears it.
        let _ = told.send(said);
    }
}

/// Publishes until it is an error, and gives back what was confirmed.
async fn publish_until_closed<S: Publish + Deliver>(
    connection: Connection<S>,
    topic: String,
    publisher: usize,
) -> Result<Vec<String>, Failure> {
    let mut confirmed = Vec::new();
    for number in 0.. {
        let name = format!("publisher {publisher}, batch {number}, event");
        let texts = texts(&name, 0..5);
        let reports = connection.try_publish(&topic, events(&texts)).await?;
        let is_closed = reports.iter().any(Result::is_err);
        let reported = texts.into_iter().zip(reports);
        confirmed.extend(reported.filter_map(|(text, report)| report.ok().map(|()| text)));
        if is_closed {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(confirmed)
}

/// A close right behind publishing and acknowledging takes nothing of it back: what was confirmed
/// is there, what was acknowledged does not come again, and what was not does.
pub async fn drain_on_shutdown<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 400).await?;
    let sent = texts("event", 0..500);
    connection.publish(&topic, events(&sent)).await?;
    let mut held = subscriber.hold(400).await?;
    // The first of each stream, so that no streamer has to remember gaps.
    let mut rest: BTreeSet<String> = sent.into_iter().collect();
    for delivery in held.drain(..257) {
        rest.remove(&text(&delivery));
        delivery.acknowledge();
    }
    drop((subscriber, held));
    connection.close().await?;

    let again = scene.connect().await?;
    let mut subscriber = again.subscribe(&topic, shared("group"), 10).await?;
    let rest: Vec<_> = rest.into_iter().collect();
    subscriber.expect(&rest).await
}
