//! How a process that runs an app ends. Each test starts this program again as such a process.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use fanfare::prelude::*;
use fanfare_tests::{Spy, event, publish, until};

#[derive(Streamers)]
struct Streamers {
    main: Spy,
}

#[event(stream_to = streamer!("main", "jobs"))]
struct Job {
    takes: Duration,
}

#[event_handler(streamed_from = streamer!("main", "jobs"))]
async fn work(job: Job) -> Result<()> {
    println!("begun");
    tokio::time::sleep(job.takes).await;
    println!("finished");
    Ok(())
}

/// The process: not a test by itself.
#[tokio::test]
#[ignore = "the other tests run it as a process"]
async fn service() {
    tracing_subscriber::fmt().with_ansi(false).init();
    let takes = std::env::var("TAKES")
        .expect("milliseconds")
        .parse()
        .expect("a number");
    let takes = Duration::from_millis(takes);
    let main = Spy::default();
    let streamers = Streamers { main: main.clone() };
    let running = tokio::spawn(App::new("shop").streamers(streamers).run());
    let subscribed = || {
        main.seen()
            .iter()
            .any(|seen| seen == "subscribe jobs shop.work")
    };
    until("subscribed", subscribed).await;
    let job = serde_json::to_string(&Job { takes }).expect("JSON");
    publish(main.memory(), "jobs", event("Job", &job)).await;
    running.await.expect("no panic").expect("shut down");
    println!("ended well");
}

struct Service {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Service {
    fn start(takes: u64) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["--exact", "service", "--ignored", "--nocapture"])
            .env("TAKES", takes.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let stdout = child.stdout.take().expect("piped");
        Service {
            lines: BufReader::new(stdout).lines(),
            child,
        }
    }

    fn says(&mut self, expected: &str) -> bool {
        self.lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains(expected))
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status();
        assert!(status.expect("kill").success());
    }

    fn end(mut self) -> ExitStatus {
        self.child.wait().expect("ended")
    }
}

#[test]
fn a_signal_finishes_what_is_in_flight() {
    for signal in ["INT", "TERM"] {
        let mut service = Service::start(200);
        assert!(service.says("begun"));
        service.signal(signal);
        assert!(service.says("finished"), "{signal}");
        assert!(service.says("ended well"), "{signal}");
        assert!(service.end().success(), "{signal}");
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut service = Service::start(600_000);
        assert!(service.says("begun"));
        service.signal(signal);
        // Two that come at once would be one.
        assert!(service.says(&format!("SIG{signal}: shutting down")));
        service.signal(signal);
        assert!(service.says("ending at once"));
        assert_eq!(service.end().code(), Some(code));
    }
}
