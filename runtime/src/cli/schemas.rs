//! The file of schemas.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
#[cfg(feature = "avro")]
use serde_json::Value;
use serde_json::json;

use super::print::{Print, json_of_faults};
#[cfg(feature = "avro")]
use crate::app::avro_schema;
use crate::app::{App, Fault, Faults, schemas};
use crate::error::{Error, Result};
use crate::topology::schemas::{FILE, Lock};

/// What can be done with the file of schemas.
#[derive(Clone, Debug, Subcommand)]
pub enum SchemasCommand {
    /// Look whether the events are what the file says; fail where they are not
    Check {
        /// The file.
        #[command(flatten)]
        file: File,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// Write the events as they are; fail, and write nothing, where one has broken its promise
    Update {
        /// The file.
        #[command(flatten)]
        file: File,
        /// Write it all the same, and forget versions that are gone
        #[arg(long)]
        force: bool,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
    /// Print the schema that an event has in Avro, as the registry gets it
    #[cfg(feature = "avro")]
    Avro {
        /// The event's name
        event: String,
        /// Its version; if not said, the newest
        #[arg(long)]
        version: Option<u32>,
        /// How it is printed.
        #[command(flatten)]
        print: Print,
    },
}

/// Where the schemas are kept.
#[derive(Clone, Debug, Args)]
pub struct File {
    /// Where the schemas are kept
    #[arg(long, default_value = FILE)]
    file: PathBuf,
}

impl SchemasCommand {
    pub(super) fn run(&self, app: &App) -> Result<()> {
        match self {
            SchemasCommand::Check { file, print } => check(app, &file.file, *print),
            SchemasCommand::Update { file, force, print } => {
                update(app, &file.file, *force, *print)
            }
            #[cfg(feature = "avro")]
            SchemasCommand::Avro {
                event,
                version,
                print,
            } => avro(app, event, *version, *print),
        }
    }
}

fn check(app: &App, file: &Path, print: Print) -> Result<()> {
    let Some(lock) = open(app, file)? else {
        return Err(Error::msg(format!(
            "there is no `{}`: write it with `schemas update`, and commit it",
            file.display()
        )));
    };
    let topology = app.topology();
    let faults = schemas::differences(&lock, &topology, file);
    let Some(faults) = Faults::of(app, faults) else {
        let good = format!("the events are what `{}` says", file.display());
        return print.out(&json!({"faults": []}), &good);
    };
    if !print.json {
        return Err(Error::msg(listed(&faults)));
    }
    print.out(&json_of_faults(&faults), &"")?;
    let count = faults.iter().count();
    Err(Error::msg(format!(
        "{count} events are not what `{}` says",
        file.display()
    )))
}

fn update(app: &App, file: &Path, force: bool, print: Print) -> Result<()> {
    let mut lock = open(app, file)?.unwrap_or_default();
    let topology = app.topology();
    let differences = lock.differences(&topology);
    let broken = differences.iter().filter(|it| it.breaks());
    let broken = broken.map(|it| schemas::fault(it, file)).collect();
    if !force && let Some(faults) = Faults::of(app, broken) {
        return Err(Error::msg(listed(&faults)));
    }
    lock.update(&topology);
    lock.save(file)
        .map_err(|error| Error::msg(format!("`{}` cannot be written: {error}", file.display())))?;
    let changed: Vec<_> = differences
        .iter()
        .map(|it| format!("{} v{}", it.event.name, it.version))
        .collect();
    let text = match &changed[..] {
        [] => format!("`{}` says what the events are already", file.display()),
        changed => format!(
            "`{}` says now what these are: {}",
            file.display(),
            changed.join(", ")
        ),
    };
    print.out(&json!({"changed": changed}), &text)
}

#[cfg(feature = "avro")]
fn avro(app: &App, event: &str, version: Option<u32>, print: Print) -> Result<()> {
    let topology = app.topology();
    let of_name = topology.events.iter().filter(|it| it.name == event);
    let mut versions: Vec<_> = of_name.collect();
    versions.sort_by_key(|it| it.version);
    if let Some(version) = version {
        versions.retain(|it| it.version == version);
    }
    let Some(found) = versions.pop() else {
        let known = topology.events.iter();
        let known = known.map(|it| format!("`{}` v{}", it.name, it.version));
        let known = known.collect::<Vec<_>>().join(", ");
        return Err(Error::msg(match version {
            Some(version) => {
                format!("there is no event `{event}` in version {version}; there are {known}")
            }
            None => format!("there is no event `{event}`; there are {known}"),
        }));
    };
    let schema = avro_schema(found).map_err(|(mistake, remedy)| {
        let words = format!("{mistake}; {remedy}");
        Error::msg(words)
    })?;
    let schema: Value = serde_json::from_str(&schema.text)?;
    print.out(&schema, &format_args!("{schema:#}"))
}

fn open(app: &App, file: &Path) -> Result<Option<Lock>> {
    Lock::open(file).map_err(|error| {
        let fault = schemas::unreadable(app, file, &error);
        Error::msg(format!("{}; {}", fault.mistake, fault.remedy))
    })
}

fn listed(faults: &Faults) -> String {
    let faults = faults.iter().map(Fault::to_string);
    faults.collect::<Vec<_>>().join("\n\n")
}
