use std::num::NonZeroUsize;

use futures_util::{FutureExt, StreamExt};
use rdkafka::mocking::MockCluster;
use tokio_util::sync::CancellationToken;

use super::super::options::Options;
use super::super::publish::publish;
use super::super::subscribe::{Subscribed, consumer, place};
use super::*;
use crate::event::{Envelope, EventId};
use crate::streamer::{self, Delivery, Outgoing, SubscriptionRequest};

const TOPIC: &str = "posts";

async fn say(connection: &Connection, text: &str) {
    let event = Envelope::new(EventId::new(), "/tests", "tests.event").expect("an event");
    let event = event.with_payload("text/plain", text.to_owned().into());
    let mut batch = [Outgoing::new(event.expect("valid").into())];
    publish(connection, TOPIC, &mut batch).await;
    let [outgoing] = batch;
    outgoing.into_result().expect("confirmed");
}

/// Until something comes.
fn next(feed: &mut Feed<'_>, subscribed: &mut Subscribed) -> Delivery {
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        feed.turn(true);
        if let Some(next) = subscribed.next().now_or_never() {
            return next.expect("more").expect("a delivery");
        }
        feed.rest();
    }
    panic!("nothing comes");
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(delivery.message().payload()).into_owned()
}

#[tokio::test]
async fn who_reads_all_goes_on_from_where_it_was_with_another_client() {
    let cluster = MockCluster::new(1).expect("brokers");
    cluster.create_topic(TOPIC, 1, 1).expect("a topic");
    let options = Options::new(cluster.bootstrap_servers());
    let connection = Connection::open(&options, CancellationToken::new())
        .await
        .expect("connected");
    say(&connection, "before").await;
    let request = SubscriptionRequest {
        topic: TOPIC.to_owned(),
        group: streamer::Group::EachInstance,
        max_in_flight: NonZeroUsize::new(10).expect("not zero"),
    };
    let (mut place, mut subscribed) = place(&connection, request);
    place.hand.wake_this_thread();
    let client = Arc::new(consumer(&place).expect("a client"));
    let mut feed = Feed::new(&mut place, client);
    feed.begin().expect("begun");
    for text in ["first", "second", "third"] {
        say(&connection, text).await;
    }
    let [first, second, third] = [(); 3].map(|()| next(&mut feed, &mut subscribed));
    assert_eq!(text(&first), "first");
    first.acknowledge();
    assert_eq!(text(&third), "third");
    third.acknowledge();
    // Its client is of no use any more.
    drop(feed);
    drop(second);
    say(&connection, "meanwhile").await;
    let client = Arc::new(consumer(&place).expect("a client"));
    let mut feed = Feed::new(&mut place, client);
    feed.begin().expect("begun");
    for expected in ["second", "meanwhile"] {
        let delivery = next(&mut feed, &mut subscribed);
        assert_eq!(text(&delivery), expected);
        delivery.acknowledge();
    }
}
