//! Processes that are killed, what they say until then, and what they write down: for programs that
//! see whether it is all there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use clap::ValueEnum;
use fanfare::Result;

/// The file of what processes say to the operator.
const LOG: &str = "log";

/// A file that goes on where it ended.
///
/// # Errors
/// When it cannot be opened.
pub fn appending(folder: &Path, name: &str) -> Result<File> {
    let path = folder.join(name);
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}

/// Writes a line of a key and a number. The one before may have been cut off by a kill, so this
/// begins by ending it; and a line counts with its end.
///
/// # Errors
/// When it cannot be written.
pub fn note(mut file: &File, key: u64, number: u64) -> Result<()> {
    Ok(file.write_all(format!("\n{key} {number}.").as_bytes())?)
}

/// The key and the number of a line, if it is whole.
pub fn read_note(line: &str) -> Option<(u64, u64)> {
    let (key, number) = line.strip_suffix('.')?.split_once(' ')?;
    Some((key.parse().ok()?, number.parse().ok()?))
}

/// The keys and the numbers in a file.
pub fn notes(folder: &Path, name: &str) -> Vec<(u64, u64)> {
    // One that is not there yet holds nothing.
    let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
    text.lines().filter_map(read_note).collect()
}

/// Those that came for the first time after a later one of their key.
pub fn overtaken(notes: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut seen = BTreeSet::new();
    let mut last = BTreeMap::new();
    let mut overtaken = Vec::new();
    for &(key, number) in notes {
        if seen.insert((key, number)) {
            let last = last.entry(key).or_insert(0);
            if number < *last {
                overtaken.push((key, number));
            }
            *last = (*last).max(number);
        }
    }
    overtaken
}

/// What the processes of a folder have said last to the operator, so many lines, without those that
/// are no news.
pub fn last_said(folder: &Path, many: usize, is_news: impl Fn(&str) -> bool) -> String {
    let log = fs::read_to_string(folder.join(LOG)).unwrap_or_default();
    let lines: Vec<_> = log.lines().filter(|line| is_news(line)).collect();
    lines[lines.len().saturating_sub(many)..].join("\n")
}

/// A value as it is called on the command line.
pub fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// A process, until it ends; at the latest with this. It holds its standard input open as long as
/// this is there.
#[derive(Debug)]
pub struct Life<T> {
    process: Child,
    asked: Option<ChildStdin>,
    said: Arc<Mutex<Vec<T>>>,
    hearing: Option<JoinHandle<()>>,
}

impl<T: Clone + Send + 'static> Life<T> {
    /// Begins it. What it says is read line by line; its errors are written to a file in the folder.
    ///
    /// # Errors
    /// When it does not begin.
    pub fn begin(
        mut command: Command,
        folder: &Path,
        read: fn(&str) -> Option<T>,
    ) -> Result<Life<T>> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(appending(folder, LOG)?)
            .spawn()?;
        let out = process.stdout.take();
        let said = Arc::<Mutex<Vec<T>>>::default();
        let hears = Arc::clone(&said);
        let hearing = thread::spawn(move || {
            let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines());
            for line in lines.map_while(std::result::Result::ok) {
                // The last one may have been cut off.
                locked(&hears).extend(read(&line));
            }
        });
        Ok(Life {
            asked: process.stdin.take(),
            process,
            said,
            hearing: Some(hearing),
        })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Writes to its standard input.
    ///
    /// # Errors
    /// When it does not listen any more.
    pub fn ask(&mut self, word: &[u8]) -> Result<()> {
        if let Some(asked) = &mut self.asked {
            asked.write_all(word)?;
        }
        Ok(())
    }

    /// Kills it: how it ended.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.process.kill()?;
        self.wait()
    }

    /// Waits until it has ended: how.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.process.wait()?)
    }

    /// How it has ended, if it has.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// What it has said so far.
    pub fn so_far(&self) -> Vec<T> {
        locked(&self.said).clone()
    }

    /// All that it has said, once it has ended.
    pub fn said(&mut self) -> Vec<T> {
        if let Some(hearing) = self.hearing.take() {
            let _ = hearing.join();
        }
        self.so_far()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Drop for Life<T> {
    fn drop(&mut self) {
        // Most have ended by now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
