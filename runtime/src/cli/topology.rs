//! What the code declares, of one service or of a fleet, in words and as a picture.

use std::fmt::Display;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::print::{Print, out};
use crate::app::App;
use crate::error::{Error, Result};
use crate::event::printable;
use crate::topology::fleet::{Disagreement, Fleet, Kind};
use crate::topology::picture::{Listing, Picture};

/// What can be done with the topologies of several services.
#[derive(Clone, Debug, Subcommand)]
pub enum TopologyCommand {
    /// Draw several services as one, and fail where they disagree
    ///
    /// They disagree where a subscriber cannot read what a publisher writes, where an event is heard
    /// and nobody publishes it, and where one is published and nobody hears it. All of it is listed on
    /// standard error, or with `--json` in the JSON, and the exit code is 1. Streamers of different
    /// services are the same where they have the same declared name.
    Merge {
        /// Files as `topology --json` writes them, one for each service; `-` is standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// A topic that others than these services publish to and hear, too: `streamer/topic`
        #[arg(long, value_name = "TOPIC")]
        outside: Vec<String>,
        /// Fail also where only those who hear an event declare it, so that nobody may publish it
        #[arg(long)]
        strict: bool,
    },
}

/// How a topology is printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct Drawn {
    /// How it is printed.
    #[command(flatten)]
    print: Print,
    /// How it is printed: `--json` is short for `json`
    #[arg(long, global = true, value_enum, default_value = "text")]
    format: Format,
}

/// In words, for a program, or as a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A list
    Text,
    /// All of it, with the schemas
    Json,
    /// A flowchart in Mermaid
    Mermaid,
    /// A graph for Graphviz
    Dot,
    /// A drawing that every browser shows
    Svg,
}

impl Drawn {
    fn format(self) -> Format {
        if self.print.json {
            return Format::Json;
        }
        self.format
    }

    fn out(self, fleet: &Fleet, value: &Value, text: &dyn Display) -> Result<()> {
        let picture = || Picture::of(fleet);
        match self.format() {
            Format::Text => out(text),
            Format::Json => out(&format_args!("{value:#}")),
            Format::Mermaid => out(&picture().mermaid()),
            Format::Dot => out(&picture().dot()),
            Format::Svg => out(&picture().svg()),
        }
    }
}

pub(super) fn run(app: &App, command: Option<TopologyCommand>, drawn: Drawn) -> Result<()> {
    match command {
        None => {
            let topology = app.topology();
            drawn.out(&Fleet::of(&topology), &topology.to_json(), &topology)
        }
        Some(TopologyCommand::Merge {
            files,
            outside,
            strict,
        }) => merge(&files, &outside, strict, drawn),
    }
}

fn merge(files: &[PathBuf], outside: &[String], strict: bool, drawn: Drawn) -> Result<()> {
    let texts: Vec<_> = files.iter().map(|file| read(file)).collect::<Result<_>>()?;
    let texts = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_slice()));
    let fleet = Fleet::read(texts)?;
    let found = disagreements(&fleet, outside)?;
    let (certain, doubts): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|it| strict || it.is_certain);
    let value = json!({
        "services": fleet.services,
        "disagreements": certain,
        "doubts": doubts,
    });
    drawn.out(&fleet, &value, &Listing(&fleet))?;
    if drawn.format() == Format::Json {
        return match certain.len() {
            0 => Ok(()),
            count => Err(Error::msg(format!(
                "disagreements of the services: {count}"
            ))),
        };
    }
    told(&certain, &doubts)
}

/// The name of a file, and what is in it.
fn read(file: &Path) -> Result<(String, Vec<u8>)> {
    let name = printable(file.display());
    let text = if file == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text).map(|_| text)
    } else {
        fs::read(file)
    };
    match text {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(Error::msg(format!("`{name}` cannot be read: {error}"))),
    }
}

/// Where others come and go, what nobody of the fleet publishes or hears is theirs.
fn disagreements(fleet: &Fleet, outside: &[String]) -> Result<Vec<Disagreement>> {
    let topics: Vec<_> = fleet.traffic().keys().map(ToString::to_string).collect();
    if let Some(unknown) = outside.iter().find(|topic| !topics.contains(topic)) {
        return Err(Error::msg(format!(
            "`--outside {}`: the services have no such topic; theirs are {}",
            printable(unknown),
            printable(topics.join(", "))
        )));
    }
    let mut found = fleet.disagreements();
    found.retain(|it| it.kind == Kind::Unreadable || !outside.contains(&it.topic.to_string()));
    Ok(found)
}

/// On standard error: the error that the command ends with is all that is certain.
fn told(certain: &[Disagreement], doubts: &[Disagreement]) -> Result<()> {
    let mut err = io::stderr().lock();
    for doubt in doubts {
        // Nobody may be there to read it.
        let _ = writeln!(err, "Perhaps: {}", doubt.message);
    }
    if certain.is_empty() {
        return Ok(());
    }
    let listed = certain.iter().map(|it| format!("\n  {}", it.message));
    let listed: String = listed.collect();
    Err(Error::msg(format!("the services disagree:{listed}")))
}
