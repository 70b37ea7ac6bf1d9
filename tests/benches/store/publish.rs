//! Publishing by many at once.

use std::time::{Duration, Instant};

use fanfare::Running;
use fanfare::prelude::*;
use fanfare::store::{Start, Store};
use futures_util::future::join_all;
use indicatif::ProgressBar;

use super::{Compared, Database, OrderPlaced, ROUNDS, start};

const PUBLISHERS: usize = 64;
const EVENTS: usize = 125 * PUBLISHERS;

/// Publishes, and inserts what was published once more, with the bare library.
pub(super) async fn compare<D: Database>(
    database: &D,
    cursor: &str,
    bar: &ProgressBar,
) -> Compared {
    bar.set_message(format!("{}: publishing", D::NAME));
    let (mut ours, mut bare, mut batches) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (took, warm_up) = publish(database, cursor).await;
        ours.push(took);
        bar.inc(1);
        let (rows, transactions) = database.written(warm_up, PUBLISHERS).await;
        assert_eq!(rows.len(), EVENTS + PUBLISHERS);
        batches += transactions;
        let (first, rows) = rows.split_at(PUBLISHERS);
        let at_once = rows.len().div_ceil(transactions);
        bare.push(database.insert(first, rows, at_once).await);
        bar.inc(1);
    }
    let size = (EVENTS * ROUNDS) as f64 / batches as f64;
    Compared {
        what: format!("{}: {PUBLISHERS} publish, {size:.1} a batch", D::NAME),
        events: EVENTS,
        ours,
        bare,
    }
}

/// How long it took, and the position from which on the rows are those of the warm-up and then of
/// this.
async fn publish(database: &impl Database, cursor: &str) -> (Duration, u64) {
    let store = database.open().await;
    // Another instance streams, so that publishing is all that is measured: it has the right to the
    // topic, in which the cursor is that of one event.
    let right = cursor.rsplit_once(':').expect("a topic and an event").0;
    let held = store.own(right).await.expect("asked").expect("free");
    let begin = store.end().await.expect("read");
    let streamed = || async { store.cursor(cursor, Start::Now).await.expect("read") };
    let before = streamed().await;
    let running = start(store.clone(), Memory::new()).await;
    // Connections are made, and statements prepared.
    publish_by_all(&running, PUBLISHERS).await;
    let took = publish_by_all(&running, EVENTS).await;
    assert_eq!(streamed().await, before, "nothing is streamed meanwhile");
    running.shutdown().await.expect("shut down");
    drop(held);
    (took, begin)
}

async fn publish_by_all(running: &Running, events: usize) -> Duration {
    // Made before, as the rows of the other side are.
    let orders = |nth: usize| {
        let orders = (nth..events).step_by(PUBLISHERS);
        orders.map(|order| OrderPlaced::new(order as u64))
    };
    let orders: Vec<Vec<_>> = (0..PUBLISHERS).map(|nth| orders(nth).collect()).collect();
    let begun = Instant::now();
    let publishers = orders.into_iter().map(|orders| {
        let publisher = running.publisher();
        tokio::spawn(async move {
            for order in orders {
                publisher.publish(order).await.expect("stored");
            }
        })
    });
    for publisher in join_all(publishers).await {
        publisher.expect("done");
    }
    begun.elapsed()
}
