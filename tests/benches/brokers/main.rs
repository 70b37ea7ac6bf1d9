//! What fanfare costs on a real broker beside the broker's own client library, with the same
//! guarantee: publishing until it is confirmed, handling until it is acknowledged, both at once, and
//! the time from the one to the other.
//!
//! ```text
//! cargo bench -p fanfare-tests --bench brokers
//! cargo bench -p fanfare-tests --bench brokers -- nats
//! ```
//!
//! The library's side writes and reads the same messages with the same headers, makes the ids and
//! the JSON of each, handles as many at a time, those of one key in their order, and acknowledges
//! after handling, as one would write it by hand. Both sides take turns on one broker; what is said
//! is the median of the rounds, of the rates as of their ratio. The last lines are the summary.

#![allow(
    clippy::cast_precision_loss,
    reason = "rates of no more than some digits"
)]

mod amqp;
mod heard;
mod kafka;
mod lanes;
mod nats;
mod ours;
mod sample;

use std::future::Future;
use std::time::{Duration, Instant};

use heard::Heard;
use indicatif::{ProgressBar, ProgressStyle};
use sample::Sample;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use fanfare_tests::brokers::Kafka;
use fanfare_tests::brokers::Nats;
use fanfare_tests::brokers::RabbitMq;
use fanfare_tests::figures::{is_asked_for, is_bench, median, seconds};

/// How often each side has its turn.
const ROUNDS: usize = 7;

/// How many publish at a time.
const AT_ONCE: u64 = 256;

/// How many may be in the hands of a subscriber.
const IN_FLIGHT: u16 = 256;

/// How many go there and back, one after the other, in a turn.
const TRIPS: u64 = 200;

/// The topic that nobody hears, the one that is heard, and the one that the library hears.
const ANNOUNCED: &str = "announced";
const HEARD: &str = "heard";
const HEARD_BY_HAND: &str = "heard-by-hand";

/// The broker's own client library, used with the guarantee that fanfare gives.
trait Raw: Clone + Send + Sync + 'static {
    const NAME: &str;

    /// How many events there are in a turn: enough that not all of them are read ahead.
    const EVENTS: u64 = 20_000;

    /// Lets the broker keep what is published to a topic that nobody hears.
    fn keep(&self, _topic: &str) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Publishes, and waits until the broker has it.
    fn publish(&self, topic: &str, sample: Sample) -> impl Future<Output = ()> + Send;

    /// Hears a topic as a member of a group that keeps its place, until it is ended: each event is
    /// read, counted by a handler in one of the [`lanes`], and then acknowledged.
    fn hear(&self, heard: Heard) -> impl Future<Output = Hearing> + Send;
}

/// One comparison; the smaller time is the better one.
struct Compared {
    what: String,
    unit: Unit,
    ours: Vec<Duration>,
    raw: Vec<Duration>,
}

enum Unit {
    /// So many events in that time.
    Rate(u64),
    /// The time of one.
    Time,
}

impl Compared {
    fn line(&self) -> String {
        let (ours, raw) = (seconds(&self.ours), seconds(&self.raw));
        let said = |took: &[f64]| match self.unit {
            Unit::Rate(events) => format!("{:>8.0}/s", events as f64 / median(took)),
            Unit::Time => format!("{:>8.0} us", median(took) * 1e6),
        };
        let ratios: Vec<_> = ours
            .iter()
            .zip(&raw)
            .map(|(ours, raw)| raw / ours)
            .collect();
        format!(
            "{:<42} fanfare {}   library {}   ratio {:.2}",
            self.what,
            said(&ours),
            said(&raw),
            median(&ratios)
        )
    }
}

/// Lets many publish at a time, and says how long that takes.
async fn by_all<P>(events: u64, publish: impl Fn(Sample) -> P) -> Duration
where
    P: Future<Output = ()> + Send + 'static,
{
    let publish = &publish;
    let begun = Instant::now();
    let publishers = (0..AT_ONCE).map(|nth| {
        // Their futures are made here, and run in tasks of their own.
        let numbers = (nth..events).step_by(usize::try_from(AT_ONCE).unwrap_or(1));
        let publishing: Vec<_> = numbers.map(|number| publish(Sample::new(number))).collect();
        tokio::spawn(async move {
            for publishing in publishing {
                publishing.await;
            }
        })
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.expect("published");
    }
    begun.elapsed()
}

/// From the first that is heard to the last.
async fn all_heard(heard: &Heard, events: u64) -> Duration {
    heard.wait_for(1).await;
    let begun = Instant::now();
    heard.wait_for(events - 1).await;
    begun.elapsed()
}

/// There and back, one after the other: the median.
async fn trips<P: Future<Output = ()>>(publish: impl Fn(Sample) -> P, heard: &Heard) -> Duration {
    let mut times = Vec::new();
    for number in 0..TRIPS {
        let begun = Instant::now();
        publish(Sample::new(number)).await;
        heard.wait_for(1).await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// Compares on one broker, at this URL.
async fn compare<R: Raw>(raw: R, url: &str, bar: &ProgressBar) -> Vec<Compared> {
    let name = R::NAME;
    let published = publishing(&raw, url, bar).await;
    bar.suspend(|| println!("{}", published.line()));
    let mut all = vec![published];
    for compared in handling(&raw, url, bar).await {
        bar.suspend(|| println!("{}", compared.line()));
        all.push(compared);
    }
    bar.set_message(name);
    all
}

async fn publishing<R: Raw>(raw: &R, url: &str, bar: &ProgressBar) -> Compared {
    bar.set_message(format!("{}: publishing", R::NAME));
    let ours = ours::Service::start(url).await;
    raw.keep(ANNOUNCED).await;
    let (mut by_us, mut by_raw) = (Vec::new(), Vec::new());
    // The first round makes connections.
    for round in 0..=ROUNDS {
        let publisher = ours.publisher();
        let our_time = by_all(R::EVENTS, |sample| {
            let publisher = publisher.clone();
            async move { ours::announce(&publisher, sample).await }
        });
        let our_time = our_time.await;
        let raw_time = by_all(R::EVENTS, |sample| {
            let raw = raw.clone();
            async move { raw.publish(ANNOUNCED, sample).await }
        });
        let raw_time = raw_time.await;
        if round > 0 {
            by_us.push(our_time);
            by_raw.push(raw_time);
            bar.inc(1);
        }
    }
    ours.end().await;
    Compared {
        what: format!("{}: publish, {AT_ONCE} at once", R::NAME),
        unit: Unit::Rate(R::EVENTS),
        ours: by_us,
        raw: by_raw,
    }
}

async fn handling<R: Raw>(raw: &R, url: &str, bar: &ProgressBar) -> [Compared; 3] {
    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    // The first round makes the groups.
    for round in 0..=ROUNDS {
        bar.set_message(format!("{}: handling", R::NAME));
        if round > 0 {
            // Both come back to a full topic.
            by_all(R::EVENTS, |sample| fill(raw, HEARD, sample)).await;
            by_all(R::EVENTS, |sample| fill(raw, HEARD_BY_HAND, sample)).await;
        }
        let service = ours::Service::start(url).await;
        let publisher = service.publisher();
        let publish = |sample| {
            let publisher = publisher.clone();
            async move { ours::tell(&publisher, sample).await }
        };
        let our_turn = turn::<R, _>(publish, &service.heard, round > 0).await;
        service.end().await;
        let heard = Heard::default();
        let hearing = raw.hear(heard.clone()).await;
        let publish = |sample| fill(raw, HEARD_BY_HAND, sample);
        let raw_turn = turn::<R, _>(publish, &heard, round > 0).await;
        hearing.end().await;
        if round > 0 {
            ours.push(our_turn);
            by_hand.push(raw_turn);
            bar.inc(1);
        }
    }
    let compared = |what: String, unit, of: fn(&Turn) -> Duration| Compared {
        what: format!("{}: {what}", R::NAME),
        unit,
        ours: ours.iter().map(of).collect(),
        raw: by_hand.iter().map(of).collect(),
    };
    let backlog = format!("handle, {IN_FLIGHT} in flight");
    let through = format!("publish, {AT_ONCE} at once, and handle");
    [
        compared(backlog, Unit::Rate(R::EVENTS - 1), |turn| turn.backlog),
        compared(through, Unit::Rate(R::EVENTS), |turn| turn.through),
        compared("there and back".to_owned(), Unit::Time, |turn| turn.trip),
    ]
}

/// What one side took.
struct Turn {
    /// For what stood in the topic when it came.
    backlog: Duration,
    /// For what was published and handled meanwhile.
    through: Duration,
    /// For one, there and back.
    trip: Duration,
}

async fn turn<R: Raw, P>(publish: impl Fn(Sample) -> P, heard: &Heard, is_full: bool) -> Turn
where
    P: Future<Output = ()> + Send + 'static,
{
    let backlog = if is_full {
        all_heard(heard, R::EVENTS).await
    } else {
        Duration::ZERO
    };
    let trip = trips(&publish, heard).await;
    let begun = Instant::now();
    tokio::join!(by_all(R::EVENTS, &publish), heard.wait_for(R::EVENTS));
    Turn {
        backlog,
        through: begun.elapsed(),
        trip,
    }
}

fn fill<R: Raw>(
    raw: &R,
    topic: &'static str,
    sample: Sample,
) -> impl Future<Output = ()> + 'static {
    let raw = raw.clone();
    async move { raw.publish(topic, sample).await }
}

/// A subscriber by hand.
struct Hearing {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Hearing {
    /// Begins what is to hear until it is stopped.
    fn begin<F: Future<Output = ()> + Send + 'static>(
        hear: impl FnOnce(CancellationToken) -> F,
    ) -> Hearing {
        let stop = CancellationToken::new();
        let task = tokio::spawn(hear(stop.clone()));
        Hearing { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("ended");
    }
}

#[tokio::main]
async fn main() {
    if !is_bench() {
        return;
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} ({elapsed})");
    let bar = ProgressBar::new(3 * 2 * ROUNDS as u64).with_style(style.expect("a template"));
    let mut all: Vec<Compared> = Vec::new();
    if is_asked_for("kafka") {
        let broker = tokio::task::block_in_place(Kafka::start);
        let url = format!("kafka://{}?create_topics=true", broker.bootstrap());
        all.extend(compare(kafka::ByHand::new(&broker).await, &url, &bar).await);
    }
    if is_asked_for("nats") {
        let broker = tokio::task::block_in_place(Nats::start);
        let url = format!("{}?create_topics=true", broker.url());
        all.extend(compare(nats::ByHand::new(&broker).await, &url, &bar).await);
    }
    if is_asked_for("amqp") {
        let broker = tokio::task::block_in_place(RabbitMq::start);
        let url = format!("{}?create_topics=true", broker.url());
        all.extend(compare(amqp::ByHand::new(&broker).await, &url, &bar).await);
    }
    bar.finish_and_clear();
    println!("\nThe medians of {ROUNDS} rounds:");
    for compared in &all {
        println!("{}", compared.line());
    }
}
