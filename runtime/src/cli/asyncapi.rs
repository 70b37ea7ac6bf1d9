//! The `AsyncAPI` document.

use clap::{Args, ValueEnum};

use super::print::Print;
use crate::app::App;
use crate::error::{Error, Result};

/// How the document is printed, and what the code does not say.
#[derive(Args, Clone, Debug)]
pub struct AsyncApi {
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The service's version; if not said, its package's under `cargo run`, else 0.0.0
    #[arg(long)]
    service_version: Option<String>,
    /// As `--format json`.
    #[command(flatten)]
    print: Print,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Yaml,
    Json,
}

impl AsyncApi {
    pub(super) fn run(self, app: &App) -> Result<()> {
        // Cargo says it to what it runs.
        let package = || std::env::var("CARGO_PKG_VERSION").ok();
        let version = self.service_version.or_else(package);
        let version = version.unwrap_or_else(|| "0.0.0".to_owned());
        let document = app.topology().asyncapi(&version);
        let yaml = serde_saphyr::to_string(&document)
            .map_err(|error| Error::msg(format!("the document cannot be written: {error}")))?;
        let print = Print {
            json: self.print.json || self.format == Format::Json,
        };
        print.out(&document, &yaml)
    }
}
