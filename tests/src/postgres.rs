//! A `PostgreSQL` server for tests: private, on this machine, and gone with the test.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use fanfare::store::sqlx::{AssertSqlSafe, Connection, PgConnection, query};
use rustix::process::{Pid, Signal, kill_process};

use crate::brokers::{Folder, Server, free_port};
use crate::run;

/// A server with its data in a folder of its own, on a port of its own of 127.0.0.1, which lets
/// everybody in. It writes as safely as in production, can be killed, and starts again with the
/// data that it kept.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: u16,
    // Its files are there until it is gone.
    _folder: Folder,
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
        // Unlike SIGKILL, this lets it give its shared memory back.
        let folder = Folder::ended_by("postgres", Signal::QUIT);
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let data = folder.path().join("data");
        let initdb = [
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ];
        run(program("initdb").args(initdb).arg(&data));
        let port = free_port();
        let mut command = program("postgres");
        command
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", &format!("port={port}")])
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "max_connections=200"])
            .args(["-c", "fsync=on"]);
        let server = Server::start(command, "ready to accept connections");
        Postgres {
            server: server.ended_by(Signal::QUIT),
            port,
            _folder: folder,
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
        let first = self.server.id().to_string();
        let processes = processes.iter().map(i32::to_string);
        for process in processes.chain([first]) {
            let limit = format!("--fsize={length}:unlimited");
            run(as_its_user("prlimit").args([&limit, "--pid", &process]));
        }
    }

    /// Kills it and the processes of its connections, as `kill -9` does: one that lived on would
    /// commit what comes before it notices.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&self) {
        let id = self.server.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        self.server.kill();
        for child in children.unwrap_or_default().split_whitespace() {
            if let Some(child) = child.parse().ok().and_then(Pid::from_raw) {
                // It may be gone by now.
                let _ = kill_process(child, Signal::KILL);
            }
        }
    }

    /// Starts it again after it was killed, with the data that it kept.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        self.server.restart();
    }
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
