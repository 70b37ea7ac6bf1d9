//! Strangers at the same broker: Python's pika (`tests/interop/amqp_peer.py`).

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use fanfare::event::{AttributeValue, Envelope, EventId, Message};
use fanfare::streamer::Streamer;
use fanfare::streamers::Amqp;
use fanfare_tests::brokers::RabbitMq;
use fanfare_tests::{foreign, join, publish};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::{connected, needs, shared, unique};

fn python(broker: &RabbitMq, topic: &str, what: &[&str]) -> Command {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut command = Command::new(format!("{root}/target/venv/bin/python"));
    command
        .arg(format!("{root}/tests/interop/amqp_peer.py"))
        .args([&broker.url(), topic])
        .args(what)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

async fn write(broker: &'static RabbitMq, topic: &str, messages: Vec<Value>) {
    let mut command = python(broker, topic, &["write"]);
    let writing = spawn_blocking(move || {
        let mut peer = command.spawn().expect("python: run tests/setup");
        let mut lines = peer.stdin.take().expect("piped");
        for message in messages {
            writeln!(lines, "{message}").expect("written");
        }
        drop(lines);
        assert!(peer.wait().expect("ended").success());
    });
    writing.await.expect("written");
}

fn plain(key: &str, content_type: &str, headers: &Value, body: &str) -> Value {
    json!({"key": key, "content_type": content_type, "headers": headers, "body": body})
}

#[tokio::test]
async fn what_python_writes_is_read() {
    let broker = shared().await;
    let topic = unique("posts");
    let amqp = connected(&broker.url()).await;
    let mut ear = join(&amqp, &topic, "shop.pack").await;
    let event = json!({
        "specversion": "1.0", "id": "7", "source": "/python", "type": "posted",
        "datacontenttype": "application/json", "data": {"title": "Hello"},
    });
    let messages = vec![
        plain(
            "key",
            "application/json",
            &json!({"x-count": 7, "x-on": true, "x-all": {"a": [1]}}),
            "{}",
        ),
        plain(
            "key",
            "application/json",
            &json!({
                "cloudEvents_specversion": "1.0", "cloudEvents_id": "8",
                "cloudEvents_source": "/python", "cloudEvents_type": "posted",
            }),
            "{\"title\": \"Hello\"}",
        ),
        plain(
            "",
            "text/plain",
            &json!({
                "cloudEvents:specversion": "1.0", "cloudEvents:id": "9",
                "cloudEvents:source": "/python", "cloudEvents:type": "posted",
            }),
            "Hello",
        ),
        plain(
            "",
            "application/cloudevents+json",
            &json!({}),
            &event.to_string(),
        ),
    ];
    write(broker, &topic, messages).await;

    let Message::Foreign(first) = ear.next().await else {
        panic!("an event")
    };
    assert_eq!(first.content_type(), Some("application/json"));
    assert_eq!(first.key().map(|key| &key[..]), Some(&b"key"[..]));
    let header = |name| first.header(name).map(|value| value.to_vec());
    assert_eq!(header("x-count").as_deref(), Some(&b"7"[..]));
    assert_eq!(header("x-on").as_deref(), Some(&b"true"[..]));
    assert_eq!(header("x-all").as_deref(), Some(&br#"{"a":[1]}"#[..]));
    let binary = ear.next_event().await;
    assert_eq!(
        (binary.id().to_string().as_str(), binary.key()),
        ("8", Some("key"))
    );
    assert_eq!(binary.content_type(), Some("application/json"));
    let colon = ear.next_event().await;
    assert_eq!((colon.id().to_string().as_str(), colon.key()), ("9", None));
    let structured = ear.next_event().await;
    assert_eq!(structured.id().to_string(), "7");
    assert_eq!(structured.payload(), r#"{"title":"Hello"}"#);
}

#[tokio::test]
async fn what_is_written_python_reads() {
    let broker = shared().await;
    let topic = unique("posts");
    let amqp = connected(&broker.url()).await;
    amqp.prepare(&needs(&[&topic])).await.expect("prepared");
    let structured = Amqp::new(broker.url()).with_structured_events(true);
    structured.connect().await.expect("connected");
    let mut peer = python(broker, &topic, &["read", "3"]).spawn();
    let peer = peer.as_mut().expect("python: run tests/setup");
    let mut lines = BufReader::new(peer.stdout.take().expect("piped")).lines();
    let mut line = move || lines.next().expect("a line").expect("a line");
    assert_eq!(line(), "ready");

    let event = Envelope::new(EventId::new(), "/rust", "posted").expect("valid");
    let event = event
        .with_payload("application/json", "{}".into())
        .and_then(|event| event.with_key("key"))
        .and_then(|event| event.with_extension("draft", AttributeValue::from(true)))
        .expect("valid");
    publish(&amqp, &topic, event.clone()).await;
    publish(&structured, &topic, event.clone()).await;
    publish(&amqp, &topic, foreign("plain")).await;
    let messages = spawn_blocking(move || [line(), line(), line()]);
    let messages = messages.await.expect("read");
    // Two connections have published them: in which order is not looked at here.
    let messages = messages.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    let find = |what: &str, is_it: fn(&&Value) -> bool| {
        let found = messages.iter().find(is_it);
        found.unwrap_or_else(|| panic!("no {what}: {messages:?}"))
    };
    let binary = find("binary", |it| it["content_type"] == "application/json");
    let plain = find("plain", |it| it["body"] == "plain");
    let structured = find("structured", |it| {
        let media_type = it["content_type"].as_str();
        media_type.is_some_and(|it| it.starts_with("application/cloudevents+json"))
    });
    peer.wait().expect("ended");

    let id = json!(event.id().to_string());
    let headers = &binary["headers"];
    assert_eq!(headers["cloudEvents_id"], id);
    assert_eq!(headers["cloudEvents_type"], "posted");
    assert_eq!(headers["cloudEvents_draft"], "true");
    assert_eq!(binary["content_type"], "application/json");
    assert_eq!(
        (&binary["key"], &binary["body"]),
        (&json!("key"), &json!("{}"))
    );
    assert_eq!(
        (&binary["message_id"], &binary["persistent"]),
        (&id, &json!(true))
    );
    let body: Value =
        serde_json::from_str(structured["body"].as_str().expect("text")).expect("JSON");
    assert_eq!((&body["id"], &structured["key"]), (&id, &json!("key")));
    assert_eq!(plain["body"], "plain");
    assert!(plain["key"].as_str().expect("text").starts_with('~'));
}
