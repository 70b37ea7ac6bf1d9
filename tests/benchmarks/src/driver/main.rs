//! Lets the contenders take turns, and says what it cost: see `tests/benchmarks/run`.

mod builds;
mod counts;
mod goals;
mod grow;
mod report;
mod table;
mod turn;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use report::Report;

/// Measures fanfare beside the floor and beside others, in one interleaved run.
#[derive(Debug, Parser)]
struct Arguments {
    /// What is measured; the table of all, where nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
    /// How often each contender has its turn; what is said is the median.
    #[arg(long, global = true, default_value_t = 5)]
    rounds: usize,
    /// How many events are announced in a turn.
    #[arg(long, global = true, default_value_t = 1_000_000)]
    events: u64,
    /// Leaves out what takes minutes: valgrind's counts and the builds.
    #[arg(long, global = true)]
    quick: bool,
    /// Writes the figures to this file.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Instructions and allocations of an event, and what grew since `baseline.json`.
    Counts {
        /// Makes them the new baseline.
        #[arg(long)]
        write: bool,
    },
    /// How cost grows with handlers, topics, payloads, keys and the rest.
    Grow,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut report = Report::new();
    let grown = match arguments.command {
        None => whole_table(&arguments, &mut report),
        Some(Command::Counts { write }) => counts(write, &mut report),
        Some(Command::Grow) => {
            grow::measure(arguments.rounds, arguments.events, &mut report);
            false
        }
    };
    report.print();
    if let Some(path) = &arguments.json {
        fs::write(path, report.json()).expect("written");
    }
    ExitCode::from(u8::from(grown))
}

/// The table, and whether a count grew.
fn whole_table(arguments: &Arguments, report: &mut Report) -> bool {
    let turns = table::measure(arguments.rounds, arguments.events);
    turns.tell(report);
    let mut goals = turns.goals();
    let mut grown = false;
    if !arguments.quick {
        let counts = counts::Counts::measure();
        counts.tell(report);
        goals.push(counts.goal());
        grown = counts.tell_growth(report);
        let builds = builds::measure(arguments.rounds);
        builds.tell(report);
        goals.extend(builds.goals());
    }
    goals::tell(&goals, report);
    grown
}

fn counts(write: bool, report: &mut Report) -> bool {
    let counts = counts::Counts::measure();
    counts.tell(report);
    goals::tell(&[counts.goal()], report);
    let grown = counts.tell_growth(report);
    if write {
        counts.write();
    }
    grown && !write
}

/// A bar for so many turns.
fn bar(turns: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} ({elapsed})");
    ProgressBar::new(turns as u64).with_style(style.expect("a template"))
}

/// The one in the middle, or between the two there.
fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    f64::midpoint(numbers[half], numbers[(numbers.len() - 1) / 2])
}
