//! A process that serves, and the folder with its files: both gone with the test.

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process, prlimit, waitid,
};

use crate::PATIENCE;

/// What ends everything that runs in a folder, and removes the folder, as soon as nobody holds
/// its standard input any more, in whichever way the test ended.
const REAPER: &str = r#"
trap "" INT TERM HUP
read -r nothing
those() { find /proc/[0-9]*/cwd -maxdepth 0 -lname "$1*" -printf '%h ' 2>/dev/null; }
while pids=$(those "$1"); [ -n "$pids" ]; do
  for pid in $pids; do kill -s "$2" "${pid#/proc/}"; done
  sleep 0.05
done
rm -rf "$1"
"#;

/// A folder of a test's own. What runs in it ends with it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    reaper: Child,
}

impl Folder {
    /// A folder whose processes are killed, in the end.
    pub(crate) fn new(name: &str) -> Folder {
        Folder::ended_by(name, Signal::KILL)
    }

    /// A folder whose processes are ended by another signal.
    pub(crate) fn ended_by(name: &str, signal: Signal) -> Folder {
        let prefix = format!("fanfare-{name}-");
        let path = tempfile::Builder::new().prefix(&prefix).tempdir();
        let path = path.expect("a folder").keep();
        // The path without links, as the reaper sees it.
        let path = path.canonicalize().expect("a folder");
        let reaper = Command::new("sh")
            .args(["-c", REAPER, "sh"])
            .arg(&path)
            .arg(signal.as_raw().to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        Folder { path, reaper }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into it: its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::write(&path, content).expect("written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        // Waited for, so that nothing is left behind.
        let _ = self.reaper.wait();
    }
}

/// A process that serves, and can be killed, paused and started again with the data that it kept.
#[derive(Debug)]
pub struct Server {
    ready: &'static str,
    end: Signal,
    process: Mutex<Process>,
}

#[derive(Debug)]
struct Process {
    command: Command,
    child: Child,
}

impl Server {
    /// Starts it, and comes back when its log says that it is ready.
    ///
    /// `command` names its folder as the current one (or one in it), which is how the reaper
    /// finds it, and becomes the server: it starts none beside itself.
    pub(crate) fn start(mut command: Command, ready: &'static str) -> Server {
        let child = try_serve(&mut command, ready).unwrap_or_else(|log| {
            let program = command.get_program().display();
            panic!("{program} did not start: {log}")
        });
        Server {
            ready,
            end: Signal::KILL,
            process: Mutex::new(Process { command, child }),
        }
    }

    /// With this signal in the end, instead of SIGKILL.
    pub(crate) fn ended_by(mut self, signal: Signal) -> Server {
        self.end = signal;
        self
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process().child.id()
    }

    /// Kills it, as `kill -9` does.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&self) {
        let mut process = self.process();
        process.child.kill().expect("killed");
        process.child.wait().expect("ended");
    }

    /// Asks it to end, and waits until it has: what is in flight is finished, data is flushed.
    ///
    /// # Panics
    /// When it has ended before.
    pub fn stop(&self) {
        let mut process = self.process();
        process.signal(Signal::TERM);
        // One that is paused hears of it only now.
        process.signal(Signal::CONT);
        process.child.wait().expect("ended");
    }

    /// Stops it where it stands: it keeps its connections, and does nothing.
    ///
    /// # Panics
    /// When it has ended before.
    pub fn pause(&self) {
        let process = self.process();
        process.signal(Signal::STOP);
        // Until all of its threads stand; its end is left for others to see.
        let events = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(process.id()), events).expect("stopped");
    }

    /// Goes on after [`pause`](Server::pause).
    ///
    /// # Panics
    /// When it has ended.
    pub fn resume(&self) {
        self.process().signal(Signal::CONT);
    }

    /// Lets it write no file beyond so many bytes, until it is started again: for it, the disk is
    /// full.
    ///
    /// # Panics
    /// When it has ended.
    pub fn limit_files(&self, bytes: u64) {
        let limit = Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        let process = self.process();
        prlimit(Some(process.id()), Resource::Fsize, limit).expect("a process that runs");
    }

    /// Waits until it has ended by itself: how.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn wait(&self) -> ExitStatus {
        self.process().child.wait().expect("ended")
    }

    /// Starts it again, with the data that it kept, where it was; kills it first if it runs.
    /// Comes back when it is ready.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        let begun = Instant::now();
        let mut process = self.process();
        // No matter if it has ended before.
        let _ = process.child.kill();
        let _ = process.child.wait();
        loop {
            match try_serve(&mut process.command, self.ready) {
                Ok(child) => {
                    process.child = child;
                    return;
                }
                // What was killed takes a moment to go.
                Err(log) => assert!(begun.elapsed() < PATIENCE, "no server: {log}"),
            }
        }
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("a process that runs");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let end = self.end;
        let mut process = self.process();
        // One that was waited for has given its id away.
        if let Ok(None) = process.child.try_wait() {
            process.signal(end);
            process.signal(Signal::CONT);
            let _ = process.child.wait();
        }
    }
}

/// Serves, and comes back when it is ready; with what it said, when it ends instead.
fn try_serve(command: &mut Command, ready: &str) -> Result<Child, String> {
    let (log, said) = io::pipe().expect("a pipe");
    let also = said.try_clone().expect("a pipe");
    command.stdin(Stdio::null()).stdout(said).stderr(also);
    let child = command.spawn();
    // The server alone holds its end of the pipe, so that the log ends with it.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    wait_for(ready, &lines(log)).inspect_err(|_| {
        let _ = child.kill();
        let _ = child.wait();
    })?;
    Ok(child)
}

/// The lines of a log. What nobody waits for is not looked at, but can be said.
fn lines(log: io::PipeReader) -> Receiver<String> {
    let (tell, heard) = channel();
    thread::spawn(move || {
        let lines = BufReader::new(log).split(b'\n').map_while(Result::ok);
        for line in lines {
            let _ = tell.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    heard
}

fn wait_for(ready: &str, lines: &Receiver<String>) -> Result<(), String> {
    let begun = Instant::now();
    let mut said = VecDeque::new();
    while let Ok(line) = lines.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
        if line.contains(ready) {
            return Ok(());
        }
        said.push_back(line);
        if said.len() > 100 {
            said.pop_front();
        }
    }
    Err(said.into_iter().collect::<Vec<_>>().join("\n"))
}

/// A port of 127.0.0.1 that is free, and stays so while its server is down: it is none of those
/// that the system hands out.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    loop {
        let port = fastrand::u16(10_000..32_768);
        if given.insert(port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "no free port");
    }
}

/// What `tests/setup` put into the folder `target` of the workspace.
///
/// # Panics
/// When it is not there.
pub(crate) fn installed(path: &str, what: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.canonicalize().expect("the workspace").join(path);
    assert!(
        path.exists(),
        "{what} is not there: run tests/setup, which installs it"
    );
    path
}

/// That there is such a program on this machine.
///
/// # Panics
/// When there is none.
pub(crate) fn needs(program: &str, package: &str) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    assert!(
        is_there,
        "{program} is not there: run tests/setup, or install Debian's package {package}"
    );
}
