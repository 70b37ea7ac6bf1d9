//! The Python side: one process for all tests, asked line by line (`tests/interop`).

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fanfare::event::cloudevents::Wire;
use serde_json::{Value, json};

/// How the message is laid out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Binary,
    Structured,
}

/// What `sdk` reads in a message, or why it refuses it.
pub(crate) fn read(sdk: &str, over: &str, wire: &Wire) -> Value {
    let text = |bytes: &Bytes| {
        str::from_utf8(bytes)
            .expect("headers of events are text")
            .to_owned()
    };
    let headers: Value = wire
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(text(value))))
        .collect();
    ask(&json!({
        "do": "read", "sdk": sdk, "over": over, "headers": headers,
        "key": wire.key.as_ref().map(text),
        "body": STANDARD.encode(&wire.payload),
    }))
}

/// The message that `sdk` writes of an event.
pub(crate) fn write(sdk: &str, over: &str, mode: Mode, attributes: &Value, data: &Value) -> Wire {
    let mode = match mode {
        Mode::Binary => "binary",
        Mode::Structured => "structured",
    };
    let answer = ask(&json!({
        "do": "write", "sdk": sdk, "over": over, "mode": mode, "attributes": attributes, "data": data,
    }));
    assert!(
        answer.get("error").is_none(),
        "the SDK does not write {attributes}: {answer}"
    );
    let bytes = |value: &Value| value.as_str().map(|text| Bytes::from(text.to_owned()));
    let headers = answer["headers"].as_object().expect("headers");
    Wire {
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_str().into(), bytes(value).expect("a text")))
            .collect(),
        key: bytes(&answer["key"]),
        payload: unpacked(&answer["body"]),
    }
}

pub(crate) fn packed(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn unpacked(value: &Value) -> Bytes {
    STANDARD
        .decode(value.as_str().expect("base64"))
        .expect("base64")
        .into()
}

fn ask(request: &Value) -> Value {
    static PEER: Mutex<Option<Peer>> = Mutex::new(None);
    let mut peer = PEER.lock().unwrap_or_else(PoisonError::into_inner);
    peer.get_or_insert_with(Peer::start).ask(request)
}

struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Peer {
        let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
        let python = env::var("FANFARE_PYTHON").unwrap_or_else(|_| {
            concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python").to_owned()
        });
        let mut child = Command::new(&python)
            .arg(interop.join("cloudevents_peer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("no Python at {python} ({error}): run `tests/setup`"));
        Peer {
            questions: child.stdin.take().expect("piped"),
            answers: BufReader::new(child.stdout.take().expect("piped")),
            child,
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        let mut answer = String::new();
        let asked = writeln!(self.questions, "{request}").and_then(|()| self.questions.flush());
        let answered = asked.and_then(|()| self.answers.read_line(&mut answer));
        if answered.is_err() || answer.is_empty() {
            let status = self.child.wait();
            panic!(
                "the Python SDK does not run ({status:?}; its reason is above): run `tests/setup`"
            );
        }
        serde_json::from_str(&answer).expect("a JSON answer")
    }
}
