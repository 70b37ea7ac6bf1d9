//! The service that is killed: it publishes numbers, and handles them.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fanfare::prelude::*;
use fanfare::streamers::AnyStreamer;
use fanfare::{Error, Running};
use fanfare_tests::lives::{appending, note};
use tokio::time::sleep;

use super::books::HANDLED;

/// How many publish at a time in an instance, each its own key.
pub(super) const KEYS: usize = 8;

/// How many an instance may have in its hands.
const IN_FLIGHT: u64 = 32;

/// How long a number is handled, by how many at a time: what bounds the numbers of a second, also
/// where an instance catches up.
const EFFORT_MILLIS: u64 = 2;
const HANDS: u64 = 4;

/// How many an instance may handle in a second.
pub(super) const FASTEST: u64 = HANDS * 1000 / EFFORT_MILLIS;

/// How many one instance may do once more for one fault: what it handles, and what it publishes
/// again because nobody confirmed it.
pub(super) const MOST_TWICE: u64 = IN_FLIGHT + KEYS as u64;

/// What an instance is told.
#[derive(clap::Args)]
pub(super) struct InstanceArguments {
    /// The streamer: for this program's own use, as all that follows.
    #[arg(long, hide = true)]
    pub(super) url: Option<String>,
    /// Where the files are.
    #[arg(long, hide = true, default_value = ".")]
    folder: PathBuf,
    /// Of the instance: no two publish the same numbers.
    #[arg(long, hide = true, default_value_t = 0)]
    round: u64,
}

#[derive(Streamers)]
struct Streamers {
    #[streamer(topics("numbers"))]
    broker: AnyStreamer,
}

#[event(stream_to = streamer!("broker", "numbers"), key = key)]
struct Numbered {
    key: u64,
    number: u64,
}

/// Fails now and then, which must not bring the next ones of its key before it.
#[event_handler(
    streamed_from = streamer!("broker", "numbers"),
    concurrency = 4,
    in_flight = 32,
    retry(backoff = "1ms..5ms")
)]
async fn handle(
    numbered: Numbered,
    metadata: Metadata,
    State(handled): State<Arc<File>>,
) -> Result<()> {
    let Numbered { key, number } = numbered;
    if number.is_multiple_of(11) && metadata.attempt() == 1 {
        return Err(Error::msg("the first attempt fails"));
    }
    sleep(Duration::from_millis(EFFORT_MILLIS)).await;
    note(&handled, key, number)
}

/// What an instance is asked on its standard input.
#[derive(Default)]
struct Asked {
    quiet: AtomicBool,
    end: AtomicBool,
}

#[tokio::main]
pub(super) async fn run(arguments: &InstanceArguments) -> Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let asked = Arc::new(Asked::default());
    listen(Arc::clone(&asked));
    let running = loop {
        // The broker may be away just now: who starts a service starts it again.
        match start(arguments).await {
            Ok(running) => break running,
            Err(error) => eprintln!("{error}"),
        }
        sleep(Duration::from_millis(50)).await;
    };
    let publisher = running.publisher();
    let publishing = (0..KEYS as u64).map(|nth| publish(&publisher, &asked, arguments.round, nth));
    futures_util::future::join_all(publishing).await;
    while !asked.end.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(10)).await;
    }
    running.shutdown().await
}

async fn start(arguments: &InstanceArguments) -> Result<Running> {
    let broker = AnyStreamer::from_url(arguments.url.as_deref().unwrap_or_default())?;
    App::new("faults")
        .streamers(Streamers { broker })
        .state(Arc::new(appending(&arguments.folder, HANDLED)?))
        .start()
        .await
}

/// Publishes number after number of one key, each until it is confirmed, and says each.
async fn publish(publisher: &Publisher, asked: &Asked, round: u64, nth: u64) {
    let key = (round << 8) + nth;
    for count in 0_u64.. {
        sleep(Duration::from_millis(fastrand::u64(0..20))).await;
        let number = (round << 40) + (count << 8) + nth;
        while let Err(error) = publisher.publish(Numbered { key, number }).await {
            eprintln!("{error}");
            sleep(Duration::from_millis(20)).await;
        }
        println!("{key} {number}.");
        if asked.quiet.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// `q` asks it to publish no more, `e` to end; at the end of the input it dies with whoever started
/// it.
fn listen(asked: Arc<Asked>) {
    std::thread::spawn(move || {
        for word in BufReader::new(std::io::stdin()).bytes() {
            match word {
                Ok(b'q') => asked.quiet.store(true, Ordering::Relaxed),
                Ok(b'e') => {
                    asked.quiet.store(true, Ordering::Relaxed);
                    asked.end.store(true, Ordering::Relaxed);
                }
                _ => break,
            }
        }
        let _ = std::io::stderr().write_all(b"nobody is there any more\n");
        std::process::exit(1);
    });
}
