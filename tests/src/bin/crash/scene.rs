//! The processes that are killed.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use fanfare::{Error, Result};
use fanfare_tests::lives::{self, name};

use super::point::{Part, Point};

/// All parts of the service and the broker, on one database.
pub(super) struct Scene {
    folder: PathBuf,
    address: String,
    lives: Vec<Life>,
    /// How many lives there have been.
    begun: u64,
    /// What was said to be published, by those who are dead.
    pub(super) published: Vec<u64>,
}

impl Scene {
    pub(super) fn new(folder: &Path, address: &str) -> Scene {
        Scene {
            folder: folder.to_owned(),
            address: address.to_owned(),
            lives: Vec::new(),
            begun: 0,
            published: Vec::new(),
        }
    }

    /// Begins the life of a part, which may end by itself at some point.
    pub(super) fn begin(&mut self, part: Part, point: Option<Point>) -> Result<()> {
        let mut command = self.command(part)?;
        if let Some(point) = point {
            command.args(["--point", name(&point).as_str()]);
        }
        self.lives.push(Life::begin(part, command, &self.folder)?);
        Ok(())
    }

    /// Kills one of the parts, whichever lives, and says which.
    pub(super) fn kill(&mut self, parts: &[Part]) -> Result<Part> {
        let Some(at) = self
            .lives
            .iter()
            .position(|life| parts.contains(&life.part))
        else {
            return Err(Error::msg("nobody lives who could be killed"));
        };
        let mut life = self.lives.remove(at);
        let status = life.process.kill()?;
        is_killed(&life, status)?;
        self.published.extend(life.process.said());
        Ok(life.part)
    }

    /// Whether a part has killed itself.
    pub(super) fn is_dead(&mut self, part: Part) -> Result<bool> {
        let mut lives = self.lives.iter_mut().filter(|life| life.part == part);
        let life = lives
            .next()
            .ok_or_else(|| Error::msg("nobody of that part"))?;
        match life.process.try_wait()? {
            Some(status) => is_killed(life, status).map(|()| true),
            None => Ok(false),
        }
    }

    /// Lets a last life do what is left, with nobody else about but the broker.
    pub(super) fn finish(&mut self) -> Result<()> {
        while let Some(life) = self.lives.first() {
            self.kill(&[life.part])?;
        }
        self.begin(Part::Broker, None)?;
        let mut last = self.command(Part::Whole)?;
        last.arg("--finish");
        let mut last = Life::begin(Part::Whole, last, &self.folder)?;
        let status = last.process.wait()?;
        if !status.success() {
            return Err(Error::msg(format!("the last life ended with {status}")));
        }
        self.lives.clear();
        Ok(())
    }

    fn command(&mut self, part: Part) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--part", name(&part).as_str()])
            .args(["--store", "sqlite", "--address", &self.address])
            .args(["--round", &self.begun.to_string()])
            .arg("--folder")
            .arg(&self.folder);
        self.begun += 1;
        Ok(command)
    }

    /// What the processes have said last.
    pub(super) fn log(&self) -> String {
        lives::last_said(&self.folder, 100, |_| true)
    }
}

/// Whoever ends in another way has a fault.
fn is_killed(life: &Life, status: ExitStatus) -> Result<()> {
    const SIGKILL: i32 = 9;
    if status.signal() == Some(SIGKILL) {
        return Ok(());
    }
    let part = name(&life.part);
    Err(Error::msg(format!("the {part} ended by itself: {status}")))
}

/// A part, until it is killed.
struct Life {
    part: Part,
    /// It says what it has published.
    process: lives::Life<u64>,
}

impl Life {
    fn begin(part: Part, command: Command, folder: &Path) -> Result<Life> {
        // A number counts with its end.
        let read = |line: &str| line.strip_suffix('.')?.parse().ok();
        let process = lives::Life::begin(command, folder, read)?;
        Ok(Life { part, process })
    }
}
