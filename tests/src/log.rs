//! What is written to the log.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

thread_local! {
    static HERE: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// What this thread logs, as lines.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Listens to what this thread logs from now on: for tests on tokio's current-thread runtime.
    ///
    /// All tests of the program begin with it: what is logged for the first time while another
    /// thread begins to listen may be lost to all of them.
    pub fn listen() -> Log {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing_subscriber::fmt()
                .with_ansi(false)
                .without_time()
                .with_writer(|| Here)
                .init();
        });
        let log = Log::default();
        HERE.set(Some(log.clone()));
        log
    }

    /// The lines so far that hold all of these words.
    pub fn lines(&self, words: &[&str]) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.written()).into_owned();
        let lines = text
            .lines()
            .filter(|line| words.iter().all(|word| line.contains(word)));
        lines.map(str::to_owned).collect()
    }

    fn written(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes to the log of this thread, if it has one.
struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(log) = HERE.with_borrow(Clone::clone) {
            log.written().extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
