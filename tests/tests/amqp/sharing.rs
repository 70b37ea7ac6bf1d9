//! Instances that share the streams of a group.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use fanfare::event::{Envelope, EventId};
use fanfare::streamer::{Delivery, Streamer};
use fanfare::streamers::Amqp;
use fanfare_tests::publish;
use futures_util::StreamExt;

use super::{connected, shared, subscribe, unique};

const STREAMS: NonZeroU16 = NonZeroU16::new(4).expect("not zero");
const KEYS: usize = 16;

fn keyed(key: usize, number: usize) -> Envelope {
    let event = Envelope::new(EventId::new(), "/test", "numbered").expect("valid");
    let event = event.with_key(&format!("key {key}")).expect("valid");
    let payload = number.to_string().into_bytes().into();
    event.with_payload("text/plain", payload).expect("valid")
}

async fn instance() -> Amqp {
    let amqp = Amqp::new(shared().await.url())
        .with_streams(STREAMS)
        .with_create_topics(true);
    amqp.connect().await.expect("connected");
    amqp
}

/// One that starts later gets its share of the streams while the events go on, and the order of each
/// key holds.
#[tokio::test]
async fn an_instance_that_comes_later_takes_its_share_in_order() {
    let topic = unique("posts");
    let (one, other) = (instance().await, instance().await);
    let publisher = connected(&shared().await.url()).await;
    let mut first = subscribe(&one, &topic, 4).await;
    let mut later = None;
    let mut last = BTreeMap::new();
    let mut streams = BTreeMap::<_, std::collections::BTreeSet<_>>::new();
    for number in 0.. {
        for key in 0..KEYS {
            publish(&publisher, &topic, keyed(key, number)).await;
        }
        for _ in 0..KEYS {
            let (who, delivery) = match &mut later {
                None => ("first", first.next().await),
                Some(later) => tokio::select! {
                    delivery = first.next() => ("first", delivery),
                    delivery = StreamExt::next(later) => ("later", delivery),
                },
            };
            let delivery: Delivery = delivery.expect("more").expect("a delivery");
            let key = delivery.message().key().expect("a key").to_vec();
            assert_eq!(delivery.message().payload(), number.to_string().as_bytes());
            assert_eq!(last.insert(key, number), number.checked_sub(1));
            streams
                .entry((who, number))
                .or_default()
                .insert(delivery.stream().clone());
            delivery.acknowledge();
        }
        let both = [("first", number), ("later", number)].map(|who| streams.get(&who));
        match both {
            [Some(first), Some(later)] if first.len() == 2 && later.len() == 2 => return,
            [Some(all), None] if number == 2 => {
                assert_eq!(all.len(), 4);
                later = Some(subscribe(&other, &topic, 4).await);
            }
            _ => {}
        }
    }
}
