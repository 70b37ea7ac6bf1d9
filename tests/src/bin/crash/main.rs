//! A service that is killed, again and again, at random moments. Each event whose `publish`
//! returned must be stored, streamed and handled, in order by key; what a handler that deduplicates
//! announces must be there once; nothing that was rolled back may appear.
//!
//! ```text
//! cargo run --release -p fanfare-tests --bin crash -- --store sqlite --kills 200
//! cargo run --release -p fanfare-tests --bin crash -- --store postgres --kills 200
//! ```
//!
//! With Postgres, every tenth kill is the server's instead. The last line tells how it went, and
//! the exit code whether that is right.

mod books;
mod service;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use books::Books;
use clap::{Parser, ValueEnum};
use fanfare::Result;
use fanfare_tests::Postgres;
use indicatif::{ProgressBar, ProgressStyle};

/// Kills a service at random moments, and sees that it loses nothing.
#[derive(Parser)]
struct Arguments {
    /// Where its events are stored.
    #[arg(long, value_enum)]
    store: Kind,
    /// How often it is killed.
    #[arg(long, default_value_t = 50)]
    kills: u64,
    /// What the moments come from; given to see a run again, as far as a machine repeats itself.
    #[arg(long)]
    seed: Option<u64>,
    /// The service itself: for this program's own use.
    #[command(flatten)]
    service: service::ServiceArguments,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.service.address.is_some() {
        service::run(arguments.service).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    fastrand::seed(seed);
    let folder = tempfile::tempdir()?;
    let server = (arguments.store == Kind::Postgres).then(Postgres::start);
    let address = match &server {
        Some(server) => server.database().await,
        None => folder.path().join("crash.db").display().to_string(),
    };
    let published = kill(&arguments, folder.path(), &address, server.as_ref())?;
    let books = Books::read(folder.path(), &address, published).await?;
    let right = books.are_right();
    println!("{}", books.line(arguments.kills));
    Ok(if right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Runs the service, kills it so often, and lets the last one finish: the numbers whose
/// `publish` returned.
fn kill(
    arguments: &Arguments,
    folder: &Path,
    address: &str,
    server: Option<&Postgres>,
) -> Result<Vec<u64>> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} kills, {eta} left")?;
    let bar = ProgressBar::new(arguments.kills).with_style(style);
    let mut published = Vec::new();
    let mut life = Life::begin(folder, address, 0)?;
    for kill in 1..=arguments.kills {
        thread::sleep(Duration::from_millis(fastrand::u64(50..400)));
        match server {
            Some(server) if kill % 10 == 0 => {
                server.kill();
                server.restart();
            }
            _ => {
                published.extend(life.end()?);
                life = Life::begin(folder, address, kill)?;
            }
        }
        bar.inc(1);
    }
    published.extend(life.end()?);
    bar.finish_and_clear();
    let status = command(folder, address, arguments.kills + 1)?
        .arg("--finish")
        .status()?;
    if !status.success() {
        return Err(fanfare::Error::msg("the last run did not come to its end"));
    }
    Ok(published)
}

fn command(folder: &Path, address: &str, round: u64) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["--store", "sqlite", "--address", address])
        .args(["--round", &round.to_string()])
        .arg("--folder")
        .arg(folder);
    Ok(command)
}

/// A run of the service, until it is killed.
struct Life {
    service: Child,
    /// What it says that it has published.
    said: thread::JoinHandle<Vec<u64>>,
}

impl Life {
    fn begin(folder: &Path, address: &str, round: u64) -> Result<Life> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log(folder))?;
        let mut service = command(folder, address, round)?
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let out = service.stdout.take();
        let said = thread::spawn(move || {
            let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines());
            // The last line may have been cut off: a number counts with its end.
            let whole = lines.map_while(std::result::Result::ok);
            whole
                .filter_map(|line| line.strip_suffix('.')?.parse().ok())
                .collect()
        });
        Ok(Life { service, said })
    }

    fn end(mut self) -> Result<Vec<u64>> {
        self.service.kill()?;
        self.service.wait()?;
        let said = self.said.join();
        said.map_err(|_| fanfare::Error::msg("the reader of the service has panicked"))
    }
}

fn log(folder: &Path) -> PathBuf {
    folder.join("log")
}
