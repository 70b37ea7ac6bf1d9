//! What every streamer says and does once it is closed.

use std::num::NonZeroUsize;

use fanfare::streamer::{Group, Needs, Publish, Subscribe, SubscriptionRequest};
use futures_util::StreamExt;

use super::{foreign, in_time, try_publish};

fn request(topic: &str) -> SubscriptionRequest {
    SubscriptionRequest {
        topic: topic.to_owned(),
        group: Group::EachInstance,
        max_in_flight: NonZeroUsize::MIN,
    }
}

/// Closes the first one, drops the second one, and does not connect the third one.
///
/// # Panics
/// When one of them says or does something else than all do.
pub async fn closes_for_good<S: Publish + Subscribe>(
    streamer: S,
    dropped: S,
    never: S,
    topic: &str,
) {
    const CLOSED: &str = "the streamer is closed";
    let again = streamer.connect().await.expect_err("connected twice");
    assert_eq!(again.to_string(), "the streamer is connected already");
    streamer.health().expect("well");
    for _ in 0..2 {
        in_time("closed", streamer.close()).await.expect("closed");
    }
    let subscribed = streamer.subscribe(request(topic)).await.map(drop);
    let mut needs = Needs::default();
    needs.published.insert(topic.to_owned());
    let refusals = [
        streamer.connect().await,
        streamer.health(),
        streamer.prepare(&needs).await,
        try_publish(&streamer, topic, foreign("late")).await,
        subscribed,
    ];
    for (nth, refusal) in refusals.into_iter().enumerate() {
        assert_eq!(refusal.expect_err("closed").to_string(), CLOSED, "{nth}");
    }

    let mut deliveries = dropped.subscribe(request(topic)).await.expect("subscribed");
    drop(dropped);
    assert!(in_time("an end", deliveries.next()).await.is_none());

    let error = never.health().expect_err("not connected");
    assert_eq!(error.to_string(), "the streamer is not connected");
    never.close().await.expect("closed");
    let error = never.connect().await.expect_err("closed");
    assert_eq!(error.to_string(), CLOSED);
}
