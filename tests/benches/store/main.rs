//! What the stores cost beside the bare SQL library: publishing, against inserting the same rows in
//! batches of the same size; and the relay, against reading them, decoding them, and publishing
//! them to the same streamer.
//!
//! ```text
//! cargo bench -p fanfare-tests --bench store
//! cargo bench -p fanfare-tests --bench store -- sqlite
//! ```
//!
//! Both sides take turns, and what is said is the median of the rounds, of the rates as of their
//! ratio. Whoever publishes does it on a database of its own. The databases are files of the build's folder, and of the temporary folder: that is to
//! be on a disk. The last lines are the summary.

#![allow(
    clippy::cast_precision_loss,
    reason = "rates of no more than some digits"
)]

mod postgres;
mod publish;
mod relay;
mod sqlite;

use std::time::Duration;

use fanfare::prelude::*;
use fanfare::store::Store;
use fanfare_tests::figures::{is_asked_for, is_bench, median, seconds};
use indicatif::{ProgressBar, ProgressStyle};

/// How often each side has its turn.
const ROUNDS: usize = 15;

#[derive(Streamers)]
struct Streamers {
    #[streamer(topics("orders"))]
    main: Memory,
}

/// An event as a shop may have it.
#[event(stream_to = streamer!("main", "orders"), key = customer)]
struct OrderPlaced {
    order: u64,
    customer: String,
    street: String,
    items: Vec<Item>,
}

#[payload]
struct Item {
    article: String,
    count: u32,
    cents: u64,
}

impl OrderPlaced {
    fn new(order: u64) -> Self {
        let item = |n: u64| Item {
            article: format!("A-{:08}", order * 3 + n),
            count: 1,
            cents: 1_995 + n,
        };
        OrderPlaced {
            order,
            customer: format!("customer-{}", order % 1_000),
            street: "1, Long Lane, behind the old mill".to_owned(),
            items: (0..3).map(item).collect(),
        }
    }
}

/// A row of the log: name, key, id, source, event, position.
type Row = (String, Option<String>, String, String, String, i64);

/// A kind of database, with two of them: the store's, and one for the bare library.
trait Database: Sized + Sync {
    type Store: Store + Clone;

    const NAME: &str;

    /// Fresh ones.
    async fn new() -> Self;

    /// Opens the store.
    async fn open(&self) -> Self::Store;

    /// What stands in the store's log after this position, in its order; and in how many
    /// transactions it was written, but for so many first events.
    async fn written(&self, after: u64, first: usize) -> (Vec<Row>, usize);

    /// Inserts rows with the bare library, so many in each transaction, and says how long it took;
    /// not counted is what comes first.
    async fn insert(&self, first: &[Row], rows: &[Row], at_once: usize) -> Duration;

    /// The next events of the store's log, read with the bare library.
    async fn page(&self, after: i64, most: i64) -> Vec<(i64, String)>;
}

/// One comparison.
struct Compared {
    what: String,
    events: usize,
    ours: Vec<Duration>,
    bare: Vec<Duration>,
}

impl Compared {
    fn line(&self) -> String {
        let (ours, bare) = (seconds(&self.ours), seconds(&self.bare));
        let rate = |took: &[f64]| self.events as f64 / median(took);
        // Of one round and the same moment: the disk may be another's in the next.
        let ratios: Vec<_> = ours
            .iter()
            .zip(&bare)
            .map(|(ours, bare)| bare / ours)
            .collect();
        format!(
            "{:<52} fanfare {:>8.0}/s   sqlx {:>8.0}/s   ratio {:.2}",
            self.what,
            rate(&ours),
            rate(&bare),
            median(&ratios),
        )
    }
}

/// Starts the service, which streams nothing while another has its cursor.
async fn start(store: impl Store, main: Memory) -> fanfare::Running {
    let app = App::new("shop").streamers(Streamers { main });
    app.store(store).start().await.expect("started")
}

/// Lets the service make its cursor, which is at the beginning of the log: its name.
async fn cursor(database: &impl Database) -> String {
    let store = database.open().await;
    let running = start(store.clone(), Memory::new()).await;
    let name = loop {
        let cursors = store.cursors().await.expect("listed");
        if let Some((name, _)) = cursors.into_iter().next() {
            break name;
        }
        tokio::task::yield_now().await;
    };
    running.shutdown().await.expect("shut down");
    name
}

async fn compare<D: Database>(bar: &ProgressBar) -> Vec<Compared> {
    let database = D::new().await;
    let cursor = cursor(&database).await;
    let published = publish::compare(&database, &cursor, bar).await;
    bar.suspend(|| println!("{}", published.line()));
    let relayed = relay::compare(&database, &cursor, bar).await;
    bar.suspend(|| println!("{}", relayed.line()));
    vec![published, relayed]
}

#[tokio::main]
async fn main() {
    if !is_bench() {
        return;
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} ({elapsed})");
    let bar = ProgressBar::new(2 * 2 * 2 * ROUNDS as u64).with_style(style.expect("a template"));
    let mut all = Vec::new();
    if is_asked_for("sqlite") {
        all.extend(compare::<sqlite::File>(&bar).await);
    }
    if is_asked_for("postgres") {
        all.extend(compare::<postgres::Server>(&bar).await);
    }
    bar.finish_and_clear();
    println!("\nThe medians of {ROUNDS} rounds:");
    for compared in &all {
        println!("{}", compared.line());
    }
}
