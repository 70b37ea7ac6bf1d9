//! The examples, run as a person runs them.

use std::path::PathBuf;
use std::process::Command;

/// Builds an example, and says where it is.
///
/// # Panics
/// When it does not build.
pub fn example(name: &str) -> PathBuf {
    // As `cargo test` in tests/run does, so that it is built once.
    let build = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--workspace"])
        .args(["--all-features", "--example", name])
        .args(["--message-format", "json"])
        .output()
        .expect("cargo runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(build.status.success(), "{}", text(&build.stderr));
    let artifacts = text(&build.stdout);
    let executable = artifacts.lines().find_map(|line| {
        let artifact: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_it = artifact["target"]["name"] == name;
        let executable = artifact["executable"].as_str();
        executable.filter(|_| is_it).map(PathBuf::from)
    });
    executable.expect("cargo names the program")
}
