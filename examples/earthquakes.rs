//! A week of earthquakes, read as a feed: each quake is announced, the strong ones raise an alert.
//!
//! ```text
//! cargo run --example earthquakes               # the feed in examples/data
//! cargo run --example earthquakes -- my.ndjson  # another one
//! cargo run --example earthquakes -- --topology # what this service declares
//! cargo run --example earthquakes --features kafka -- --streamer kafka://localhost:9092
//! ```
//!
//! By a broker (`kafka://`, `nats://`, `amqp://`) nothing is different but where quakes and alerts
//! travel: what an interrupted run has left there is handled by the next one.

#![allow(missing_docs)] // The words are in the comments where they help.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use console::style;
use fanfare::prelude::*;
use fanfare::streamers::AnyStreamer;
use fanfare::{Error, PublishError};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::watch;

/// Where quakes and alerts travel.
#[derive(Streamers)]
pub struct Streamers {
    /// What the seismic networks report.
    #[streamer(topics("quakes"))]
    pub seismic: AnyStreamer,
    /// What people should know of, and what was given up.
    #[streamer(topics("strong", "failed"))]
    pub alerts: AnyStreamer,
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
#[event_handler(
    streamed_from = streamer!("seismic", "quakes"),
    dead_letter = streamer!("alerts", "failed")
)]
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
#[event_handler(
    streamed_from = streamer!("seismic", "quakes"),
    dead_letter = streamer!("alerts", "failed")
)]
async fn count_network(quake: QuakeDetected, State(tally): State<Tally>) -> Result<()> {
    tally.update(|counts| *counts.by_network.entry(quake.network).or_default() += 1);
    Ok(())
}

/// Tells people.
#[event_handler(
    streamed_from = streamer!("alerts", "strong"),
    dead_letter = streamer!("alerts", "failed")
)]
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
    let printed = bar.suspend(|| {
        writeln!(
            io::stdout(),
            "{time}  {magnitude}  {}, {:.0} km deep{tsunami}",
            quake.place,
            quake.depth_km
        )
    });
    // Where nobody reads any more, another attempt would end the same.
    printed.map_err(Error::reject)?;
    tally.update(|counts| counts.alerted += 1);
    Ok(())
}

/// Books what a handler gave up, so that nobody waits for it.
#[event_handler(streamed_from = streamer!("alerts", "failed"))]
async fn book_failure(_letter: RawEvent, State(tally): State<Tally>) -> Result<()> {
    tally.update(|counts| counts.given_up += 1);
    Ok(())
}

/// What the handlers have done so far.
#[derive(Default)]
struct Counts {
    by_network: BTreeMap<String, u64>,
    weighed: u64,
    raised: u64,
    alerted: u64,
    given_up: u64,
}

impl Counts {
    fn counted(&self) -> u64 {
        self.by_network.values().sum()
    }

    /// Whether this many quakes, and all they caused, are handled or given up: each quake has two
    /// handlers, and each alert one.
    fn are_complete(&self, quakes: u64) -> bool {
        let ended = self.weighed + self.counted() + self.alerted + self.given_up;
        ended >= 2 * quakes + self.raised
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
    /// What carries them: `memory://`, or a broker's URL, whose topics are made if they are missing
    #[arg(long, default_value = "memory://")]
    streamer: String,
    /// Print what the code declares, and end
    #[arg(long)]
    topology: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(console::colors_enabled_stderr())
        .with_max_level(tracing::Level::WARN)
        .init();
    let arguments = Arguments::parse();
    let tally = Tally(Arc::new(watch::Sender::default()));
    let bar = ProgressBar::no_length();
    let app = App::new("earthquakes")
        .streamers(Streamers {
            seismic: AnyStreamer::from_url(&arguments.streamer)?.with_create_topics(true),
            alerts: AnyStreamer::from_url(&arguments.streamer)?.with_create_topics(true),
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
        println!("broken lines left out: {}", style(read.broken).red());
    }
    if counts.given_up > 0 {
        println!(
            "given up (the log says why): {}",
            style(counts.given_up).red()
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
            if line.is_empty() && length <= LONGEST_LINE {
                continue;
            }
            let announced = match parse(&line, length) {
                Ok(quake) => match publisher.publish(quake).await {
                    Ok(_) => Ok(()),
                    // It is this quake that cannot travel; the next one may.
                    Err(error @ (PublishError::Encode { .. } | PublishError::Envelope { .. })) => {
                        Err(error.to_string())
                    }
                    Err(error) => return Err(error.into()),
                },
                Err(reason) => Err(reason),
            };
            match announced {
                Ok(()) => {
                    read.quakes += 1;
                    self.report(read.quakes);
                }
                Err(reason) => {
                    read.broken += 1;
                    self.bar.suspend(|| eprintln!("line {number}: {reason}"));
                }
            }
        }
        Ok(read)
    }

    fn report(&self, quakes: u64) {
        if !self.piped {
            self.bar.set_message(format!("{quakes} quakes"));
        } else if quakes.is_multiple_of(500) {
            eprintln!("{quakes} quakes read");
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
    let quake: QuakeDetected = serde_json::from_slice(line).map_err(|error| {
        // The parser counts lines of its own, of which there is one.
        error
            .to_string()
            .replace(" at line 1 column", ", at column")
    })?;
    match jiff::Timestamp::from_millisecond(quake.time) {
        Ok(_) => Ok(quake),
        Err(error) => Err(format!("time: {error}")),
    }
}
