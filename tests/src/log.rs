//! What is written to the log.

use std::cell::RefCell;
use std::io;
use std::sync::{Once, OnceLock};

use tokio::sync::watch;

use crate::in_time;

/// What threads log that nobody listens to alone.
static ELSEWHERE: OnceLock<Log> = OnceLock::new();

thread_local! {
    static HERE: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// What this thread logs, as lines.
#[derive(Clone, Debug, Default)]
pub struct Log(watch::Sender<Vec<u8>>);

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

    /// Listens to what all threads log from now on, but for those that are [listened
    /// to](Log::listen) alone: for streamers with threads of their own. All tests of the program
    /// share it.
    pub fn of_all() -> Log {
        let log = ELSEWHERE.get_or_init(Log::default).clone();
        Log::listen();
        HERE.set(None);
        log
    }

    /// The lines so far that hold all of these words.
    pub fn lines(&self, words: &[&str]) -> Vec<String> {
        lines(&self.0.borrow(), words)
    }

    /// Waits for so many lines that hold all of these words.
    ///
    /// # Panics
    /// When they are not written.
    pub async fn wait_for(&self, many: usize, words: &[&str]) {
        let mut log = self.0.subscribe();
        let written = log.wait_for(|log| lines(log, words).len() >= many);
        in_time("logged", written).await.expect("a log");
    }
}

fn lines(log: &[u8], words: &[&str]) -> Vec<String> {
    let text = String::from_utf8_lossy(log);
    let lines = text
        .lines()
        .filter(|line| words.iter().all(|word| line.contains(word)));
    lines.map(str::to_owned).collect()
}

/// Writes to the log of this thread, if it has one.
struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let here = HERE.with_borrow(Clone::clone);
        if let Some(log) = here.or_else(|| ELSEWHERE.get().cloned()) {
            log.0.send_modify(|log| log.extend_from_slice(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
