//! Strangers: a Python client writes what we read, and reads what we write.

use std::path::Path;
use std::process::Command;

use fanfare::event::{Envelope, EventId, Message};
use fanfare::streamers::Nats;
use serde_json::{Value, json};

use super::{Server, connected, next, publish, shared, subscribe};

/// Asks the peer one thing: its answer.
async fn peer(question: Value) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut python = Command::new(folder.join("../target/venv/bin/python"));
    python
        .arg(folder.join("interop/nats_peer.py"))
        .arg(Server::shared().url())
        .arg(question.to_string());
    let asking = tokio::task::spawn_blocking(move || python.output());
    let output = asking.await.expect("asked");
    let output = output.expect("Python, which tests/setup installs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn post() -> Envelope {
    Envelope::new(EventId::new(), "/blog", "blog.post-created")
        .and_then(|event| event.with_payload("application/json", r#"{"title":"Grüße"}"#.into()))
        .and_then(|event| event.with_subject("Zoë, 100 %"))
        .and_then(|event| event.with_key("post 17"))
        .expect("valid")
}

async fn written_by_the_peer(headers: Value, payload: &str) -> Message {
    let (nats, topic) = Server::with_topic().await;
    let mut deliveries = subscribe(&nats, &topic, shared("group"), 10).await;
    peer(json!({"do": "write", "topic": topic, "headers": headers, "payload": payload})).await;
    next(&mut deliveries).await.message().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_json_of_a_stranger_is_read_as_it_is() {
    let message = written_by_the_peer(json!({"X-Place": "Köln"}), r#"{"title":"Hi"}"#).await;
    let Message::Foreign(foreign) = message else {
        panic!("{message:?}");
    };
    assert_eq!(foreign.payload(), r#"{"title":"Hi"}"#);
    assert_eq!(foreign.header("X-Place").expect("a header"), "Köln");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_stranger_in_binary_mode_is_read() {
    let headers = json!({
        "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/python", "ce-type": "greeting",
        "ce-subject": "Zo%C3%AB", "ce-datacontenttype": "application/json", "ce-partitionkey": "k",
    });
    let message = written_by_the_peer(headers, r#"{"title":"Hi"}"#).await;
    let event = message.event().expect("an event");
    assert_eq!(event.subject(), Some("Zoë"));
    assert_eq!(event.content_type(), Some("application/json"));
    assert_eq!(event.key(), Some("k"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_stranger_in_structured_mode_is_read_with_and_without_a_media_type() {
    let payload = r#"{"specversion":"1.0","id":"1","source":"/python","type":"greeting","data":1}"#;
    for headers in [
        json!({"Content-Type": "application/cloudevents+json"}),
        json!({}),
    ] {
        let message = written_by_the_peer(headers, payload).await;
        assert_eq!(message.event().expect("an event").payload(), "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_reads_our_event_in_binary_mode() {
    let (nats, topic) = Server::with_topic().await;
    publish(&nats, &topic, [post().into()]).await;
    let read = peer(json!({"do": "read", "topic": topic})).await;
    assert_eq!(read["payload"], r#"{"title":"Grüße"}"#);
    let headers = &read["headers"];
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-source", "/blog"),
        ("ce-type", "blog.post-created"),
        ("ce-subject", "Zo%C3%AB,%20100%20%25"),
        ("ce-partitionkey", "post%2017"),
        ("ce-datacontenttype", "application/json"),
    ] {
        assert_eq!(headers[name], value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_reads_our_event_in_structured_mode() {
    let (_, topic) = Server::with_topic().await;
    let nats = Nats::new(Server::shared().url()).with_structured_events(true);
    publish(&connected(nats).await, &topic, [post().into()]).await;
    let read = peer(json!({"do": "read", "topic": topic})).await;
    let media_type = read["headers"]["content-type"].as_str();
    let media_type = media_type.expect("a media type");
    assert!(
        media_type.starts_with("application/cloudevents+json"),
        "{media_type}"
    );
    let event: Value = serde_json::from_str(read["payload"].as_str().expect("text")).expect("JSON");
    assert_eq!(event["subject"], "Zoë, 100 %");
    assert_eq!(event["data"]["title"], "Grüße");
}
