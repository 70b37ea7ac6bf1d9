//! The processes that are killed.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use clap::ValueEnum;
use fanfare::{Error, Result};

use super::books::appending;
use super::point::{Part, Point};

/// What a process says to the operator.
const LOG: &str = "log";

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
        life.process.kill()?;
        let status = life.process.wait()?;
        is_killed(&life, status)?;
        self.published.extend(life.said());
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
        // Waiting would drop it, and with it the life.
        let alive = last.process.stdin.take();
        let status = last.process.wait()?;
        drop(alive);
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
        const LINES: usize = 100;
        let log = std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

pub(super) fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
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

/// A process, until it is killed.
struct Life {
    part: Part,
    process: Child,
    /// What it says that it has published.
    said: Option<thread::JoinHandle<Vec<u64>>>,
}

impl Life {
    fn begin(part: Part, mut command: Command, folder: &Path) -> Result<Life> {
        let mut process = command
            // It ends with us.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(appending(folder, LOG)?)
            .spawn()?;
        let out = process.stdout.take();
        let said = thread::spawn(move || {
            let lines = out.into_iter().flat_map(|out| BufReader::new(out).lines());
            // The last line may have been cut off: a number counts with its end.
            let whole = lines.map_while(std::result::Result::ok);
            whole
                .filter_map(|line| line.strip_suffix('.')?.parse().ok())
                .collect()
        });
        let said = Some(said);
        Ok(Life {
            part,
            process,
            said,
        })
    }

    fn said(&mut self) -> Vec<u64> {
        let said = self.said.take().and_then(|said| said.join().ok());
        said.unwrap_or_default()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // Most are dead by now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
