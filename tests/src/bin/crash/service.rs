//! The service that is killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fanfare::prelude::*;
use fanfare::store::Store;
use fanfare::{Error, Running};
use fanfare_tests::Around;
use fanfare_tests::lives::{appending, note};
use tokio::time::{Instant, sleep};

use super::books::{HANDLED, HEARD, Log, unfinished};
use super::broker::Line;
use super::database::{Database, Postgres, Sqlite};
use super::point::{Part, Point, Role, SERVICE, die};

/// How many publish at a time, each its own key.
const KEYS: u64 = 7;

/// What is rolled back has a number from here.
pub(super) const ROLLED_BACK: u64 = 1 << 60;

/// Whether a number is given up by a handler, and becomes a dead letter.
pub(super) fn is_refused(number: u64) -> bool {
    number.is_multiple_of(13)
}

/// What a part is told.
#[derive(clap::Args)]
pub(super) struct PartArguments {
    /// A part of the scene: for this program's own use, as all that follows.
    #[arg(long, value_enum, hide = true)]
    pub(super) part: Option<Part>,
    /// The database.
    #[arg(long, hide = true, default_value = "")]
    address: String,
    /// Where the files are.
    #[arg(long, hide = true, default_value = ".")]
    pub(super) folder: PathBuf,
    /// Numbers grow from one to the next.
    #[arg(long, hide = true, default_value_t = 0)]
    round: u64,
    /// Publishes nothing, and ends when all that is stored is done.
    #[arg(long, hide = true)]
    finish: bool,
}

#[derive(Streamers)]
pub(super) struct Streamers {
    #[streamer(topics("numbers"))]
    pub(super) broker: Line,
}

#[event(stream_to = streamer!("broker", "numbers"), key = key)]
pub(super) struct Numbered {
    pub(super) key: u64,
    pub(super) number: u64,
}

/// What the handler of a number leaves behind: once for each.
#[event]
pub(super) struct Effect {
    pub(super) number: u64,
}

/// Fails now and then when it has announced something, which is then not to appear.
#[event_handler(from = beginning, concurrency = 4, deduplicate, retry(backoff = "1ms..1ms"))]
async fn handle(
    numbered: Numbered,
    metadata: Metadata,
    publisher: Publisher,
    State(notes): State<Arc<Notes>>,
) -> Result<()> {
    let Numbered { key, number } = numbered;
    if number.is_multiple_of(11) && metadata.attempt() == 1 {
        let number = ROLLED_BACK + number;
        publisher.publish(Effect { number }).await?;
        return Err(Error::msg("the first attempt fails"));
    }
    note(&notes.handled, key, number)?;
    publisher.publish(Effect { number }).await?;
    Ok(())
}

/// Hears of an effect as often as it is told.
#[event_handler(from = beginning)]
async fn count(effect: Effect, State(notes): State<Arc<Notes>>) -> Result<()> {
    note(&notes.heard, 0, effect.number)
}

#[event_handler(from = beginning)]
async fn refuse(numbered: Numbered) -> Result<()> {
    if is_refused(numbered.number) {
        return Err(Error::reject("not this one"));
    }
    Ok(())
}

/// What the handlers write down.
struct Notes {
    handled: File,
    heard: File,
}

pub(super) async fn run(arguments: PartArguments, point: Option<Point>) -> Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    if arguments.address.starts_with("postgres:") {
        serve::<Postgres>(&arguments, point).await
    } else {
        serve::<Sqlite>(&arguments, point).await
    }
}

async fn serve<D: Database>(arguments: &PartArguments, point: Option<Point>) -> Result<()> {
    let part = arguments.part.unwrap_or(Part::Whole);
    let (store, running) = loop {
        // The server may be down just now: who starts a service starts it again.
        match start::<D>(arguments, part, point).await {
            Ok(started) => break started,
            Err(error) => eprintln!("{error}"),
        }
        sleep(Duration::from_millis(50)).await;
    };
    if arguments.finish {
        finish(&store, &arguments.folder).await?;
        return running.shutdown().await;
    }
    if matches!(part, Part::Relay | Part::Handlers) {
        return std::future::pending().await;
    }
    let publisher = running.publisher_with::<Around<D::Store, Role>>()?;
    let role = Role::new(part, point);
    let publishing = (0..KEYS).map(|key| {
        publish::<D>(Publishing {
            store: &store,
            publisher: &publisher,
            role: &role,
            round: arguments.round,
            key,
        })
    });
    futures_util::future::join_all(publishing).await;
    Ok(())
}

async fn start<D: Database>(
    arguments: &PartArguments,
    part: Part,
    point: Option<Point>,
) -> Result<(Around<D::Store, Role>, Running)> {
    let store = D::open(&arguments.address, point).await?;
    let store = Around::new(store, Role::new(part, point));
    let notes = Notes {
        handled: appending(&arguments.folder, HANDLED)?,
        heard: appending(&arguments.folder, HEARD)?,
    };
    let app = App::new(SERVICE)
        .streamers(Streamers {
            broker: Line::to(&arguments.folder),
        })
        .state(Arc::new(notes))
        .store(store.clone());
    Ok((store, app.start().await?))
}

/// How long nothing may become of what is left, before it is lost.
const QUIET: Duration = Duration::from_secs(20);

/// Waits until all that is stored is done, or nothing more will be.
async fn finish(store: &impl Store, folder: &Path) -> Result<()> {
    let (mut log, mut left) = (Log::default(), usize::MAX);
    let mut since = Instant::now();
    loop {
        let now_left = unfinished(&mut log, store, folder).await?;
        if now_left != left {
            (left, since) = (now_left, Instant::now());
        }
        if left == 0 || since.elapsed() > QUIET {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Who publishes the numbers of one key.
struct Publishing<'a, S: Store> {
    store: &'a Around<S, Role>,
    publisher: &'a Publisher<Around<S, Role>>,
    role: &'a Role,
    round: u64,
    key: u64,
}

/// Publishes number after number, some in transactions, and says each that is stored; rolls some
/// back.
async fn publish<D: Database>(publishing: Publishing<'_, D::Store>) {
    let Publishing { key, round, .. } = publishing;
    for nth in 0.. {
        // Whoever works is to keep up.
        sleep(Duration::from_millis(fastrand::u64(0..20))).await;
        let number = (round << 32) + nth * KEYS + key;
        if nth % 5 == 4
            && let Err(error) = roll_back::<D>(&publishing, ROLLED_BACK + number).await
        {
            eprintln!("{error}");
        }
        let published = if nth % 5 == 2 {
            commit::<D>(&publishing, number).await
        } else {
            let published = publishing.publisher.publish(Numbered { key, number });
            published.await.map(drop).map_err(Error::from)
        };
        match published {
            Ok(()) => println!("{number}."),
            // It may be stored all the same, and is then streamed and handled.
            Err(error) => eprintln!("{error}"),
        }
    }
}

async fn roll_back<D: Database>(publishing: &Publishing<'_, D::Store>, number: u64) -> Result<()> {
    let _transaction = write::<D>(publishing, number).await?;
    publishing.role.at(Point::Within);
    Ok(())
}

async fn commit<D: Database>(publishing: &Publishing<'_, D::Store>, number: u64) -> Result<()> {
    D::commit(write::<D>(publishing, number).await?).await
}

/// Writes a number into a transaction.
async fn write<D: Database>(
    publishing: &Publishing<'_, D::Store>,
    number: u64,
) -> Result<D::Begun> {
    let key = publishing.key;
    let transaction = D::begin(publishing.store.store()).await?;
    let mut transaction = Around::<D::Store, Role>::within(transaction);
    let mut within = publishing.publisher.within(&mut transaction);
    within.publish(Numbered { key, number }).await?;
    Ok(transaction.into_inner())
}

/// Ends with whoever started it.
pub(super) fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::read_to_string(std::io::stdin());
        die()
    });
}
