//! Streaming what is stored.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fanfare::event::Message;
use fanfare::event::cloudevents::structured;
use fanfare::prelude::*;
use fanfare::store::Store;
use fanfare::streamer::{Group, Outgoing, Publish, Subscribe, SubscriptionRequest};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use tokio::task::JoinHandle;

use super::{Compared, Database, ROUNDS, start};

/// As many as the relay takes at once.
const BATCH: i64 = 500;

/// Streams all that is stored, and does the same with the bare library.
pub(super) async fn compare<D: Database>(
    database: &D,
    cursor: &str,
    bar: &ProgressBar,
) -> Compared {
    bar.set_message(format!("{}: streaming", D::NAME));
    let store = database.open().await;
    // Every event gets its position, as from any instance that runs.
    let events = store.end().await.expect("read");
    store.close().await.expect("closed");
    let events = usize::try_from(events).expect("not so many");
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(relay(database, cursor, events).await);
        bar.inc(1);
        bare.push(read_and_publish(database, events).await);
        bar.inc(1);
    }
    Compared {
        what: format!("{}: the relay, {events} events", D::NAME),
        events,
        ours,
        bare,
    }
}

async fn relay(database: &impl Database, cursor: &str, events: usize) -> Duration {
    let store = database.open().await;
    assert!(store.rewind(cursor, 0).await.expect("set"));
    let memory = Memory::new();
    let taken = take(&memory, events).await;
    let begun = Instant::now();
    let running = start(store, memory).await;
    taken.await.expect("done");
    let took = begun.elapsed();
    running.shutdown().await.expect("shut down");
    took
}

async fn read_and_publish(database: &impl Database, events: usize) -> Duration {
    let memory = Memory::new();
    let taken = take(&memory, events).await;
    let begun = Instant::now();
    let mut last = 0;
    loop {
        let page = database.page(last, BATCH).await;
        let Some((position, _)) = page.last() else {
            break;
        };
        last = *position;
        let decoded = page.into_iter().map(|(_, json)| {
            let event = structured::from_json(&Bytes::from(json)).expect("an event");
            Outgoing::new(Message::Event(event))
        });
        let mut batch: Vec<_> = decoded.collect();
        memory.publish("orders", &mut batch).await;
        for outgoing in batch {
            outgoing.into_result().expect("published");
        }
    }
    taken.await.expect("done");
    begun.elapsed()
}

/// Whoever is subscribed to the topic, until so many events have come.
async fn take(memory: &Memory, events: usize) -> JoinHandle<()> {
    let request = SubscriptionRequest {
        topic: "orders".to_owned(),
        group: Group::Shared("taker".to_owned()),
        max_in_flight: NonZeroUsize::new(1_000).expect("not zero"),
    };
    let mut deliveries = memory.subscribe(request).await.expect("subscribed");
    tokio::spawn(async move {
        for _ in 0..events {
            let delivery = deliveries.next().await.expect("more").expect("a delivery");
            delivery.acknowledge();
        }
    })
}
