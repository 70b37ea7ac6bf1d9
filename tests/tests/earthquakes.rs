//! The example `earthquakes`, run as a person runs it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use fanfare_tests::brokers::{Kafka, Nats, RabbitMq};
use wait4::Wait4;

/// Built once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| fanfare_tests::example("earthquakes"))
}

/// The example, which is ended with exit code 124 where it does not end by itself.
fn example() -> Command {
    let mut command = Command::new("timeout");
    command.arg("60").arg(program());
    command
}

fn run(arguments: &[&str]) -> Output {
    let output = example()
        .args(arguments)
        .output()
        .expect("the example runs");
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        text(&output.stderr)
    );
    output
}

fn run_on(feed: &str) -> Output {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(feed.as_bytes()).expect("room");
    run(&[file.path().to_str().expect("a path in UTF-8")])
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shipped_feed() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/earthquakes.ndjson");
    std::fs::read_to_string(path).expect("the feed is shipped")
}

/// A quake of the shipped feed, but for this.
fn quake_with(changes: &[(&str, serde_json::Value)]) -> String {
    let feed = shipped_feed();
    let first = feed.lines().next().expect("a quake");
    let mut quake: serde_json::Value = serde_json::from_str(first).expect("a quake");
    for (field, value) in changes {
        quake[field] = value.clone();
    }
    quake.to_string()
}

/// Writes it piece by piece: a child's peak of memory counts from its parent's.
fn write_long_line(file: &mut impl Write) {
    io::copy(&mut io::repeat(b'[').take(50_000_000), file).expect("room");
    writeln!(file).expect("room");
}

/// What a plain count over the feed gives.
fn strong_quakes(feed: &str) -> usize {
    let quakes = feed.lines().map(|line| {
        let quake: serde_json::Value = serde_json::from_str(line).expect("a quake");
        quake["magnitude"].as_f64() >= Some(4.5) && quake["kind"] == "earthquake"
    });
    quakes.filter(|strong| *strong).count()
}

#[test]
fn the_shipped_feed_is_handled_whole() {
    let strong = strong_quakes(&shipped_feed());
    let output = run(&[]);
    let said = text(&output.stdout);
    assert!(
        said.contains(&format!("1707 quakes handled, {strong} alerts raised")),
        "{said}"
    );
    let alerts = said.lines().filter(|line| line.contains("km deep")).count();
    assert_eq!(alerts, strong);
}

/// The same week by a broker, and once more: what a run has left there, the next one handles.
fn is_handled_whole_by(url: &str) {
    let strong = strong_quakes(&shipped_feed());
    for _ in 0..2 {
        let output = run(&["--streamer", url]);
        let said = text(&output.stdout);
        assert!(
            said.contains(&format!("1707 quakes handled, {strong} alerts raised")),
            "{said}"
        );
    }
}

#[test]
fn the_feed_travels_by_kafka() {
    let kafka = Kafka::start();
    is_handled_whole_by(&format!("kafka://{}", kafka.bootstrap()));
}

#[test]
fn the_feed_travels_by_nats() {
    is_handled_whole_by(&Nats::start().url());
}

#[test]
fn the_feed_travels_by_rabbitmq() {
    is_handled_whole_by(&RabbitMq::start().url());
}

#[test]
fn where_nobody_watches_progress_is_plain_lines() {
    let output = run(&[]);
    assert_eq!(
        text(&output.stderr).lines().collect::<Vec<_>>(),
        ["500 quakes read", "1000 quakes read", "1500 quakes read"]
    );
    assert!(!text(&output.stdout).contains('\u{1b}'), "no escape codes");
}

#[test]
fn broken_lines_are_named_and_the_rest_is_handled() {
    let feed = shipped_feed();
    let mut quakes = feed.lines();
    let mut quake = || quakes.next().expect("enough quakes");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "{}", quake()).expect("room");
    writeln!(file, "{{\"id\": \"half a qua").expect("room");
    writeln!(file, "{{\"id\": \"x\", \"time\": 1}}").expect("room");
    write_long_line(&mut file);
    file.write_all(b"\xff\xfe not UTF-8 \n\n").expect("room");
    writeln!(file, "{}", quake()).expect("room");
    write!(file, "{}", quake()).expect("room");

    let output = run(&[file.path().to_str().expect("a path in UTF-8")]);
    let said = text(&output.stderr);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 4, "{said}");
    assert!(
        lines[0].starts_with("line 2: EOF while parsing a string, at column"),
        "{said}"
    );
    assert!(
        lines[1].starts_with("line 3: missing field `magnitude`"),
        "{said}"
    );
    assert!(
        lines[2].starts_with("line 4: 50000001 bytes long"),
        "{said}"
    );
    assert!(lines[3].starts_with("line 5: "), "{said}");
    let summary = text(&output.stdout);
    assert!(summary.contains("3 quakes handled"), "{summary}");
    assert!(summary.contains("broken lines left out: 4"), "{summary}");
}

/// A feed of one such line between two quakes: what is said of the line.
fn said_of(line: &str) -> String {
    let quake = quake_with(&[]);
    let output = run_on(&format!("{quake}\n{line}\n{quake}\n"));
    let summary = text(&output.stdout);
    assert!(summary.contains("2 quakes handled"), "{summary}");
    assert!(summary.contains("broken lines left out: 1"), "{summary}");
    text(&output.stderr)
}

#[test]
fn a_quake_at_an_impossible_time_is_a_broken_line() {
    let said = said_of(&quake_with(&[
        ("time", i64::MAX.into()),
        ("magnitude", 5.0.into()),
        ("kind", "earthquake".into()),
    ]));
    assert!(said.starts_with("line 2: time: "), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_quake_that_cannot_be_announced_is_a_broken_line() {
    let said = said_of(&quake_with(&[("network", "a\nb".into())]));
    assert_eq!(
        said,
        "line 2: `QuakeDetected` makes no CloudEvent: the attribute `partitionkey` holds U+000A, \
         a character that CloudEvents disallows\n"
    );
}

#[test]
fn a_blank_line_is_left_out_but_not_a_long_one() {
    let said = said_of(&format!(" \t\n{}garbage", " ".repeat(70_000)));
    assert!(said.starts_with("line 3: 70008 bytes long"), "{said}");
}

#[test]
fn broken_lines_are_no_progress() {
    let shipped = shipped_feed();
    let quakes: Vec<_> = shipped.lines().take(500).collect();
    let output = run_on(&format!("{}\n[\n[\n[\n", quakes.join("\n")));
    let said = text(&output.stderr);
    assert_eq!(said.matches("500 quakes read").count(), 1, "{said}");
}

/// Nothing can be printed until the feed is over: the alert is given up, and the summary says so.
#[test]
fn what_a_handler_gives_up_is_not_waited_for() {
    let (mut ours, theirs) = UnixStream::pair().expect("two sockets");
    theirs.set_nonblocking(true).expect("a socket");
    let mut filled = 0;
    let full = loop {
        match (&theirs).write(&[b'.'; 4096]) {
            Ok(written) => filled += written,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let mut example = example()
        .arg("/dev/stdin")
        .stdin(Stdio::piped())
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::piped())
        .spawn()
        .expect("the example runs");

    let mut feed = example.stdin.take().expect("a pipe");
    let strong = [("magnitude", 5.0.into()), ("kind", "earthquake".into())];
    writeln!(feed, "{}", quake_with(&strong)).expect("it reads");
    let log = BufReader::new(example.stderr.take().expect("a pipe"));
    let mut log = log.lines().map(|line| line.expect("text"));
    let given_up = log.find(|line| line.contains("its dead letter goes to alerts/failed"));
    let given_up = given_up.expect("it is in the log");
    assert!(!given_up.contains('\u{1b}'), "no escape codes: {given_up}");

    // Room for the summary, and only then the end of the feed.
    ours.read_exact(&mut vec![0; filled]).expect("a socket");
    drop(feed);
    let mut summary = String::new();
    ours.read_to_string(&mut summary).expect("a socket");
    assert!(
        summary.contains("1 quakes handled, 1 alerts raised"),
        "{summary}"
    );
    assert!(
        summary.contains("given up (the log says why): 1"),
        "{summary}"
    );
    assert!(example.wait().expect("it ends").success());
}

#[test]
fn a_line_of_50_megabytes_costs_bounded_memory() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    write_long_line(&mut file);
    let example = Command::new(program())
        .arg(file.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the example runs");
    let ended = example.wait4().expect("the example ends");
    assert!(ended.status.success());
    let peak = ended.rusage.maxrss;
    assert!(peak < 30_000_000, "{peak} bytes");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = Command::new(program())
        .arg("/no/such/feed")
        .output()
        .expect("the example runs");
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("cannot read /no/such/feed: No such file"));
}

#[test]
fn the_topology_is_printed_on_request() {
    let said = text(&run(&["--topology"]).stdout);
    for expected in [
        "QuakeDetected v1",
        "seismic/quakes",
        "alerts/strong",
        "earthquakes.print_alert",
    ] {
        assert!(said.contains(expected), "no {expected} in:\n{said}");
    }
}
