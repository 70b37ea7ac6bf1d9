//! The instances that are killed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use fanfare::{Error, Result};
use fanfare_tests::lives::{last_said, read_note};

use super::books::handled;
use super::service::KEYS;

/// An instance. It says the keys and the numbers that it has published.
type Life = fanfare_tests::lives::Life<(u64, u64)>;

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
        let life = Life::begin(command, &self.folder, read_note)?;
        self.lives.push(life);
        Ok(())
    }

    /// Kills an instance.
    pub(super) fn kill_one(&mut self) -> Result<()> {
        let mut life = self.any()?;
        life.kill()?;
        self.published.extend(life.said());
        Ok(())
    }

    /// Asks an instance to end, and waits until it has.
    pub(super) fn end_one(&mut self) -> Result<()> {
        let mut life = self.any()?;
        life.ask(b"e")?;
        let status = life.wait()?;
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

    /// Waits until something of every key of each instance is handled that is published after now: so
    /// all streams are somebody's again.
    pub(super) fn work_goes_on(&self) -> Result<()> {
        let begun = Instant::now();
        let before = |life| (life, Life::so_far(life).len());
        let mut after: Vec<_> = self.lives.iter().map(before).collect();
        while !after.is_empty() {
            if begun.elapsed() > LONGEST {
                let (life, _) = &after[0];
                return Err(Error::msg(format!(
                    "nothing new of a key of process {} is handled for {LONGEST:?}",
                    life.id()
                )));
            }
            thread::sleep(Duration::from_millis(50));
            let done: BTreeSet<_> = handled(&self.folder).into_iter().collect();
            after.retain(|(life, before)| {
                let new = life.so_far().split_off(*before);
                let done = new.iter().filter(|it| done.contains(it));
                let keys: BTreeSet<_> = done.map(|(key, _)| key).collect();
                keys.len() < KEYS
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
        // What every eleventh number says once is no news.
        last_said(&self.folder, 150, |line| {
            !line.contains("the first attempt fails")
        })
    }
}
