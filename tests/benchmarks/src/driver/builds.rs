//! How long a user's crate takes to build from nothing, and with one more handler: ours with default
//! features, and `RustStream`'s with macros, memory and JSON.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wait4::Wait4;

use crate::goals::Goal;
use crate::report::{Report, Table};
use crate::{bar, median};

/// Of both.
pub(crate) struct Builds {
    ours: Build,
    theirs: Build,
}

/// What a crate took, on the clock and of the processors.
struct Build {
    name: &'static str,
    from_nothing: Took,
    again: Vec<Took>,
}

struct Took {
    clock: Duration,
    cpu: Duration,
}

/// A user's crate.
struct Crate {
    name: &'static str,
    folder: PathBuf,
    handler: fn(usize) -> String,
    code: String,
}

/// Builds both from nothing, and again as often.
pub(crate) fn measure(rounds: usize) -> Builds {
    let folder = TempDir::new().expect("a folder");
    let mut ours = Crate::ours(folder.path());
    let mut theirs = Crate::theirs(folder.path());
    let bar = bar(2 + 2 * rounds);
    let first = |it: &mut Crate| {
        bar.set_message(format!("{}: a build from nothing", it.name));
        let from_nothing = it.build();
        bar.inc(1);
        Build {
            name: it.name,
            from_nothing,
            again: Vec::new(),
        }
    };
    let (mut our_build, mut their_build) = (first(&mut ours), first(&mut theirs));
    for round in 0..rounds {
        for (it, build) in [(&mut ours, &mut our_build), (&mut theirs, &mut their_build)] {
            bar.set_message(format!("{}: one more handler", it.name));
            it.add_handler(round);
            build.again.push(it.build());
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Builds {
        ours: our_build,
        theirs: their_build,
    }
}

impl Crate {
    fn ours(folder: &Path) -> Self {
        let fanfare = concat!(env!("CARGO_MANIFEST_DIR"), "/../../runtime");
        let fanfare = format!("fanfare = {{ path = {fanfare:?} }}");
        let code = "use fanfare::prelude::*;

#[derive(Streamers)]
pub struct Streamers {
    pub main: Memory,
}

#[event(stream_to = streamer!(\"main\", \"posts\"))]
pub struct Post {
    pub title: String,
}

#[tokio::main(flavor = \"current_thread\")]
async fn main() -> Result<()> {
    App::new(\"blog\").streamers(Streamers { main: Memory::new() }).run().await
}
";
        let handler = |number| {
            format!(
                "
#[event_handler(streamed_from = streamer!(\"main\", \"posts\"))]
async fn hear_{number}(post: Post) -> Result<()> {{
    println!(\"{{}}\", post.title);
    Ok(())
}}
"
            )
        };
        let dependencies = [
            &fanfare,
            r#"tokio = { version = "1", features = ["macros", "rt"] }"#,
        ];
        Crate::write("fanfare", folder, &dependencies, code, handler)
    }

    /// As its README begins; the handlers are included by a function, for the line of each.
    fn theirs(folder: &Path) -> Self {
        let code = "use ruststream::memory::prelude::*;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
struct Post {
    title: String,
}

#[ruststream::app]
fn app() -> impl App {
    RustStream::new(AppInfo::new(\"blog\", \"0.1.0\")).with_broker(MemoryBroker::new(), |b| {
        // handlers
    })
}
";
        let handler = |number| {
            format!(
                "
#[subscriber(\"posts\")]
async fn hear_{number}(post: &Post) -> HandlerOutcome {{
    println!(\"{{}}\", post.title);
    HandlerOutcome::ack()
}}
"
            )
        };
        let dependencies = [
            r#"ruststream = { version = "=0.7.7", features = ["macros", "memory", "json"] }"#,
            r#"serde = { version = "1", features = ["derive"] }"#,
        ];
        Crate::write("ruststream", folder, &dependencies, code, handler)
    }

    fn write(
        name: &'static str,
        folder: &Path,
        dependencies: &[&str],
        code: &str,
        handler: fn(usize) -> String,
    ) -> Self {
        let folder = folder.join(name);
        fs::create_dir_all(folder.join("src")).expect("made");
        let dependencies = dependencies.join("\n");
        let manifest = format!(
            "[workspace]\n[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
             [dependencies]\n{dependencies}\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest).expect("written");
        // The same versions, as far as both use them.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
        fs::copy(lock, folder.join("Cargo.lock")).expect("copied");
        let mut it = Crate {
            name,
            folder,
            handler,
            code: code.to_owned(),
        };
        it.add_handler(usize::MAX);
        it
    }

    fn add_handler(&mut self, number: usize) {
        let included = format!("b.include(hear_{number});\n        // handlers");
        self.code = self.code.replace("// handlers", &included);
        self.code.push_str(&(self.handler)(number));
        fs::write(self.folder.join("src/main.rs"), &self.code).expect("written");
    }

    /// As a user would, with what is fetched already.
    fn build(&self) -> Took {
        let begun = Instant::now();
        let mut command = Command::new("cargo");
        command.args(["build", "--offline", "--quiet", "--target-dir", "target"]);
        command
            .env_remove("CARGO_INCREMENTAL")
            .current_dir(&self.folder);
        let child = command.spawn().expect("cargo");
        let used = child.wait4().expect("waited");
        assert!(used.status.success(), "{} does not build", self.name);
        let cpu = used.rusage.utime + used.rusage.stime;
        Took {
            clock: begun.elapsed(),
            cpu,
        }
    }
}

impl Build {
    fn again(&self, of: fn(&Took) -> Duration) -> f64 {
        median(self.again.iter().map(|took| of(took).as_secs_f64()))
    }
}

impl Builds {
    /// Says what each took.
    pub(crate) fn tell(&self, report: &mut Report) {
        let columns = [
            "a user's crate, seconds",
            "from nothing",
            "CPU",
            "one more handler",
            "CPU",
        ];
        let mut table = Table::new("`cargo build`, unoptimized:", &columns);
        for build in [&self.ours, &self.theirs] {
            table.row(vec![
                build.name.to_owned(),
                format!("{:.1}", build.from_nothing.clock.as_secs_f64()),
                format!("{:.1}", build.from_nothing.cpu.as_secs_f64()),
                format!("{:.2}", build.again(|took| took.clock)),
                format!("{:.2}", build.again(|took| took.cpu)),
            ]);
        }
        report.add(table);
    }

    /// What is wanted of it: by CPU time, for the clock shows what else the machine does.
    pub(crate) fn goals(&self) -> Vec<Goal> {
        let first = |build: &Build| build.from_nothing.cpu.as_secs_f64();
        let again = |build: &Build| build.again(|took| took.cpu);
        let from_nothing = first(&self.ours) / first(&self.theirs);
        let one_more = again(&self.ours) / again(&self.theirs);
        vec![
            Goal::new(
                "CPU of a build from nothing over ruststream's",
                1.0,
                from_nothing,
            ),
            Goal::new("CPU of one more handler over ruststream's", 1.0, one_more),
        ]
    }
}
