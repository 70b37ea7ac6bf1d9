//! A service whose parts are killed, again and again, at random moments: the instance that
//! publishes, the one that streams what is stored, the one that handles it, and the broker. Each
//! event whose `publish` returned must be stored, streamed and handled, in order by key; what a
//! handler that deduplicates announces must be there once; nothing that was rolled back may appear.
//!
//! ```text
//! cargo run --release -p fanfare-tests --bin crash -- --store sqlite --kills 200
//! cargo run --release -p fanfare-tests --bin crash -- --store postgres --kills 200
//! ```
//!
//! On `SQLite` one process at a time works with what is stored: there the one that streams and the
//! one that handles take turns. With Postgres, every tenth kill is the server's instead. The last
//! line tells how it went, and the exit code whether that is right.
//!
//! With `--point`, one kill at just that moment: see [`Point`].

mod books;
mod broker;
mod database;
mod point;
mod scene;
mod service;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use books::Books;
use clap::{Parser, ValueEnum};
use database::Hold;
use fanfare::Result;
use fanfare_tests::Postgres;
use fanfare_tests::lives::name;
use indicatif::{ProgressBar, ProgressStyle};
use point::{Part, Point};
use scene::Scene;

/// Kills a service at random moments, and sees that it loses nothing.
#[derive(Parser)]
struct Arguments {
    /// Where its events are stored.
    #[arg(long, value_enum)]
    store: Kind,
    /// How often something is killed.
    #[arg(long, default_value_t = 50)]
    kills: u64,
    /// What the moments come from; given to see a run again, as far as a machine repeats itself.
    #[arg(long)]
    seed: Option<u64>,
    /// One kill only, at this moment.
    #[arg(long, value_enum)]
    point: Option<Point>,
    /// A database of a Postgres server that is there, rather than of one of its own.
    #[arg(long)]
    database: Option<String>,
    #[command(flatten)]
    part: service::PartArguments,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(part) = arguments.part.part {
        service::end_with_parent();
        match part {
            Part::Broker => broker::run(&arguments.part.folder, arguments.point)?,
            _ => service::run(arguments.part, arguments.point).await?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let folder = tempfile::tempdir()?;
    let is_own = arguments.store == Kind::Postgres && arguments.database.is_none();
    let server = is_own.then(Postgres::start);
    let address = match (&arguments.database, &server) {
        (Some(database), _) => database.clone(),
        (None, Some(server)) => server.database().await,
        (None, None) => folder.path().join("crash.db").display().to_string(),
    };
    let mut scene = Scene::new(folder.path(), &address);
    let played = match arguments.point {
        Some(point) => kill_at(point, &mut scene, &address).await,
        None => kill_at_random(&arguments, &mut scene, server.as_ref()),
    };
    if let Err(error) = played {
        eprintln!("{}", scene.log());
        return Err(error);
    }
    let kills = arguments.point.map_or(arguments.kills, |_| 1);
    let books = Books::read(folder.path(), &address, scene.published).await?;
    println!("{}", books.again());
    println!("{}", books.line(kills));
    Ok(if books.are_right() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Who can be killed, all as often; one of each line lives at a time.
fn cast(store: Kind) -> &'static [&'static [Part]] {
    use Part::{Broker, Handlers, Publisher, Relay};
    match store {
        Kind::Postgres => &[&[Broker], &[Publisher], &[Relay], &[Handlers]],
        // Twice, so that each of the two comes to its share.
        Kind::Sqlite => {
            const WORKER: &[Part] = &[Relay, Handlers];
            &[&[Broker], &[Publisher], WORKER, WORKER]
        }
    }
}

/// Kills so often, and lets the last life finish.
fn kill_at_random(
    arguments: &Arguments,
    scene: &mut Scene,
    server: Option<&Postgres>,
) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    fastrand::seed(seed);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} kills, {eta} left")?;
    let bar = ProgressBar::new(arguments.kills).with_style(style);
    let cast = cast(arguments.store);
    let mut killed = BTreeMap::<String, u64>::new();
    for (nth, parts) in cast.iter().enumerate() {
        if !cast[..nth].contains(parts) {
            scene.begin(parts[0], None)?;
        }
    }
    for kill in 1..=arguments.kills {
        thread::sleep(Duration::from_millis(fastrand::u64(50..400)));
        let dead = match server {
            Some(server) if kill % 10 == 0 => {
                server.kill();
                server.restart();
                "server".to_owned()
            }
            _ => {
                let parts = cast[fastrand::usize(..cast.len())];
                let dead = scene.kill(parts)?;
                scene.begin(parts[fastrand::usize(..parts.len())], None)?;
                name(&dead)
            }
        };
        *killed.entry(dead).or_default() += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let killed = killed.iter().map(|(part, times)| format!("{part}={times}"));
    println!("killed: {}", killed.collect::<Vec<_>>().join(" "));
    scene.finish()
}

/// How long a moment may be waited for.
const LONGEST: Duration = Duration::from_mins(1);

/// One kill, at this moment, and a life to finish.
async fn kill_at(point: Point, scene: &mut Scene, address: &str) -> Result<()> {
    let mut hold = match point {
        Point::Marked => Some(Hold::on(address).await?),
        _ => None,
    };
    for part in [Part::Broker, Part::Whole] {
        scene.begin(part, Some(point).filter(|point| point.part() == part))?;
    }
    let begun = Instant::now();
    while !scene.is_dead(point.part())? {
        if begun.elapsed() > LONGEST {
            return Err(fanfare::Error::msg("the moment never came"));
        }
        if let Some(hold) = &mut hold
            && hold.holds().await?
        {
            scene.kill(&[point.part()])?;
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if let Some(hold) = hold {
        hold.end().await?;
    }
    scene.finish()
}
