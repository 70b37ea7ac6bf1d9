//! A disk that really takes no more, and files that really are read-only: for a process by itself.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use fanfare::store::{SqliteStore, Store};
use tempfile::TempDir;

use crate::stored;

const CLIENT: &str = env!("CARGO_BIN_EXE_store_client");

/// The program `store_client`, as the child of a shell's command.
struct Client {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Runs `shell`, with the program and its arguments as `"$@"`.
    fn start(shell: &str, database: &Path, what: &[&str]) -> Client {
        let mut process = Command::new("sh")
            .args(["-c", shell, "sh", CLIENT])
            .arg(database)
            .args(what)
            // It is told to go.
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh");
        let stdout = process.stdout.take().expect("piped");
        let lines = BufReader::new(stdout).lines();
        let mut client = Client { process, lines };
        assert_eq!(client.hear(), "ready");
        client
    }

    fn hear(&mut self) -> String {
        let line = self.lines.next();
        line.expect("more").expect("a line")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Most have ended by now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(status.expect(program).success(), "{program} {arguments:?}");
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_behind_and_the_next_that_can_goes_on() {
    const FULL: &str = r#"trap "" XFSZ; exec prlimit --fsize=150000:unlimited "$@""#;
    let folder = TempDir::new().expect("a folder");
    let database = folder.path().join("events.db");
    let mut client = Client::start(FULL, &database, &["write"]);
    let said = "events.db cannot be read or written: look at its disk";
    let (mut confirmed, mut refused) = (0, 0);
    // The first times there is still room somewhere.
    while refused < 10 {
        match client.hear() {
            number if number == confirmed.to_string() => (confirmed, refused) = (confirmed + 1, 0),
            other => {
                assert!(other.starts_with("no: ") && other.contains(said), "{other}");
                refused += 1;
            }
        }
    }

    let pid = client.process.id().to_string();
    run("prlimit", &["--fsize=unlimited", "--pid", &pid]);
    let enough = confirmed + 100;
    while confirmed < enough {
        let said = client.hear();
        if !said.starts_with("no: ") {
            assert_eq!(said, confirmed.to_string());
            confirmed += 1;
        }
    }
    drop(client);
    let store = SqliteStore::open(&database).await.expect("opened");
    let stored = stored(&store).await;
    assert_eq!(stored, (0..stored.len() as u64).collect::<Vec<_>>());
    assert!(stored.len() as u64 >= confirmed, "{}", stored.len());
}

#[tokio::test]
async fn a_file_without_the_right_to_write_is_refused_at_the_start() {
    // Root may write to everything, unless it gives that up.
    const READER: &str = r#"if [ "$(id -u)" = 0 ]; then
            exec setpriv --bounding-set=-dac_override --inh-caps=-dac_override -- "$@"
        else exec "$@"; fi"#;
    let folder = TempDir::new().expect("a folder");
    let database = folder.path().join("events.db");
    let store = SqliteStore::open(&database).await.expect("opened");
    store.close().await.expect("closed");
    let (file, around) = (Permissions::from_mode(0o444), Permissions::from_mode(0o555));
    fs::set_permissions(&database, file).expect("set");
    fs::set_permissions(folder.path(), around).expect("set");

    let mut client = Client::start(READER, &database, &["own", "c"]);
    let mut said = String::new();
    let errors = client.process.stderr.take().expect("piped");
    std::io::Read::read_to_string(&mut { errors }, &mut said).expect("read");
    assert!(!client.process.wait().expect("ended").success());
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("set");
    let read_only = "events.db is read-only: make the file and its folder writable";
    assert!(said.contains(read_only), "{said}");
}
