//! A long run of one service in memory: many keys, many at a time, one attempt in a hundred
//! failing. Each event must be handled or dead-lettered, in order by key, in flat memory.
//!
//! ```text
//! cargo run --release -p fanfare-tests --bin soak             # one million events
//! cargo run --release -p fanfare-tests --bin soak -- 10000000
//! ```
//!
//! The last line tells how it went, and the exit code whether that is right.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use fanfare::prelude::*;
use fanfare::{Error, Running};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

const KEYS: u64 = 1_000;
const BATCH: u64 = 500;
/// What the process may grow by between a tenth of the run and its end.
const FLAT_MB: u64 = 32;

#[derive(Streamers)]
struct Streamers {
    #[streamer(topics("steps", "failed"))]
    main: Memory,
}

#[event(stream_to = streamer!("main", "steps"), key = key)]
struct Step {
    key: u64,
    /// Counts all steps; those of one key grow.
    number: u64,
    text: String,
}

#[event_handler(
    streamed_from = streamer!("main", "steps"),
    concurrency = 64,
    retry(attempts = 2, backoff = "1ms..2ms"),
    dead_letter = streamer!("main", "failed")
)]
async fn take(step: Step, State(books): State<Arc<Books>>) -> Result<()> {
    tokio::task::yield_now().await;
    if fastrand::u8(..100) == 0 {
        return Err(Error::msg("one in a hundred"));
    }
    books.handled(&step);
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "failed"))]
async fn bury(letter: RawEvent, State(books): State<Arc<Books>>) -> Result<()> {
    let step: Step = serde_json::from_slice(letter.payload())?;
    books.dead_lettered(&step);
    Ok(())
}

/// What became of each step.
struct Books {
    seen: Vec<AtomicU8>,
    last: Vec<AtomicU64>,
    handled: AtomicU64,
    dead_lettered: AtomicU64,
    out_of_order: AtomicU64,
    /// How many are done with.
    done: watch::Sender<u64>,
}

impl Books {
    fn new(steps: u64) -> Self {
        Books {
            seen: (0..steps).map(|_| AtomicU8::new(0)).collect(),
            last: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
            handled: AtomicU64::new(0),
            dead_lettered: AtomicU64::new(0),
            out_of_order: AtomicU64::new(0),
            done: watch::Sender::new(0),
        }
    }

    fn handled(&self, step: &Step) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        self.keep(step);
        // Numbers begin at 0: one more is kept, so that the first is above what was there before.
        let before = self.last[at(step.key)].swap(step.number + 1, Ordering::Relaxed);
        if before > step.number {
            self.out_of_order.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn dead_lettered(&self, step: &Step) {
        self.dead_lettered.fetch_add(1, Ordering::Relaxed);
        self.keep(step);
    }

    fn keep(&self, step: &Step) {
        if self.seen[at(step.number)].fetch_or(1, Ordering::Relaxed) == 0 {
            self.done.send_modify(|done| *done += 1);
        }
    }

    fn lost(&self) -> usize {
        let seen = self.seen.iter();
        seen.filter(|seen| seen.load(Ordering::Relaxed) == 0)
            .count()
    }
}

fn at(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let steps: u64 = match std::env::args().nth(1) {
        Some(steps) => steps.parse()?,
        None => 1_000_000,
    };
    let books = Arc::new(Books::new(steps));
    let streamers = Streamers {
        main: Memory::new(),
    };
    let app = App::new("soak")
        .streamers(streamers)
        .state(Arc::clone(&books));
    let running = app.start().await?;
    let settled = announce(&running, steps).await?;
    // Whatever is lost never comes, so nobody waits for it without end.
    let mut done = books.done.subscribe();
    let all = done.wait_for(|done| *done == steps);
    let in_time = tokio::time::timeout(std::time::Duration::from_mins(1), all).await;
    drop(in_time);
    running.shutdown().await?;

    let peak = memory_mb("VmHWM:");
    let (lost, out_of_order) = (books.lost(), books.out_of_order.load(Ordering::Relaxed));
    println!(
        "soak: handled={} dead_lettered={} lost={lost} out_of_order={out_of_order} peak_mb={peak}",
        books.handled.load(Ordering::Relaxed),
        books.dead_lettered.load(Ordering::Relaxed),
    );
    let flat = peak <= settled + FLAT_MB;
    if !flat {
        eprintln!("memory grew from {settled} MB to {peak} MB");
    }
    let right = lost == 0 && out_of_order == 0 && flat;
    Ok(if right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Announces the steps, and gives the memory that the process had after a tenth of them.
async fn announce(running: &Running, steps: u64) -> Result<u64> {
    let bar = ProgressBar::new(steps);
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {human_pos}/{human_len}  {per_sec}  {eta} left",
    )?);
    let publisher = running.publisher();
    let mut settled = memory_mb("VmRSS:");
    for first in (0..steps).step_by(at(BATCH)) {
        let batch = (first..steps.min(first + BATCH)).map(|number| Step {
            key: number % KEYS,
            number,
            text: "what a step is about".to_owned(),
        });
        for published in publisher.publish_all(batch).await {
            published?;
        }
        bar.set_position(first);
        if first <= steps / 10 {
            settled = memory_mb("VmRSS:");
        }
    }
    bar.finish_and_clear();
    Ok(settled)
}

/// A line of what Linux says of this process, in MB; 0 elsewhere.
fn memory_mb(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|found| found.strip_prefix(line));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
