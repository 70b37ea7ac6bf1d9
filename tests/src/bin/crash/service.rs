//! The service that is killed.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fanfare::prelude::*;
use fanfare::store::{PostgresStore, SqliteStore, Store, Transaction, sqlx};
use fanfare::streamer::{Outgoing, Publish, StreamError, Streamer};

use super::books::{EFFECTS, HANDLED, STREAMED, is_complete};

/// How many publish at a time, each its own key.
pub(super) const KEYS: u64 = 7;

/// What is rolled back has a number from here.
pub(super) const ROLLED_BACK: u64 = 1 << 60;

#[derive(clap::Args)]
pub(super) struct ServiceArguments {
    /// The database.
    #[arg(long, hide = true)]
    pub(super) address: Option<String>,
    /// Where the files are.
    #[arg(long, hide = true, default_value = ".")]
    folder: PathBuf,
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
    pub(super) file: Lines,
}

#[event(stream_to = streamer!("file", "numbers"), key = key)]
pub(super) struct Numbered {
    pub(super) key: u64,
    pub(super) number: u64,
}

/// What the handler of a number leaves behind: once for each.
#[event]
pub(super) struct Effect {
    pub(super) number: u64,
}

#[event_handler(from = beginning, concurrency = 4, deduplicate)]
async fn handle(
    numbered: Numbered,
    publisher: Publisher,
    State(handled): State<Arc<File>>,
) -> Result<()> {
    let Numbered { key, number } = numbered;
    (&*handled).write_all(format!("{key} {number}\n").as_bytes())?;
    publisher.publish(Effect { number }).await?;
    Ok(())
}

/// Announced so that what is announced goes somewhere.
#[event_handler(from = beginning)]
async fn count(effect: Effect, State(effects): State<Effects>) -> Result<()> {
    (&*effects.0).write_all(format!("{}\n", effect.number).as_bytes())?;
    Ok(())
}

#[derive(Clone)]
struct Effects(Arc<File>);

/// A streamer that keeps what it is given as lines of a file, which outlives the service.
pub(super) struct Lines(File);

impl Streamer for Lines {}

impl Publish for Lines {
    async fn publish(&self, _topic: &str, batch: &mut [Outgoing]) {
        for outgoing in batch {
            let line = serde_json::from_slice(outgoing.message().payload());
            let written = line
                .map_err(StreamError::new)
                .and_then(|numbered: Numbered| {
                    let line = format!("{} {}\n", numbered.key, numbered.number);
                    (&self.0)
                        .write_all(line.as_bytes())
                        .map_err(StreamError::new)
                });
            outgoing.report(written);
        }
    }
}

/// A store whose transactions are begun alike.
trait Begin: Store + Clone {
    type Begun: Transaction<Store = Self>;

    async fn begun(&self) -> Result<Self::Begun>;
}

impl Begin for SqliteStore {
    type Begun = sqlx::Transaction<'static, sqlx::Sqlite>;

    async fn begun(&self) -> Result<Self::Begun> {
        Ok(self.begin().await?)
    }
}

impl Begin for PostgresStore {
    type Begun = sqlx::Transaction<'static, sqlx::Postgres>;

    async fn begun(&self) -> Result<Self::Begun> {
        Ok(self.begin().await?)
    }
}

pub(super) async fn run(arguments: ServiceArguments) -> Result<()> {
    let address = arguments.address.clone().unwrap_or_default();
    if address.starts_with("postgres:") {
        serve(PostgresStore::connect(&address).await?, &arguments).await
    } else {
        serve(SqliteStore::open(&address).await?, &arguments).await
    }
}

async fn serve(store: impl Begin, arguments: &ServiceArguments) -> Result<()> {
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .init();
    let streamers = Streamers {
        file: Lines(appending(&arguments.folder, STREAMED)?),
    };
    let app = App::new("crash")
        .streamers(streamers)
        .state(Arc::new(appending(&arguments.folder, HANDLED)?))
        .state(Effects(Arc::new(appending(&arguments.folder, EFFECTS)?)));
    let running = app.store(store.clone()).start().await?;
    if arguments.finish {
        while !is_complete(&store, &arguments.folder).await? {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        return running.shutdown().await;
    }
    let publisher = running.publisher_with()?;
    let publishing = (0..KEYS).map(|key| publish(key, arguments.round, &store, &publisher));
    futures_util::future::join_all(publishing).await;
    Ok(())
}

/// Publishes number after number of one key, and says each that is stored; rolls some back.
async fn publish<S: Begin>(key: u64, round: u64, store: &S, publisher: &Publisher<S>) {
    for nth in 0.. {
        let number = (round << 32) + nth * KEYS + key;
        if nth % 5 == 4 {
            let rolled_back = roll_back(key, ROLLED_BACK + number, store, publisher);
            if let Err(error) = rolled_back.await {
                eprintln!("{error}");
            }
        }
        match publisher.publish(Numbered { key, number }).await {
            Ok(_) => println!("{number}."),
            // It may be stored all the same, and is then streamed and handled.
            Err(error) => eprintln!("{error}"),
        }
    }
}

async fn roll_back<S: Begin>(
    key: u64,
    number: u64,
    store: &S,
    publisher: &Publisher<S>,
) -> Result<()> {
    let mut transaction = store.begun().await?;
    let mut within = publisher.within(&mut transaction);
    within.publish(Numbered { key, number }).await?;
    drop(transaction);
    Ok(())
}

fn appending(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(name);
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}
