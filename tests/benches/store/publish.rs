//! Publishing by many at once.

use std::time::{Duration, Instant};

use fanfare::prelude::*;
use fanfare::store::Store;
use futures_util::future::join_all;
use indicatif::ProgressBar;

use super::{Compared, Database, OrderPlaced, ROUNDS, start};

const PUBLISHERS: u64 = 64;
const EVENTS: u64 = 125 * PUBLISHERS;

/// Publishes, and inserts what was published once more, with the bare library.
pub(super) async fn compare<D: Database>(
    database: &D,
    cursor: &str,
    bar: &ProgressBar,
) -> Compared {
    bar.set_message(format!("{}: publishing", D::NAME));
    let (mut ours, mut bare, mut batches) = (Vec::new(), Vec::new(), 0);
    let mut last = 0;
    for _ in 0..ROUNDS {
        ours.push(publish(database, cursor).await);
        bar.inc(1);
        let (rows, transactions) = database.written(last).await;
        assert_eq!(rows.len() as u64, EVENTS);
        last += rows.len() as i64;
        batches += transactions;
        let begun = Instant::now();
        database
            .insert(&rows, rows.len().div_ceil(transactions))
            .await;
        bare.push(begun.elapsed());
        bar.inc(1);
    }
    let size = (EVENTS as usize * ROUNDS) as f64 / batches as f64;
    Compared {
        what: format!("{}: {PUBLISHERS} publish, {size:.1} a batch", D::NAME),
        events: EVENTS as usize,
        ours,
        bare,
    }
}

async fn publish(database: &impl Database, cursor: &str) -> Duration {
    let store = database.open().await;
    // Another instance streams, so that publishing is all that is measured.
    let held = store.own(cursor).await.expect("asked").expect("free");
    let running = start(store, Memory::new()).await;
    let begun = Instant::now();
    let publishers = (0..PUBLISHERS).map(|nth| {
        let publisher = running.publisher();
        tokio::spawn(async move {
            for order in (nth..EVENTS).step_by(PUBLISHERS as usize) {
                let published = publisher.publish(OrderPlaced::new(order)).await;
                published.expect("stored");
            }
        })
    });
    for publisher in join_all(publishers).await {
        publisher.expect("done");
    }
    let took = begun.elapsed();
    running.shutdown().await.expect("shut down");
    drop(held);
    took
}
