//! Shapes of events that are not what was promised.

use std::path::Path;

use super::Fault;
use crate::app::App;
use crate::topology::Topology;
use crate::topology::schemas::{Difference, DifferenceKind, FILE, Lock};

/// Where there is a file of schemas: how the code differs from it.
pub(super) fn broken_schemas(app: &App, topology: &Topology) -> Vec<Fault> {
    match Lock::open(Path::new(FILE)) {
        Ok(None) => Vec::new(),
        Ok(Some(lock)) => differences(&lock, topology, Path::new(FILE)),
        Err(error) => vec![unreadable(app, Path::new(FILE), &error)],
    }
}

pub(crate) fn unreadable(app: &App, file: &Path, error: &std::io::Error) -> Fault {
    Fault {
        mistake: format!("`{}` cannot be read: {error}", file.display()),
        places: vec![app.location],
        remedy: "restore it from your version control; or remove it, and let `schemas update` write it anew"
            .to_owned(),
    }
}

pub(crate) fn differences(lock: &Lock, topology: &Topology, file: &Path) -> Vec<Fault> {
    let differences = lock.differences(topology);
    differences.iter().map(|it| fault(it, file)).collect()
}

pub(crate) fn fault(difference: &Difference, file: &Path) -> Fault {
    let Difference {
        event,
        version,
        kind,
    } = difference;
    let (name, file) = (event.name, file.display());
    let next = event.version + 1;
    let (mistake, remedy) = match kind {
        DifferenceKind::New(vanished) => (
            format!("the event `{name}` in version {version} is not in `{file}` yet"),
            match vanished {
                None => "run `schemas update`, and commit the file".to_owned(),
                Some(former) => format!(
                    "if it was `{former}` before, say so with `renamed_from = \"{former}\"`, or what was written by that name is heard no more; then run `schemas update`, and commit the file"
                ),
            },
        ),
        DifferenceKind::Changed => (
            format!(
                "the event `{name}` in version {version} has changed, as it may, and `{file}` does not say so yet"
            ),
            "run `schemas update`, and commit the file".to_owned(),
        ),
        DifferenceKind::Broken(changes) => (
            format!(
                "the event `{name}` has changed without a new version, and its compatibility is `{}`: {}",
                event.compatibility,
                changes.join("; ")
            ),
            format!(
                "make it `version = {next}` with `previous = ...` and a `From`, or undo the change"
            ),
        ),
        DifferenceKind::Gone => (
            format!(
                "the code has no version {version} of the event `{name}` any more, so that it reads none that was written by it"
            ),
            "bring its type back and name it with `previous = ...`; or, where none is kept anywhere, run `schemas update --force`"
                .to_owned(),
        ),
    };
    Fault {
        mistake,
        places: vec![event.location],
        remedy,
    }
}
