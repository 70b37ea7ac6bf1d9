//! Kafka's Python client writes what we read, and reads what we write.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fanfare::event::{Envelope, EventId, Message};
use fanfare::streamer::Streamer;
use fanfare_tests::brokers::Kafka as Server;
use fanfare_tests::{foreign, join, publish};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{client, connected, topic};

/// Runs the peer with these lines for its input: the lines that it says.
async fn peer(arguments: &[&str], lines: &[Value]) -> Vec<Value> {
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    let python = env::var("FANFARE_PYTHON").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python").to_owned()
    });
    let mut command = Command::new(&python);
    command
        .arg(interop.join("kafka_peer.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
    let run = move || {
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("no Python at {python} ({error}): run `tests/setup`");
        });
        let mut stdin = child.stdin.take().expect("piped");
        stdin
            .write_all(lines.join("\n").as_bytes())
            .expect("written");
        drop(stdin);
        child.wait_with_output().expect("run")
    };
    let output = spawn_blocking(run).await.expect("run");
    assert!(output.status.success(), "its reason is above");
    let said = String::from_utf8(output.stdout).expect("text");
    let values = said.lines().map(serde_json::from_str);
    values.collect::<Result<_, _>>().expect("JSON")
}

#[tokio::test]
async fn what_python_writes_is_read() {
    let server = Server::shared();
    let topic = topic(server, 1).await;
    let kafka = connected(server).await;
    let mut ear = join(&kafka, &topic, &topic).await;
    let binary = json!({
        "ce_specversion": "1.0", "ce_id": "1", "ce_source": "/python", "ce_type": "post",
        "ce_subject": "Köln", "content-type": "application/json",
    });
    let structured = json!({
        "specversion": "1.0", "id": "2", "source": "/python", "type": "post", "data": {"n": 2},
    });
    let records = [
        json!({"key": "post-1", "headers": binary, "value": "{\"n\":1}"}),
        json!({
            "key": "post-2", "headers": {"content-type": "application/cloudevents+json"},
            "value": structured.to_string(),
        }),
        json!({"key": "plain", "headers": {"sensor": "cellar"}, "value": "{\"n\":3}"}),
    ];
    peer(&[&server.bootstrap(), "write", &topic], &records).await;

    let first = ear.next_event().await;
    assert_eq!((&*first.id().to_string(), first.kind()), ("1", "post"));
    assert_eq!(first.subject(), Some("Köln"));
    assert_eq!(first.key(), Some("post-1"));
    assert_eq!(&first.payload()[..], b"{\"n\":1}");
    let second = ear.next_event().await;
    assert_eq!(&*second.id().to_string(), "2");
    assert_eq!(second.key(), Some("post-2"));
    assert_eq!(&second.payload()[..], b"{\"n\":2}");
    let Message::Foreign(third) = ear.next().await else {
        panic!("no event was sent");
    };
    assert_eq!(third.header("sensor").expect("a header"), "cellar");
    assert_eq!(third.key().expect("a key"), "plain");
    assert_eq!(&third.payload()[..], b"{\"n\":3}");
}

fn event() -> Envelope {
    let payload = "{\"n\":1}".to_owned().into();
    let event = Envelope::new(EventId::new(), "/blog", "blog.post-created").expect("an event");
    let event = event
        .with_payload("application/json", payload)
        .expect("JSON");
    event.with_key("post-1").expect("a key")
}

#[tokio::test]
async fn what_is_written_python_reads() {
    let server = Server::shared();
    let topic = topic(server, 1).await;
    let kafka = connected(server).await;
    let event = event();
    publish(&kafka, &topic, event.clone()).await;
    publish(&kafka, &topic, foreign("plain")).await;

    let read = peer(&[&server.bootstrap(), "read", &topic, "2"], &[]).await;
    let headers = json!({
        "ce_specversion": "1.0", "ce_id": event.id().to_string(), "ce_source": "/blog",
        "ce_type": "blog.post-created", "ce_partitionkey": "post-1",
        "content-type": "application/json",
    });
    let binary = json!({"key": "post-1", "headers": headers, "value": "{\"n\":1}"});
    let plain = json!({"key": null, "headers": {}, "value": "plain"});
    assert_eq!(read, [binary, plain]);
}

#[tokio::test]
async fn in_structured_mode_all_of_an_event_is_its_value() {
    let server = Server::shared();
    let topic = topic(server, 1).await;
    let kafka = client(server).with_structured_events(true);
    kafka.connect().await.expect("connected");
    let event = event();
    publish(&kafka, &topic, event.clone()).await;

    let read = peer(&[&server.bootstrap(), "read", &topic, "1"], &[]).await;
    assert_eq!(read[0]["key"], "post-1");
    let content_type = read[0]["headers"]["content-type"].as_str().expect("text");
    assert!(
        content_type.starts_with("application/cloudevents+json"),
        "{content_type}"
    );
    let value = read[0]["value"].as_str().expect("text");
    let value: Value = serde_json::from_str(value).expect("JSON");
    assert_eq!(value["id"], event.id().to_string());
    assert_eq!(value["data"], json!({"n": 1}));
}
