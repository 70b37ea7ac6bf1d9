//! The official parser of `AsyncAPI`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Asks the official parser of `AsyncAPI` what it finds and understands.
///
/// # Panics
/// When it is not there, or cannot be asked.
pub fn ask_parser(document: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = folder.join("../target/asyncapi/node_modules");
    assert!(
        modules.join("@asyncapi/parser").exists(),
        "the parser of AsyncAPI is not there: run tests/setup, which installs it"
    );
    let mut node = Command::new("node")
        .arg(folder.join("interop/asyncapi_peer.cjs"))
        .env("NODE_PATH", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node, which tests/setup installs");
    let mut stdin = node.stdin.take().expect("piped");
    stdin.write_all(document.as_bytes()).expect("written");
    drop(stdin);
    let output = node.wait_with_output().expect("run");
    assert!(output.status.success(), "{}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What the official parser finds wrong with a document, and is no matter of taste.
///
/// # Panics
/// When the answer is none of the parser's.
pub fn wrong(answer: &Value) -> Vec<String> {
    let found = answer["found"].as_array().expect("a list").iter();
    let serious = found.filter(|it| it["severity"] == "error" || it["severity"] == "warning");
    serious.map(Value::to_string).collect()
}
