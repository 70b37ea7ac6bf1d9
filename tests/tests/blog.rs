//! The example `blog`, killed while people post.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};
use std::{iter, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How often it is killed.
const KILLS: usize = 8;

/// How many posts are answered before it is.
const POSTS: usize = 25;

/// How many people post at a time.
const PEOPLE: usize = 4;

/// How long what is stored may take to be found, and to be in the feed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Built once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| fanfare_tests::example("blog"))
}

/// A blog that is running.
struct Blog {
    process: Child,
    address: String,
}

impl Blog {
    fn start(folder: &TempDir) -> Blog {
        let mut process = blog(folder)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let out = process.stdout.take().expect("piped");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ");
        Blog {
            address: address.expect("where it listens").to_owned(),
            process,
        }
    }

    fn get(&self, path: &str) -> Vec<Value> {
        let answer = ureq::get(format!("http://{}/{path}", self.address)).call();
        let answer = answer.expect("answered").body_mut().read_json();
        answer.expect("JSON")
    }

    fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("gone");
    }
}

impl Drop for Blog {
    fn drop(&mut self) {
        self.kill();
    }
}

fn blog(folder: &TempDir) -> Command {
    let mut blog = Command::new(program());
    let path = |name| folder.path().join(name);
    blog.arg("--database").arg(path("blog.db"));
    blog.arg("--feed").arg(path("feed"));
    blog.stderr(Stdio::null());
    blog
}

/// The id of a post that was answered.
fn post(address: &str) -> Option<String> {
    let draft = json!({"title": "Hello world", "author": "ann"});
    let answer = ureq::post(format!("http://{address}/posts")).send_json(draft);
    let answer: Value = answer.ok()?.body_mut().read_json().ok()?;
    Some(answer["id"].as_str().expect("an id").to_owned())
}

/// The ids of the posts in the feed.
fn feed(folder: &TempDir) -> BTreeSet<String> {
    let files = folder.path().join("feed").read_dir().expect("a feed");
    let paths = files.map(|file| file.expect("a file").path());
    let finished = paths.filter(|path| path.extension().is_some());
    let id = |path: PathBuf| {
        let text = std::fs::read_to_string(path).expect("read");
        let post: Value = serde_json::from_str(&text).expect("whole");
        post["post_id"].as_str().expect("an id").to_owned()
    };
    finished.map(id).collect()
}

/// People post until so many posts are answered and the blog is killed: the answered ones.
fn post_until_killed(blog: &mut Blog) -> BTreeSet<String> {
    let (tell, answers) = mpsc::channel();
    let address = blog.address.clone();
    thread::scope(|scope| {
        for tell in vec![tell; PEOPLE] {
            let address = &address;
            scope.spawn(move || iter::from_fn(|| post(address)).try_for_each(|id| tell.send(id)));
        }
        let mut ids: BTreeSet<_> = answers.iter().take(POSTS).collect();
        blog.kill();
        ids.extend(answers);
        ids
    })
}

#[test]
fn of_a_post_that_was_answered_nothing_is_missing_after_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut answered = BTreeSet::new();
    for _ in 0..KILLS {
        answered.extend(post_until_killed(&mut Blog::start(&folder)));
    }
    assert!(answered.len() >= KILLS * POSTS);

    let blog = Blog::start(&folder);
    let ids = |posts: Vec<Value>| -> BTreeSet<String> {
        let id = |post: &Value| post["id"].as_str().or(post.as_str()).map(str::to_owned);
        posts.iter().filter_map(id).collect()
    };
    let stored = ids(blog.get("posts"));
    assert!(answered.is_subset(&stored));
    // Also what was stored, and killed before it could be answered; and nothing else.
    let begun = Instant::now();
    loop {
        let (found, fed) = (ids(blog.get("search?word=HELLO")), feed(&folder));
        if found == stored && fed == stored {
            break;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{} are stored, {} found, {} in the feed",
            stored.len(),
            found.len(),
            fed.len()
        );
        thread::yield_now();
    }
}

#[test]
fn it_ends_well_when_it_is_asked_to() {
    let folder = tempfile::tempdir().expect("a folder");
    for asked in [Signal::TERM, Signal::INT] {
        let mut blog = Blog::start(&folder);
        let process = Pid::from_child(&blog.process);
        kill_process(process, asked).expect("asked");
        let status = blog.process.wait().expect("gone");
        assert!(status.success(), "{asked:?}: {status}");
    }
}

#[test]
fn its_command_line_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = blog(&folder).arg("topology").output().expect("run");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.starts_with("service blog\n"), "{text}");
}
