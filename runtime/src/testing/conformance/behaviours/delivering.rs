//! What is published comes: all of it, once, and where it belongs.

use futures_util::future::try_join_all;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::streamer::{Deliver, Group, Publish};
use crate::testing::conformance::messages::{Tally, event, events, text, texts};
use crate::testing::conformance::scene::{Connection, Scene, Subscriber, one, shared};
use crate::testing::conformance::{Factory, Failure};

/// Publishing while nobody subscribes is confirmed, and hinders nobody who comes later: a new
/// group gets all that is published from then on, after all of what was there or none of it.
pub async fn publish_before_subscribe<F: Factory>() -> Result<(), Failure> {
    let (scene, connection, topic) = one::<F>().await?;
    let (before, after) = (texts("before", 0..20), texts("after", 0..20));
    let of_one_key = |texts: &[String]| -> Vec<_> {
        let texts = texts.iter();
        texts.map(|text| event(Some("key"), text)).collect()
    };
    connection.publish(&topic, of_one_key(&before)).await?;
    let mut subscriber = connection.subscribe(&topic, shared("group"), 100).await?;
    connection.publish(&topic, of_one_key(&after)).await?;

    let first = subscriber.next("an event").await?;
    let is_old = before.contains(&text(&first));
    let mut expected = if is_old { before } else { Vec::new() };
    expected.extend(after);
    let first_text = text(&first);
    first.acknowledge();
    let at = expected.iter().position(|text| *text == first_text);
    let at = at.ok_or_else(|| {
        let came = format!("`{first_text}`");
        scene.clock.fail("one of the events", came)
    })?;
    expected.remove(at);
    subscriber.expect(&expected).await
}

/// Many publish and many subscribe, through several connections: every group gets every event
/// once.
pub async fn many_publishers_and_subscribers<F: Factory>() -> Result<(), Failure> {
    const PUBLISHERS: usize = 8;
    const EACH: usize = 100;
    let scene = Scene::<F>::open().await?;
    let topic = scene.topic("topic").await?;
    let (told, mut heard) = mpsc::unbounded_channel();
    let mut listeners = JoinSet::new();
    for group in 0..3 {
        for _ in 0..3 {
            let connection = scene.connect().await?;
            let name = shared(&group.to_string());
            let subscriber = connection.subscribe(&topic, name, 10).await?;
            listeners.spawn(listen(connection, subscriber, group, told.clone()));
        }
    }
    let names = (0..PUBLISHERS).map(|publisher| format!("publisher {publisher}"));
    let all: Vec<_> = names.map(|name| texts(&name, 0..EACH)).collect();
    let mut publishers = JoinSet::new();
    for texts in all.clone() {
        let (connection, topic) = (scene.connect().await?, topic.clone());
        publishers.spawn(async move { publish_in_batches(&connection, &topic, &texts).await });
    }
    let all = all.concat();
    let mut tallies = [Tally::of(&all), Tally::of(&all), Tally::of(&all)];
    while tallies.iter().any(Tally::is_waiting) {
        let next = scene.clock.wait("an event", heard.recv()).await;
        let Ok(Some((group, text))) = next else {
            break;
        };
        tallies[group].count(&text);
    }
    for published in publishers.join_all().await {
        published?;
    }
    while tallies.iter().all(Tally::is_clean)
        && let Ok(Some((group, text))) = timeout(F::QUIET, heard.recv()).await
    {
        tallies[group].count(&text);
    }
    tallies
        .iter()
        .try_for_each(|tally| tally.check(&scene.clock))
}

type Told = mpsc::UnboundedSender<(usize, String)>;

async fn listen<S: Publish + Deliver>(
    _open: Connection<S>,
    mut subscriber: Subscriber,
    group: usize,
    told: Told,
) {
    while let Some(delivery) = subscriber.delivery().await {
        // When the test has ended, nobody hears it.
        let _ = told.send((group, text(&delivery)));
        delivery.acknowledge();
    }
}

/// In batches of 1, 2, 3 and so on.
async fn publish_in_batches<S: Publish + Deliver>(
    connection: &Connection<S>,
    topic: &str,
    texts: &[String],
) -> Result<(), Failure> {
    let (mut rest, mut size) = (texts, 1);
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(size.min(rest.len()));
        connection.publish(topic, events(batch)).await?;
        (rest, size) = (later, size + 1);
    }
    Ok(())
}

/// One connection publishes to several topics and subscribes to them, all at the same time.
pub async fn several_topics<F: Factory>() -> Result<(), Failure> {
    let scene = Scene::<F>::open().await?;
    let connection = scene.connect().await?;
    let mut topics = Vec::new();
    for name in ["posts", "comments", "likes", "shares"] {
        let topic = scene.topic(name).await?;
        let subscriber = connection.subscribe(&topic, shared("group"), 10).await?;
        topics.push((topic, subscriber, texts(name, 0..50)));
    }
    let all = topics.iter_mut().map(|(topic, subscriber, texts)| {
        let connection = connection.clone();
        async move {
            connection.publish(topic, events(texts)).await?;
            subscriber.expect(texts).await
        }
    });
    try_join_all(all).await.map(drop)
}

/// What is published to one topic comes to no other, whatever they share: the group, the keys,
/// and the beginning of the name.
pub async fn topic_isolation<F: Factory>() -> Result<(), Failure> {
    let scene = Scene::<F>::open().await?;
    let connection = scene.connect().await?;
    let mut subscribers = Vec::new();
    for name in ["post", "posts", "posts-2", "Posts"] {
        let topic = scene.topic(name).await?;
        for group in [shared("group"), Group::Shared(topic.clone())] {
            let subscriber = connection.subscribe(&topic, group, 100).await?;
            subscribers.push((name, subscriber));
        }
        let texts = texts(name, 0..20);
        let keyed = (0..20)
            .zip(&texts)
            .map(|(key, text)| event(Some(&format!("{key}")), text));
        connection.publish(&topic, keyed).await?;
    }
    for (name, subscriber) in &mut subscribers {
        subscriber.expect(&texts(name, 0..20)).await?;
    }
    Ok(())
}
