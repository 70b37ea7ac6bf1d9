//! One turn of a contender: a process.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use fanfare_benchmarks::Figures;

/// A contender, in one of its ways.
#[derive(Debug, Clone)]
pub(crate) struct Contestant {
    pub(crate) name: String,
    program: &'static str,
    arguments: Vec<String>,
}

impl Contestant {
    /// The program of this name, with these arguments for it.
    pub(crate) fn new(name: impl Into<String>, program: &'static str, arguments: &[&str]) -> Self {
        Contestant {
            name: name.into(),
            program,
            arguments: arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect(),
        }
    }

    /// The same, told more.
    pub(crate) fn with(&self, more: &[&str]) -> Self {
        let mut told = self.clone();
        told.arguments
            .extend(more.iter().map(|&argument| argument.to_owned()));
        told
    }

    /// Lets it do what it is told.
    pub(crate) fn run(&self) -> Figures {
        let mut command = Command::new(self.path());
        command.args(&self.arguments).stderr(Stdio::inherit());
        let output = command.output().expect("started");
        assert!(output.status.success(), "{} failed: {self:?}", self.name);
        serde_json::from_slice(&output.stdout).expect("figures")
    }

    /// Lets it do so under one of valgrind's tools, and gives what that says.
    pub(crate) fn under(&self, tool: &str) -> String {
        let mut command = Command::new("valgrind");
        command.arg(format!("--tool={tool}"));
        command.arg(format!("--{tool}-out-file=/dev/null"));
        command.arg(self.path()).args(&self.arguments);
        let output = command
            .output()
            .expect("valgrind: `apt-get install valgrind`");
        assert!(output.status.success(), "{} failed under {tool}", self.name);
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Beside this program.
    fn path(&self) -> PathBuf {
        let this = std::env::current_exe().expect("a program");
        this.with_file_name(self.program)
    }
}

/// The floor, ours and the others, as their documentation says.
pub(crate) fn contestants() -> [Contestant; 7] {
    [
        Contestant::new("floor: JSON alone", "floor", &["--way", "json"]),
        Contestant::new("floor: a bounded channel", "floor", &["--way", "channel"]),
        Contestant::new(
            "floor: that and the promises",
            "floor",
            &["--way", "promises"],
        ),
        Contestant::new("fanfare", "ours", &[]),
        Contestant::new("ruststream 0.7.7", "ruststream", &[]),
        Contestant::new("mq-bridge 1.3.0", "mq_bridge", &[]),
        Contestant::new("omniqueue 0.3.0", "omniqueue", &[]),
    ]
}

/// `RustStream` with a publisher that waits, for its queue has no bound.
pub(crate) fn bounded_ruststream() -> Contestant {
    Contestant::new(
        "ruststream, 1,024 at a time",
        "ruststream",
        &["--ahead", "1024"],
    )
}
