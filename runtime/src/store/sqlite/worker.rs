//! Who works with the cursors of a file: one process, by a lock of the operating system.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio_util::sync::CancellationToken;

use crate::store::Ownership;

/// The workers of this process, so that all handles to one file share one.
static WORKERS: Mutex<BTreeMap<PathBuf, Weak<Worker>>> = Mutex::new(BTreeMap::new());

/// What this process works with.
#[derive(Debug)]
pub(super) struct Worker {
    /// The file that is locked; none for a database in memory.
    path: Option<PathBuf>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    cursors: BTreeSet<String>,
    /// Locked while there is a cursor. The system lets go of it when the process ends, however
    /// that happens.
    lock: Option<File>,
}

impl Worker {
    /// Of a database file.
    pub(super) fn of(database: &Path) -> Arc<Worker> {
        let mut path = database.as_os_str().to_owned();
        path.push("-fanfare-worker");
        let path = PathBuf::from(path);
        let mut workers = WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|_, worker| worker.strong_count() > 0);
        if let Some(worker) = workers.get(&path).and_then(Weak::upgrade) {
            return worker;
        }
        let worker = Arc::new(Worker {
            path: Some(path.clone()),
            held: Mutex::default(),
        });
        workers.insert(path, Arc::downgrade(&worker));
        worker
    }

    /// Of a database that no other process sees.
    pub(super) fn alone() -> Arc<Worker> {
        Arc::new(Worker {
            path: None,
            held: Mutex::default(),
        })
    }

    /// The right to work with a cursor, if nobody has it.
    pub(super) fn own(self: &Arc<Self>, cursor: &str) -> Result<Option<Ownership>, String> {
        let mut held = self.held();
        if held.cursors.contains(cursor) {
            return Ok(None);
        }
        if let (Some(path), None) = (&self.path, &held.lock) {
            match lock(path) {
                Ok(None) => return Ok(None),
                Ok(locked) => held.lock = locked,
                Err(error) => {
                    return Err(format!("{} cannot be locked: {error}", path.display()));
                }
            }
        }
        held.cursors.insert(cursor.to_owned());
        let guard = Owned {
            worker: self.clone(),
            cursor: cursor.to_owned(),
        };
        Ok(Some(Ownership::new(guard, CancellationToken::new())))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file, locked; `None` while another process has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = File::options();
    let file = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A cursor that somebody works with.
struct Owned {
    worker: Arc<Worker>,
    cursor: String,
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut held = self.worker.held();
        held.cursors.remove(&self.cursor);
        if held.cursors.is_empty() {
            held.lock = None;
        }
    }
}
