//! Writing the file of schemas.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::{Difference, DifferenceKind, Lock, is_called, schema};
use crate::topology::Topology;

impl Difference {
    /// Whether the promise is broken.
    pub(crate) fn breaks(&self) -> bool {
        matches!(self.kind, DifferenceKind::Broken(_) | DifferenceKind::Gone)
    }
}

impl Lock {
    /// All of it, or nothing: the file is never half written.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        let beside = path.with_extension("json.new");
        let mut file = fs::File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)
    }

    /// As the code has it. What other programs of the package declare stays as it is.
    pub(crate) fn update(&mut self, topology: &Topology) {
        for event in &topology.events {
            for former in event.former_names {
                let is_declared = topology.events.iter().any(|it| it.name == *former);
                if is_declared {
                    continue;
                }
                let versions = self.events.remove(*former).unwrap_or_default();
                let known = self.events.entry(event.name.to_owned()).or_default();
                for (version, schema) in versions {
                    known.entry(version).or_insert(schema);
                }
            }
        }
        for event in &topology.events {
            let versions = self.events.entry(event.name.to_owned()).or_default();
            versions.retain(|version, _| {
                let mut known = topology.events.iter();
                known.any(|it| it.version == *version && is_called(event, it.name))
            });
            versions.insert(event.version, schema(event));
        }
    }
}
