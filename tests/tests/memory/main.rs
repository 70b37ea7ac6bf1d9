//! What `Memory` promises beyond what every streamer does, one promise a test. What every streamer
//! promises, the conformance suite tests.

mod bounds;
mod closing;
mod order;
mod random;
mod settling;
mod sharing;
mod stress;

use std::num::NonZeroUsize;

use bytes::Bytes;
use fanfare::event::{Foreign, Message};
use fanfare::streamer::{
    Deliveries, Delivery, Group, Outgoing, Publish, StreamError, Subscribe, SubscriptionRequest,
};
use fanfare::streamers::Memory;
use futures_util::{FutureExt, StreamExt};
use tokio::task::unconstrained;

const TOPIC: &str = "posts";

fn count(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).expect("not zero")
}

fn shared(name: &str) -> Group {
    Group::Shared(name.to_owned())
}

/// A message with a key.
fn keyed(key: &str, text: &str) -> Message {
    let foreign = Foreign::new(Bytes::copy_from_slice(text.as_bytes()));
    foreign
        .with_key(Bytes::copy_from_slice(key.as_bytes()))
        .into()
}

/// A message without a key.
fn plain(text: &str) -> Message {
    Foreign::new(Bytes::copy_from_slice(text.as_bytes())).into()
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message().payload().to_vec()).expect("text")
}

fn texts(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(text).collect()
}

async fn try_publish(
    memory: &Memory,
    messages: impl IntoIterator<Item = Message>,
) -> Vec<Result<(), StreamError>> {
    let mut batch: Vec<_> = messages.into_iter().map(Outgoing::new).collect();
    // As the runtime does.
    let is_done = match &mut batch[..] {
        [one] => memory.publish_at_once(TOPIC, one),
        _ => false,
    };
    if !is_done {
        memory.publish(TOPIC, &mut batch).await;
    }
    batch.into_iter().map(Outgoing::into_result).collect()
}

async fn publish(memory: &Memory, messages: impl IntoIterator<Item = Message>) {
    for report in try_publish(memory, messages).await {
        report.expect("published");
    }
}

async fn subscribe(memory: &Memory, group: Group, max_in_flight: usize) -> Deliveries {
    let request = SubscriptionRequest {
        topic: TOPIC.to_owned(),
        group,
        max_in_flight: count(max_in_flight),
    };
    memory.subscribe(request).await.expect("subscribed")
}

/// The next delivery, if it is there already.
fn ready(deliveries: &mut Deliveries) -> Option<Delivery> {
    let next = unconstrained(deliveries.next()).now_or_never()?;
    Some(next.expect("not ended").expect("a delivery"))
}

/// All deliveries that are there already, unsettled.
fn all_ready(deliveries: &mut Deliveries) -> Vec<Delivery> {
    std::iter::from_fn(|| ready(deliveries)).collect()
}

/// Acknowledges deliveries as they come, until none is left, and returns what they said.
fn work_off(deliveries: &mut Deliveries) -> Vec<String> {
    std::iter::from_fn(|| ready(deliveries))
        .map(|delivery| {
            let said = text(&delivery);
            delivery.acknowledge();
            said
        })
        .collect()
}

/// Two keys that go to different streams of a topic with two streams.
async fn keys_apart() -> (String, String) {
    let memory = Memory::new().with_streams(count(2));
    let mut probe = subscribe(&memory, Group::EachInstance, 100).await;
    let keys: Vec<_> = (0..20).map(|key| key.to_string()).collect();
    publish(&memory, keys.iter().map(|key| keyed(key, key))).await;
    let probes = all_ready(&mut probe);
    let other = probes
        .iter()
        .find(|other| other.stream() != probes[0].stream());
    (text(&probes[0]), text(other.expect("two streams in use")))
}
