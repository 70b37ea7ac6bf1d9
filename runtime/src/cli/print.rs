//! What a command prints.

use std::fmt::{self, Display};
use std::io::{ErrorKind, Write};

use serde_json::{Value, json};

use crate::app::Faults;
use crate::error::Result;
use crate::topology::columns;

/// How a command prints.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Print {
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Print {
    /// Prints the one or the other.
    pub(super) fn out(self, value: &Value, text: &dyn Display) -> Result<()> {
        if self.json {
            out(&format_args!("{value:#}"))
        } else {
            out(text)
        }
    }
}

/// Prints it on standard output, and a line's end. That nobody reads to the end is no error.
pub(super) fn out(text: &dyn Display) -> Result<()> {
    let text = text.to_string();
    let mut out = std::io::stdout().lock();
    let printed = writeln!(out, "{}", text.trim_end());
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Rows below a headline of their columns.
pub(super) fn table(headline: &[&str], rows: Vec<Vec<String>>) -> impl Display {
    let headline = headline.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<_> = std::iter::once(headline).chain(rows).collect();
    fmt::from_fn(move |f| columns(f, &rows))
}

pub(super) fn json_of_faults(faults: &Faults) -> Value {
    let fault = |fault: &crate::app::Fault| {
        let places = fault.places.iter().map(ToString::to_string);
        json!({
            "mistake": fault.mistake,
            "places": places.collect::<Vec<_>>(),
            "remedy": fault.remedy,
        })
    };
    json!({"faults": faults.iter().map(fault).collect::<Vec<_>>()})
}
