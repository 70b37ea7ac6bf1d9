//! A `PostgreSQL` server for tests: private, on this machine, and gone with the test.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use fanfare::store::sqlx::{AssertSqlSafe, Connection, PgConnection, query};

use crate::PATIENCE;

/// What ends a server and removes its files as soon as nobody holds its standard input any more,
/// in whichever way the test ended.
const REAPER: &str = r#"
trap "" INT TERM HUP
read -r nothing
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
is_there() { [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ]; }
if is_there "$1"; then kill -s QUIT "$pid"; fi
while is_there "$1"; do sleep 0.05; done
rm -rf "$1"
"#;

/// A server with its data in a folder of its own, on a port of its own of 127.0.0.1, which lets
/// everybody in. It writes as safely as in production, can be killed, and starts again with the
/// data that it kept.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    server: Mutex<Child>,
    reaper: Child,
}

impl Postgres {
    /// The server that the tests of a program share.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Postgres::start)
    }

    /// A server for one test.
    ///
    /// # Panics
    /// When there is no `PostgreSQL` on this machine, or it does not start.
    pub fn start() -> Postgres {
        let folder = tempfile::Builder::new()
            .prefix("fanfare-postgres-")
            .tempdir();
        let folder = folder.expect("a folder").keep();
        // The path without links, as the reaper sees it.
        let folder = folder.canonicalize().expect("a folder");
        let reaper = Command::new("sh")
            .args(["-c", REAPER, "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&folder));
        }
        let data = folder.join("data");
        let initdb = [
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ];
        run(program("initdb").args(initdb).arg(&data));
        // Free now, and taken at once.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a port").port();
        drop(listener);
        let server = try_serve(&data, port).unwrap_or_else(|log| panic!("no server: {log}"));
        Postgres {
            folder,
            port,
            server: Mutex::new(server),
            reaper,
        }
    }

    /// A fresh database: its URL.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn database(&self) -> String {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let name = format!("test_{}", LAST.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&self.url("postgres"))
            .await
            .expect("connected");
        let sql = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        query(sql).execute(&mut admin).await.expect("created");
        admin.close().await.expect("closed");
        self.url(&name)
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets it write no file longer than this, `unlimited` or so many bytes, which is a full disk
    /// to it: on these processes of its own, and on the connections to come.
    ///
    /// # Panics
    /// When that cannot be set.
    pub fn limit(&self, length: &str, processes: &[i32]) {
        let first = self.server().id().to_string();
        let processes = processes.iter().map(i32::to_string);
        for process in processes.chain([first]) {
            let limit = format!("--fsize={length}:unlimited");
            run(as_its_user("prlimit").args([&limit, "--pid", &process]));
        }
    }

    /// Kills it, as `kill -9` does.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&self) {
        let mut server = self.server();
        server.kill().expect("killed");
        server.wait().expect("ended");
    }

    /// Starts it again after it was killed, with the data that it kept.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        let begun = Instant::now();
        loop {
            match try_serve(&self.folder.join("data"), self.port) {
                Ok(server) => {
                    *self.server() = server;
                    return;
                }
                // What was killed takes a moment to go.
                Err(log) => assert!(begun.elapsed() < PATIENCE, "no server: {log}"),
            }
        }
    }

    fn server(&self) -> MutexGuard<'_, Child> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.reaper.stdin.take());
        // The server ends by the reaper; both are waited for, so that nothing is left behind.
        let _ = self.server().wait();
        let _ = self.reaper.wait();
    }
}

/// Serves, and comes back when it is ready; with what it said, when it ends instead.
fn try_serve(data: &Path, port: u16) -> Result<Child, String> {
    let mut server = program("postgres")
        .arg("-D")
        .arg(data)
        .args(["-c", "listen_addresses=127.0.0.1"])
        .args(["-c", &format!("port={port}")])
        .args(["-c", "unix_socket_directories="])
        .args(["-c", "max_connections=200"])
        .args(["-c", "fsync=on"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("postgres");
    let log = server.stderr.take().expect("piped");
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    let mut said = VecDeque::new();
    for line in lines.by_ref() {
        let is_ready = line.contains("ready to accept connections");
        said.push_back(line);
        if is_ready {
            // What it says later is not looked at, but it must be able to.
            thread::spawn(move || lines.for_each(drop));
            return Ok(server);
        }
    }
    server.wait().expect("ended");
    Err(said.into_iter().collect::<Vec<_>>().join("\n"))
}

/// A program of the server's.
fn program(name: &str) -> Command {
    as_its_user(binaries().join(name))
}

/// A program, as a user that the server runs as: it refuses to be root.
fn as_its_user(path: impl AsRef<OsStr>) -> Command {
    if !is_root() {
        return clean(Command::new(path));
    }
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid=postgres",
        "--regid=postgres",
        "--init-groups",
        "--",
    ]);
    command.arg(path);
    clean(command)
}

fn clean(mut command: Command) -> Command {
    // The log is read, so it is to be in English; and no other folder than `/` is surely readable.
    command.env("LC_ALL", "C").current_dir("/");
    command
}

/// Where Debian has them: the newest.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let version = |folder: std::io::Result<std::fs::DirEntry>| -> Option<(u32, PathBuf)> {
        let folder = folder.ok()?;
        let version = folder.file_name().to_str()?.parse().ok()?;
        let binaries = folder.path().join("bin");
        binaries
            .join("initdb")
            .exists()
            .then_some((version, binaries))
    };
    let newest = versions.filter_map(version).max();
    let (_, binaries) = newest.expect(
        "PostgreSQL is not installed on this machine: run tests/setup, or install Debian's \
         package postgresql",
    );
    binaries
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout == b"0\n"
}

fn run(command: &mut Command) {
    let output = command.output().expect("started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
