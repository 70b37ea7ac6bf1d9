//! Services on a real broker, through kills and a bad network: a service is killed, the broker is
//! killed, both are, the connections are cut, the network stands still. Each number whose `publish`
//! returned must be handled, in order by key; what is handled twice is counted and has a bound.
//!
//! ```text
//! cargo run --release -p fanfare-tests --features kafka --bin faults -- --streamer kafka --kills 50
//! ```
//!
//! There is no store here: it is the streamer that is tried. The last line tells how it went, and
//! the exit code whether that is right. With Kafka and `RabbitMQ` two instances share the work, so
//! that each kill of one hands its streams to the other and back.

mod books;
mod scene;
mod service;
mod site;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use books::Books;
use clap::{Parser, ValueEnum};
use fanfare::Result;
use fanfare_tests::lives;
use indicatif::{ProgressBar, ProgressStyle};
use scene::Scene;
use site::Site;

/// Kills services and their broker, cuts their network, and sees that nothing is lost.
#[derive(Parser)]
struct Arguments {
    /// The broker that carries the events.
    #[arg(long, value_enum)]
    streamer: Kind,
    /// How many faults there are.
    #[arg(long, default_value_t = 20)]
    kills: u64,
    /// What the faults come from; given to see a run again, as far as a machine repeats itself.
    #[arg(long)]
    seed: Option<u64>,
    /// Nothing else goes wrong than this.
    #[arg(long, value_enum)]
    only: Option<Trouble>,
    #[command(flatten)]
    instance: service::InstanceArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Kind {
    Kafka,
    Nats,
    Amqp,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Trouble {
    /// An instance is killed, and another begins.
    Service,
    /// An instance is asked to end, and another begins.
    Restart,
    /// The broker is killed, and begins again with its files.
    Broker,
    /// The broker and all instances are killed.
    Both,
    /// Every connection is cut.
    Cut,
    /// Nothing gets through for seconds.
    Stall,
}

const TROUBLES: [Trouble; 9] = [
    // More of what is quick.
    Trouble::Service,
    Trouble::Service,
    Trouble::Service,
    Trouble::Restart,
    Trouble::Cut,
    Trouble::Cut,
    Trouble::Stall,
    Trouble::Broker,
    Trouble::Both,
];

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.instance.url.is_some() {
        service::run(&arguments.instance)?;
        return Ok(ExitCode::SUCCESS);
    }
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}");
    fastrand::seed(seed);
    let folder = tempfile::tempdir()?;
    let site = Site::open(arguments.streamer);
    let mut scene = Scene::new(folder.path(), site.url());
    if let Err(error) = play(&arguments, &site, &mut scene) {
        eprintln!("{}", scene.log());
        return Err(error);
    }
    let books = Books::read(folder.path(), &scene.published);
    let most_twice = service::MOST_TWICE + site.most_uncommitted();
    let bound = arguments.kills * most_twice * site.instances();
    println!("handled={} at most {bound} twice", books.handled());
    println!(
        "faults: streamer={} kills={} published={} lost={} out_of_order={} duplicates={}",
        lives::name(&arguments.streamer),
        arguments.kills,
        books.published(),
        books.lost(),
        books.out_of_order(),
        books.twice()
    );
    let is_right = books.published() > 0
        && books.lost() + books.out_of_order() + books.unknown() == 0
        && books.twice() as u64 <= bound;
    if !is_right {
        eprintln!("{}\n{}", scene.log(), books.wrong());
    }
    Ok(if is_right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn play(arguments: &Arguments, site: &Site, scene: &mut Scene) -> Result<()> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {eta} left")?;
    let bar = ProgressBar::new(arguments.kills).with_style(style);
    let mut happened = BTreeMap::<String, u64>::new();
    for _ in 0..site.instances() {
        scene.begin()?;
    }
    scene.work_goes_on()?;
    site.settle();
    for _ in 0..arguments.kills {
        let any = TROUBLES[fastrand::usize(..TROUBLES.len())];
        let trouble = arguments.only.unwrap_or(any);
        let name = lives::name(&trouble);
        bar.set_message(name.clone());
        thread::sleep(Duration::from_millis(fastrand::u64(0..300)));
        cause(trouble, site, scene)?;
        *happened.entry(name).or_default() += 1;
        // It comes back by itself, each time.
        scene.work_goes_on()?;
        site.has_settled()?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let happened = happened
        .iter()
        .map(|(what, times)| format!("{what}={times}"));
    println!("{}", happened.collect::<Vec<_>>().join(" "));
    scene.finish()
}

fn cause(trouble: Trouble, site: &Site, scene: &mut Scene) -> Result<()> {
    match trouble {
        Trouble::Service => {
            scene.kill_one()?;
            scene.begin()?;
        }
        Trouble::Restart => {
            scene.end_one()?;
            scene.begin()?;
        }
        Trouble::Broker => site.kill_and_restart(),
        Trouble::Both => {
            for _ in 0..site.instances() {
                scene.kill_one()?;
            }
            site.kill_and_restart();
            for _ in 0..site.instances() {
                scene.begin()?;
            }
        }
        Trouble::Cut => {
            site.cut();
            thread::sleep(Duration::from_millis(fastrand::u64(0..500)));
            site.heal();
        }
        Trouble::Stall => {
            site.stall();
            thread::sleep(Duration::from_millis(fastrand::u64(500..3000)));
            site.heal();
        }
    }
    Ok(())
}
