//! The command line that a service has for its operator.
//!
//! [`App::cli`] is the whole of it: without arguments the service runs, and with a [`Command`] it
//! does that and ends. A program that has arguments of its own takes a [`Command`] among them:
//!
//! ```no_run
//! use clap::Parser;
//! use fanfare::{App, cli};
//!
//! #[derive(Parser)]
//! struct Arguments {
//!     #[arg(long, default_value_t = 8080)]
//!     port: u16,
//!     #[command(subcommand)]
//!     command: Option<cli::Command>,
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> fanfare::Result<()> {
//! let arguments = Arguments::parse();
//! let app = App::new("blog");
//! match arguments.command {
//!     Some(command) => app.command(command).await,
//!     None => app.run().await,
//! }
//! # }
//! ```
//!
//! What a command gives is on standard output, as a text for people or with `--json` for programs;
//! what went wrong is the error that it ends with. A service that logs to standard output mixes
//! the two: let it log to standard error.

mod asyncapi;
mod leftovers;
mod letters;
mod log;
mod print;
mod schemas;
mod topology;

use clap::{Parser, Subcommand};

use self::asyncapi::AsyncApi;
use self::leftovers::LeftoversCommand;
use self::letters::LettersCommand;
use self::log::{CursorsCommand, FirstPosition};
use self::print::{Print, json_of_faults};
use self::schemas::SchemasCommand;
use self::topology::{Drawn, TopologyCommand};
use crate::app::App;
use crate::error::{Error, Result};

/// What an operator can ask of a service.
///
/// - `topology` shows what the code declares, with `--format mermaid`, `dot` or `svg` as a picture;
///   `check` looks for what keeps the app from starting, and connects to no streamer.
/// - `topology merge` takes what `topology --json` wrote of several services, shows them as one, and
///   fails where they disagree: a subscriber cannot read what a publisher writes, an event is heard
///   and nobody publishes it, or is published and nobody hears it. What a service publishes is what it
///   declares with a topic and does not hear there itself. Who hears an event has to declare it, too;
///   where only those do, it is told and, without `--strict`, no disagreement. Streamers of different
///   services are the same where they have the same declared name.
/// - `dead-letters list | show | replay | drop` are about those in the store. A replay runs the
///   handler in this process, with the app's states, and connects to no broker (but for a letter
///   of a topic); it does not matter whether the service is running, too. See
///   [`Running::replay_dead_letter`](crate::Running::replay_dead_letter).
/// - `replay` lets a handler of the service's own events begin again from a position. Who works
///   does it: a service that is running notices within seconds, else the next one that starts.
/// - `cursors` shows how far everyone has come with the log, and forgets the cursor of a handler
///   or topic that the code has no more.
/// - `prune` removes the events that every cursor has passed.
/// - `schemas check` compares the events with `fanfare.schemas.json`, which holds the JSON Schema of
///   each by name and version and is to be committed; `schemas update` writes it, unless an event has
///   changed without a new version as its `compatibility` does not allow: it is compared with what it
///   was when the file was written last. Events that the program does
///   not declare stay in the file, for other programs of the package. With the feature `avro`,
///   `schemas avro EVENT` prints the schema that an event has in Avro, whatever it is streamed in: for a
///   registry where others register it.
/// - `asyncapi` prints the document of [`Topology::asyncapi`](crate::topology::Topology::asyncapi).
/// - `leftovers` connects to the brokers and lists the groups that they keep for handlers which the
///   code has no more; `leftovers remove` removes them. What a group that was named by hand left is
///   not found. A broker in trouble, or a group that cannot be removed, is an error in the end, and
///   hides nothing of the others.
#[derive(Clone, Debug, Subcommand)]
// Or this documentation would be the description of a program that has none.
#[command(about = None, long_about = None)]
pub enum Command {
    /// Show what the code declares: events, handlers, streamers, topics
    Topology {
        /// Nothing said, it is of this service alone.
        #[command(subcommand)]
        command: Option<TopologyCommand>,
        /// How it is printed.
        #[command(flatten)]
        drawn: Drawn,
    },
    /// Look for what keeps the service from starting, and connect to no streamer
    Check {
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// List, show, replay or drop the dead letters in the store
    #[command(subcommand)]
    DeadLetters(LettersCommand),
    /// Let a handler of the service's own events begin again from a position of the log
    Replay {
        /// The handler's name
        #[arg(long)]
        handler: String,
        /// The position of the first event that it gets again, or `beginning`
        #[arg(long)]
        from: FirstPosition,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// Show how far everyone has come with the log, or forget a cursor
    Cursors {
        /// Nothing said, they are listed.
        #[command(subcommand)]
        command: Option<CursorsCommand>,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// Remove the stored events that every cursor has passed
    Prune {
        /// Only those that were stored so long ago: `90days`, `12h`
        #[arg(long, value_parser = humantime::parse_duration)]
        older_than: std::time::Duration,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// Check the shapes of the events against the file of schemas, or update it
    #[command(subcommand)]
    Schemas(SchemasCommand),
    /// Print an AsyncAPI document of what the service sends and receives
    #[command(name = "asyncapi")]
    AsyncApi(AsyncApi),
    /// List what removed handlers left behind at the brokers, or remove it
    Leftovers {
        /// Nothing said, it is listed.
        #[command(subcommand)]
        command: Option<LeftoversCommand>,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
}

/// The arguments of a service that has no others.
#[derive(Parser)]
#[command(
    about = "Runs the service; or does what a command says, and ends",
    name = "service"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

impl App {
    /// Does what the program's arguments say: nothing said, it [runs](App::run); else it does
    /// the [`Command`](crate::cli::Command) and ends. Wrong arguments and `--help` end the process as clap does, with
    /// the exit code 2 or 0.
    ///
    /// ```no_run
    /// use fanfare::App;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> fanfare::Result<()> {
    /// App::new("blog").cli().await // `cargo run -- dead-letters list`
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`run`](App::run) and [`command`](App::command).
    pub async fn cli(self) -> Result<()> {
        match Arguments::parse().command {
            Some(command) => self.command(command).await,
            None => self.run().await,
        }
    }

    /// Does one command: see [`cli`](crate::cli).
    ///
    /// # Errors
    /// Says what could not be done. What could be is done, and printed.
    pub async fn command(self, command: Command) -> Result<()> {
        match command {
            Command::Topology { command, drawn } => topology::run(&self, command, drawn),
            Command::Check { print } => self.checked(print),
            Command::DeadLetters(command) => command.run(self).await,
            Command::Replay {
                handler,
                from,
                print,
            } => log::replay(self, &handler, from, print).await,
            Command::Cursors {
                command: None,
                print,
            } => log::cursors(self, print).await,
            Command::Cursors {
                command: Some(CursorsCommand::Forget { name }),
                print,
            } => log::forget(self, &name, print).await,
            Command::Prune { older_than, print } => log::prune(self, older_than, print).await,
            Command::Schemas(command) => command.run(&self),
            Command::AsyncApi(command) => command.run(&self),
            Command::Leftovers { command, print } => leftovers::run(self, command, print).await,
        }
    }

    fn checked(&self, print: Print) -> Result<()> {
        let checked = self.check();
        let Err(faults) = checked else {
            let good = format!("nothing keeps the app `{}` from starting", self.service());
            return print.out(&serde_json::json!({"faults": []}), &good);
        };
        if !print.json {
            return Err(Error::from(faults));
        }
        print.out(&json_of_faults(&faults), &"")?;
        Err(Error::msg(format!(
            "the app `{}` has faults",
            self.service()
        )))
    }
}
