//! How a process that runs an app ends at a signal: the program `worker`.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

struct Service {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Service {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_worker"))
            .args(arguments)
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
        let mut service = Service::start(&["200"]);
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
        let mut service = Service::start(&["600000"]);
        assert!(service.says("begun"));
        service.signal(signal);
        // Two that come at once would be one.
        assert!(service.says(&format!("SIG{signal}: shutting down")));
        service.signal(signal);
        assert!(service.says("ending at once"));
        assert_eq!(service.end().code(), Some(code));
    }
}

#[test]
fn a_signal_during_the_start_closes_what_was_connected() {
    for signal in ["INT", "TERM"] {
        let mut service = Service::start(&[]);
        assert!(service.says("subscribing"));
        service.signal(signal);
        let ended = "ended well: connect, subscribe jobs shop.work, close";
        assert!(service.says(ended), "{signal}");
        assert!(service.end().success(), "{signal}");
    }
}
