//! A week of earthquakes, read as a feed: each quake is announced, the strong ones raise an alert.
//!
//! ```text
//! cargo run --example earthquakes               # the feed in examples/data
//! cargo run --example earthquakes -- my.ndjson  # another one
//! cargo run --example earthquakes -- --topology # what this service declares
//! ```

#![allow(missing_docs)] // The words are in the comments where they help.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use console::style;
use fanfare::prelude::*;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::watch;

/// Where quakes and alerts travel.
#[derive(Streamers)]
pub struct Streamers {
    /// What the seismic networks report.
    #[streamer(topics("quakes"))]
    pub seismic: Memory,
    /// What people should know of.
    #[streamer(topics("strong"))]
    pub alerts: Memory,
}

/// A seismic network saw the ground move.
#[event(stream_to = streamer!("seismic", "quakes"), key = network)]
pub struct QuakeDetected {
    pub id: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub time: i64,
    pub magnitude: f64,
    pub place: String,
    pub longitude: f64,
    pub latitude: f64,
    pub depth_km: f64,
    pub network: String,
    pub tsunami: bool,
    /// An earthquake, an explosion, a quarry blast, ...
    pub kind: String,
}

/// An earthquake that people feel from far away.
#[event(stream_to = streamer!("alerts", "strong"))]
pub struct StrongQuake {
    pub time: i64,
    pub magnitude: f64,
    pub place: String,
    pub depth_km: f64,
    pub tsunami: bool,
}

/// Raises an alert for each strong earthquake.
#[event_handler(streamed_from = streamer!("seismic", "quakes"))]
async fn raise_alert(
    quake: QuakeDetected,
    publisher: Publisher,
    State(tally): State<Tally>,
) -> Result<()> {
    let strong = quake.magnitude >= 4.5 && quake.kind == "earthquake";
    if strong {
        let alert = StrongQuake {
            time: quake.time,
            magnitude: quake.magnitude,
            place: quake.place,
            depth_km: quake.depth_km,
            tsunami: quake.tsunami,
        };
        publisher.publish(alert).await?;
    }
    tally.update(|counts| {
        counts.weighed += 1;
        counts.raised += u64::from(strong);
    });
    Ok(())
}

/// Counts the quakes of each network.
#[event_handler(streamed_from = streamer!("seismic", "quakes"))]
async fn count_network(quake: QuakeDetected, State(tally): State<Tally>) -> Result<()> {
    tally.update(|counts| *counts.by_network.entry(quake.network).or_default() += 1);
    Ok(())
}

/// Tells people.
#[event_handler(streamed_from = streamer!("alerts", "strong"))]
async fn print_alert(
    quake: StrongQuake,
    State(bar): State<ProgressBar>,
    State(tally): State<Tally>,
) -> Result<()> {
    let time = jiff::Timestamp::from_millisecond(quake.time)?.strftime("%a %d %b, %H:%M UTC");
    let magnitude = style(format!("{:.1}", quake.magnitude)).bold();
    let magnitude = if quake.magnitude >= 6.0 {
        magnitude.red()
    } else {
        magnitude.yellow()
    };
    let tsunami = if quake.tsunami {
        ", tsunami message issued"
    } else {
        ""
    };
    bar.suspend(|| {
        println!(
            "{time}  {magnitude}  {}, {:.0} km deep{tsunami}",
            quake.place, quake.depth_km
        );
    });
    tally.update(|counts| counts.alerted += 1);
    Ok(())
}

/// What the handlers have done so far.
#[derive(Default)]
struct Counts {
    by_network: BTreeMap<String, u64>,
    weighed: u64,
    raised: u64,
    alerted: u64,
}

impl Counts {
    fn counted(&self) -> u64 {
        self.by_network.values().sum()
    }

    /// Whether this many quakes, and all they caused, are handled.
    fn are_complete(&self, quakes: u64) -> bool {
        self.weighed >= quakes && self.counted() >= quakes && self.alerted >= self.raised
    }
}

/// The counts, shared by the handlers and watched by `main`.
#[derive(Clone)]
struct Tally(Arc<watch::Sender<Counts>>);

impl Tally {
    fn update(&self, change: impl FnOnce(&mut Counts)) {
        self.0.send_modify(change);
    }
}

#[derive(Parser)]
#[command(about = "Reads a feed of earthquakes and raises alerts for the strong ones")]
struct Arguments {
    /// The feed: a JSON object a line
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/earthquakes.ndjson"))]
    file: PathBuf,
    /// Print what the code declares, and end
    #[arg(long)]
    topology: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .init();
    let arguments = Arguments::parse();
    let tally = Tally(Arc::new(watch::Sender::default()));
    let bar = ProgressBar::no_length();
    let app = App::new("earthquakes")
        .streamers(Streamers {
            seismic: Memory::new(),
            alerts: Memory::new(),
        })
        .state(tally.clone())
        .state(bar.clone());
    if arguments.topology {
        println!("{}", app.topology());
        return Ok(());
    }

    let feed = Feed::open(&arguments.file, bar.clone()).await?;
    let running = app.start().await?;
    let publisher = running.publisher();
    let mut counts = tally.0.subscribe();
    tokio::select! {
        read = feed.announce(&publisher) => {
            let read = read?;
            let complete = counts.wait_for(|counts| counts.are_complete(read.quakes)).await?;
            bar.finish_and_clear();
            summarise(&read, &complete);
        }
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            bar.finish_and_clear();
            println!("interrupted: what is in flight is finished, the rest is left");
        }
    }
    running.shutdown().await
}

fn summarise(read: &Read, counts: &Counts) {
    println!();
    println!(
        "{} quakes handled, {} alerts raised",
        style(counts.counted()).bold(),
        style(counts.raised).bold()
    );
    if read.broken > 0 {
        println!(
            "{} lines were broken and are left out",
            style(read.broken).red()
        );
    }
    let mut networks: Vec<_> = counts.by_network.iter().collect();
    networks.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let most = networks.first().map_or(1, |(_, count)| **count);
    for (network, count) in networks {
        let length = usize::try_from(count * 40 / most).unwrap_or(0);
        println!("  {network:>4} {count:>5} {}", "█".repeat(length));
    }
}

/// Longer lines are no quakes.
const LONGEST_LINE: u64 = 64 * 1024;

/// The feed, line by line.
struct Feed {
    lines: BufReader<File>,
    bar: ProgressBar,
    piped: bool,
}

/// What the feed held.
#[derive(Default)]
struct Read {
    quakes: u64,
    broken: u64,
}

impl Feed {
    async fn open(path: &Path, bar: ProgressBar) -> Result<Self> {
        let file = File::open(path).await.map_err(|error| {
            fanfare::Error::msg(format!("cannot read {}: {error}", path.display()))
        })?;
        bar.set_length(file.metadata().await?.len());
        bar.set_style(ProgressStyle::with_template(
            "{bar:40.cyan/blue} {binary_bytes}/{binary_total_bytes}  {msg}",
        )?);
        Ok(Feed {
            lines: BufReader::new(file),
            piped: bar.is_hidden(),
            bar,
        })
    }

    /// Announces each quake; a line that is none is reported, and the rest is read.
    async fn announce(mut self, publisher: &Publisher) -> Result<Read> {
        let mut read = Read::default();
        let mut line = Vec::new();
        for number in 1_u64.. {
            let Some(length) = next_line(&mut self.lines, &mut line).await? else {
                break;
            };
            self.bar.inc(length);
            if line.is_empty() {
                continue;
            }
            match parse(&line, length) {
                Ok(quake) => {
                    publisher.publish(quake).await?;
                    read.quakes += 1;
                }
                Err(reason) => {
                    read.broken += 1;
                    self.bar.suspend(|| eprintln!("line {number}: {reason}"));
                }
            }
            self.report(&read);
        }
        Ok(read)
    }

    fn report(&self, read: &Read) {
        if !self.piped {
            self.bar.set_message(format!("{} quakes", read.quakes));
        } else if read.quakes.is_multiple_of(500) && read.quakes > 0 {
            eprintln!("{} quakes read", read.quakes);
        }
    }
}

/// Reads a line, of which it keeps no more than the longest that can be a quake. Gives the line's
/// whole length in bytes.
async fn next_line(
    lines: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> Result<Option<u64>> {
    line.clear();
    let mut length = 0;
    let mut rest = Vec::new();
    loop {
        let part = if length == 0 { &mut *line } else { &mut rest };
        part.clear();
        let read = lines.take(LONGEST_LINE).read_until(b'\n', part).await?;
        length += read as u64;
        if read == 0 || part.ends_with(b"\n") {
            line.truncate(line.trim_ascii_end().len());
            return Ok((length > 0).then_some(length));
        }
    }
}

fn parse(line: &[u8], length: u64) -> Result<QuakeDetected, String> {
    if length > LONGEST_LINE {
        return Err(format!(
            "{length} bytes long, and no quake is longer than {LONGEST_LINE}"
        ));
    }
    serde_json::from_slice(line).map_err(|error| {
        // The parser counts lines of its own, of which there is one.
        error
            .to_string()
            .replace(" at line 1 column", ", at column")
    })
}
