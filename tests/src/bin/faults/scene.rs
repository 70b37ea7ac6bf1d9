//! The instances that are killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use fanfare::{Error, Result};

use super::books::{self, appending, handled};

/// What the instances say to the operator.
const LOG: &str = "log";

/// How long nothing may be handled, before the work has stopped for good.
const LONGEST: Duration = Duration::from_mins(2);

/// The instances of the service, and what they have said.
pub(super) struct Scene {
    folder: PathBuf,
    url: String,
    lives: Vec<Life>,
    /// How many lives there have been.
    begun: u64,
    /// What was said to be published, by those who are gone.
    pub(super) published: Vec<(u64, u64)>,
}

impl Scene {
    pub(super) fn new(folder: &Path, url: String) -> Scene {
        Scene {
            folder: folder.to_owned(),
            url,
            lives: Vec::new(),
            begun: 0,
            published: Vec::new(),
        }
    }

    /// Begins an instance.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.begun += 1;
        let mut command = Command::new(std::env::current_exe()?);
        command
            // Which one is of no account to an instance.
            .args(["--streamer", "kafka", "--url", &self.url])
            .args(["--round", &self.begun.to_string()])
            .arg("--folder")
            .arg(&self.folder);
        self.lives.push(Life::begin(command, &self.folder)?);
        Ok(())
    }

    /// Kills an instance.
    pub(super) fn kill_one(&mut self) -> Result<()> {
        let mut life = self.any()?;
        life.process.kill()?;
        life.process.wait()?;
        self.published.extend(life.said());
        Ok(())
    }

    /// Asks an instance to end, and waits until it has.
    pub(super) fn end_one(&mut self) -> Result<()> {
        let mut life = self.any()?;
        life.ask(b"e")?;
        let status = life.process.wait()?;
        self.published.extend(life.said());
        if !status.success() {
            return Err(Error::msg(format!("an instance ended with {status}")));
        }
        Ok(())
    }

    fn any(&mut self) -> Result<Life> {
        if self.lives.is_empty() {
            return Err(Error::msg("nobody lives"));
        }
        Ok(self.lives.swap_remove(fastrand::usize(..self.lives.len())))
    }

    /// Waits until something that was published since now is handled, of each instance.
    pub(super) fn work_goes_on(&self) -> Result<()> {
        let begun = Instant::now();
        let mut after: Vec<_> = self.lives.iter().map(|life| (life, life.last())).collect();
        while !after.is_empty() {
            if begun.elapsed() > LONGEST {
                let (life, _) = &after[0];
                return Err(Error::msg(format!(
                    "nothing new of process {} is handled for {LONGEST:?}",
                    life.process.id()
                )));
            }
            thread::sleep(Duration::from_millis(50));
            let done = handled(&self.folder);
            after.retain(|(life, had)| {
                let last = life.last();
                let is_new = last.is_some() && last != *had;
                let is_handled = last.is_some_and(|last| done.contains(&last));
                !(is_new && is_handled)
            });
        }
        Ok(())
    }

    /// Lets the instances publish no more, and handle all that is left.
    pub(super) fn finish(&mut self) -> Result<()> {
        for life in &mut self.lives {
            life.ask(b"q")?;
        }
        let (mut left, mut since) = (usize::MAX, Instant::now());
        loop {
            thread::sleep(Duration::from_millis(100));
            let done = handled(&self.folder).into_iter().collect();
            let mut all: BTreeSet<_> = self.published.iter().copied().collect();
            all.extend(self.lives.iter().flat_map(Life::so_far));
            let now_left = all.difference(&done).count();
            if now_left != left {
                (left, since) = (now_left, Instant::now());
            }
            // What is confirmed last may not be said yet: another look, after a quiet moment.
            let patience = if left == 0 {
                Duration::from_secs(2)
            } else {
                LONGEST / 2
            };
            if since.elapsed() > patience {
                break;
            }
        }
        while !self.lives.is_empty() {
            self.end_one()?;
        }
        Ok(())
    }

    /// What the instances have said last.
    pub(super) fn log(&self) -> String {
        const LINES: usize = 150;
        let log = std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        // What every eleventh number says once is no news.
        let news = |line: &&str| !line.contains("the first attempt fails");
        let lines: Vec<_> = log.lines().filter(news).collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

pub(super) fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// A process, until it ends.
struct Life {
    process: Child,
    asked: Option<ChildStdin>,
    /// What it says that it has published.
    said: Arc<Mutex<Vec<(u64, u64)>>>,
    hearing: Option<JoinHandle<()>>,
}

impl Life {
    fn begin(mut command: Command, folder: &Path) -> Result<Life> {
        let mut process = command
            // It ends with us.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(appending(folder, LOG)?)
            .spawn()?;
        let out = process.stdout.take();
        let said = Arc::<Mutex<Vec<_>>>::default();
        let hears = Arc::clone(&said);
        let hearing = thread::spawn(move || {
            let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines());
            for line in lines.map_while(std::result::Result::ok) {
                // The last one may have been cut off.
                let mut said = hears.lock().unwrap_or_else(PoisonError::into_inner);
                said.extend(books::read(&line));
            }
        });
        Ok(Life {
            asked: process.stdin.take(),
            process,
            said,
            hearing: Some(hearing),
        })
    }

    fn ask(&mut self, word: &[u8]) -> Result<()> {
        if let Some(asked) = &mut self.asked {
            asked.write_all(word)?;
        }
        Ok(())
    }

    fn so_far(&self) -> Vec<(u64, u64)> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    fn last(&self) -> Option<(u64, u64)> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.last().copied()
    }

    /// All that it has said, once it is gone.
    fn said(&mut self) -> Vec<(u64, u64)> {
        if let Some(hearing) = self.hearing.take() {
            let _ = hearing.join();
        }
        self.so_far()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // Most are gone by now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
