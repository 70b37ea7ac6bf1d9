//! What was promised of the shapes of events: `fanfare.schemas.json`, and how the code differs from it.

#[cfg(feature = "cli")]
mod beyond;
mod case;
mod compare;
#[cfg(test)]
mod tests;
#[cfg(feature = "cli")]
mod update;
mod view;

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs, io};

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "cli")]
pub(crate) use self::beyond::unread;
use self::compare::{Gap, What, gaps};
use super::{EventDeclaration, Topology};

/// Where it is: beside the package's `Cargo.toml`, where `cargo test` runs the tests.
pub(crate) const FILE: &str = "fanfare.schemas.json";

/// How an event may change without a new version: what Confluent's Schema Registry calls so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compatibility {
    /// In any way.
    None,
    /// The code of today reads what was written before. So a field may go, and one may come that
    /// need not be there.
    #[default]
    Backward,
    /// The code of before reads what is written today.
    Forward,
    /// Both.
    Full,
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compatibility::None => "none",
            Compatibility::Backward => "backward",
            Compatibility::Forward => "forward",
            Compatibility::Full => "full",
        })
    }
}

/// The JSON Schema of each event, by its name and version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    events: BTreeMap<String, BTreeMap<u32, Value>>,
}

/// How the code differs from the lock.
pub(crate) struct Difference {
    pub(crate) event: &'static EventDeclaration,
    pub(crate) version: u32,
    pub(crate) kind: DifferenceKind,
}

pub(crate) enum DifferenceKind {
    /// The lock does not have it yet; but another one of its shape, which the code has no more.
    New(Option<String>),
    /// It has changed as it may.
    Changed,
    /// It has changed as it must not, in these ways.
    Broken(Vec<String>),
    /// A version of which the code knows nothing any more.
    Gone,
}

impl Lock {
    /// `None` where there is no such file.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Lock>> {
        match fs::read(path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the code declares and the lock does not hold, or holds otherwise.
    pub(crate) fn differences(&self, topology: &Topology) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (nth, event) in topology.events.iter().copied().enumerate() {
            let found = self.versions(event).and_then(|it| it.get(&event.version));
            let kind = match found {
                None => Some(DifferenceKind::New(self.vanished(topology, event))),
                Some(locked) => changed(event, locked),
            };
            differences.extend(kind.map(|kind| Difference {
                event,
                version: event.version,
                kind,
            }));
            // Of its versions, which stand side by side, the newest speaks for those that are gone.
            let next = topology.events.get(nth + 1);
            if next.is_none_or(|next| next.name != event.name) {
                differences.extend(self.gone(topology, event));
            }
        }
        differences
    }

    /// An event of this shape that the code has no more: it may have been renamed.
    fn vanished(&self, topology: &Topology, event: &EventDeclaration) -> Option<String> {
        let schema = without_notes(&schema(event));
        let is_declared = |name: &str| topology.events.iter().any(|it| is_called(it, name));
        let mut vanished = self.events.iter().filter(|(name, _)| !is_declared(name));
        let twin = vanished.find(|(_, versions)| {
            let mut versions = versions.values();
            versions.any(|locked| without_notes(locked) == schema)
        });
        twin.map(|(name, _)| name.clone())
    }

    fn gone<'a>(
        &'a self,
        topology: &'a Topology,
        event: &'static EventDeclaration,
    ) -> impl Iterator<Item = Difference> + 'a {
        let versions = self.versions(event).into_iter().flat_map(BTreeMap::keys);
        let is_known = move |version: u32| {
            let mut known = topology.events.iter();
            known.any(|it| it.version == version && is_called(event, it.name))
        };
        let gone = versions.filter(move |version| !is_known(**version));
        gone.map(move |version| Difference {
            event,
            version: *version,
            kind: DifferenceKind::Gone,
        })
    }

    /// By what the event is called, or was.
    fn versions(&self, event: &EventDeclaration) -> Option<&BTreeMap<u32, Value>> {
        let mut names = std::iter::once(&event.name).chain(event.former_names);
        names.find_map(|name| self.events.get(*name))
    }
}

fn is_called(event: &EventDeclaration, name: &str) -> bool {
    event.name == name || event.former_names.contains(&name)
}

fn schema(event: &EventDeclaration) -> Value {
    (event.schema)().to_value()
}

fn changed(event: &EventDeclaration, locked: &Value) -> Option<DifferenceKind> {
    let schema = schema(event);
    if without_notes(&schema) == without_notes(locked) {
        return None;
    }
    let mut broken = Vec::new();
    let rule = event.compatibility;
    if matches!(rule, Compatibility::Backward | Compatibility::Full) {
        broken.extend(gaps(locked, &schema).iter().map(before));
    }
    if matches!(rule, Compatibility::Forward | Compatibility::Full) {
        broken.extend(gaps(&schema, locked).iter().map(after));
    }
    broken.dedup();
    Some(if broken.is_empty() {
        DifferenceKind::Changed
    } else {
        DifferenceKind::Broken(broken)
    })
}

/// Documentation may change as it likes.
pub(super) fn without_notes(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let is_note = |name: &str, value: &Value| match name {
                "title" | "description" => value.is_string(),
                "examples" => value.is_array(),
                _ => false,
            };
            let rest = keywords
                .iter()
                .filter(|(name, value)| !is_note(name, value));
            let rest = rest.map(|(name, value)| (name.clone(), without_notes(value)));
            Value::Object(rest.collect())
        }
        Value::Array(items) => items.iter().map(without_notes).collect(),
        other => other.clone(),
    }
}

/// Why the code of today does not read what was written before.
fn before(gap: &Gap) -> String {
    let field = field(gap);
    match &gap.what {
        What::Needed => format!("{field} is required now, and need not have been there before"),
        What::Refused => format!("{field} is gone, and fields that are not known are refused"),
        What::Value(value) => format!("{field} has lost the value `{value}`"),
        What::Type { written, read } => format!("{field} was {written}, and is {read} now"),
        What::TooMuch => format!("{field} may be too many things to compare them all"),
        What::Keyword(keyword) => {
            format!("`{keyword}` of {field} has changed, which is not understood here")
        }
    }
}

/// Why the code of before does not read what is written today.
fn after(gap: &Gap) -> String {
    let field = field(gap);
    match &gap.what {
        What::Needed => format!("{field} may be missing now, and was required before"),
        What::Refused => {
            format!("{field} is new, and fields that are not known were refused before")
        }
        What::Value(value) => format!("{field} has the new value `{value}`"),
        What::Type { written, read } => format!("{field} was {read}, and is {written} now"),
        What::TooMuch => format!("{field} may be too many things to compare them all"),
        What::Keyword(keyword) => {
            format!("`{keyword}` of {field} has changed, which is not understood here")
        }
    }
}

fn field(gap: &Gap) -> String {
    if gap.at.is_empty() {
        "the event".to_owned()
    } else {
        format!("`{}`", gap.at)
    }
}
