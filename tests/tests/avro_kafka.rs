//! Avro on Kafka: fastavro writes what we read, and reads what we write.

use std::env;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use fanfare::prelude::*;
use fanfare::registry::SchemaRegistry;
use fanfare_tests::brokers::{Apicurio, Kafka as Server};
use fanfare_tests::{Tell, channel, kafka::create_topic};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

#[derive(Streamers)]
struct Streamers {
    #[streamer(codec = "avro")]
    main: Kafka,
}

#[event(name = "blog.PostCreated", stream_to = streamer!("main", "posts"), key = author)]
struct PostCreated {
    author: String,
    words: i64,
    rating: Option<f64>,
    tags: Vec<String>,
    kind: Kind,
    cover: Vec<u8>,
    translations: Vec<Translation>,
}

#[payload]
enum Kind {
    Article,
    #[allow(dead_code, reason = "one of them is written")]
    Poem,
}

#[payload]
#[derive(Debug)]
struct Translation {
    language: String,
    title: Option<String>,
}

/// What a service in another language announces: no CloudEvent.
#[event(name = "order", stream_to = streamer!("main", "orders"))]
#[serde(rename_all = "camelCase")]
#[derive(Debug)]
struct OrderPlaced {
    order_id: String,
    placed_at: String,
    price: String,
    address: Address,
    state: OrderState,
    notes: Option<String>,
}

#[payload]
#[derive(Debug)]
struct Address {
    street: String,
}

#[payload]
#[derive(Debug)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum OrderState {
    NewOrder,
    Paid,
}

#[event_handler(streamed_from = streamer!("main", "orders"))]
async fn order(order: OrderPlaced, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("{order:?}"));
    Ok(())
}

/// Runs the peer with these lines for its input: the lines that it says.
async fn peer(arguments: &[&str], lines: &[Value]) -> Vec<Value> {
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop");
    let python = env::var("FANFARE_PYTHON").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../target/venv/bin/python").to_owned()
    });
    let mut command = Command::new(&python);
    command
        .arg(interop.join("avro_peer.py"))
        .args([Server::shared().bootstrap(), Apicurio::shared().url()])
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

/// What `avro-tools` would make of an order, with a namespace, and enums and records by their names.
fn order_schema() -> String {
    json!({"type": "record", "name": "Order", "namespace": "com.example.shop", "fields": [
        {"name": "orderId", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "placedAt", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "address", "type": {"type": "record", "name": "Address", "fields": [
            {"name": "street", "type": "string"},
        ]}},
        {"name": "former", "type": ["null", "Address"], "default": null},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW_ORDER", "PAID"]}},
        {"name": "notes", "type": ["null", "string"], "default": null},
        {"name": "counts", "type": {"type": "map", "values": "long"}},
    ]})
    .to_string()
}

#[tokio::test]
async fn python_writes_and_reads() {
    let server = Server::shared();
    create_topic(&server.bootstrap(), "posts", 1).await;
    create_topic(&server.bootstrap(), "orders", 1).await;
    let (tell, mut told) = channel::<String>();
    let main = Kafka::new(server.bootstrap()).with_create_topics(true);
    let app = App::new("blog").streamers(Streamers { main }).state(tell);
    let registry = SchemaRegistry::new(Apicurio::shared().url());
    // A schema of the same subject may come from either side.
    let registry = registry.with_register_at_start(false);
    let running = app
        .schema_registry(registry)
        .start()
        .await
        .expect("started");

    let orders = [
        json!({
            "orderId": "67e55044-10b1-426f-9247-bb680e5fe0c8", "placedAt": 1_500_000,
            "price": "12.50", "address": {"street": "Main"}, "former": {"street": "Side"},
            "state": "PAID", "notes": "ring twice", "counts": {"spoon": 3},
        }),
        json!({
            "orderId": "67e55044-10b1-426f-9247-bb680e5fe0c9", "placedAt": -1,
            "price": "-0.01", "address": {"street": "Grüße"}, "former": null,
            "state": "NEW_ORDER", "notes": null, "counts": {},
        }),
    ];
    peer(&["write", "orders", &order_schema()], &orders).await;
    assert_eq!(
        told.next().await,
        r#"OrderPlaced { order_id: "67e55044-10b1-426f-9247-bb680e5fe0c8", placed_at: "1970-01-01T00:00:01.5Z", price: "12.50", address: Address { street: "Main" }, state: Paid, notes: Some("ring twice") }"#
    );
    assert_eq!(
        told.next().await,
        r#"OrderPlaced { order_id: "67e55044-10b1-426f-9247-bb680e5fe0c9", placed_at: "1969-12-31T23:59:59.999999Z", price: "-0.01", address: Address { street: "Grüße" }, state: NewOrder, notes: None }"#
    );

    let post = PostCreated {
        author: "ada".to_owned(),
        words: -7,
        rating: Some(0.5),
        tags: vec!["rust".to_owned()],
        kind: Kind::Article,
        cover: vec![0, 255],
        translations: vec![Translation {
            language: "de".to_owned(),
            title: None,
        }],
    };
    running.publisher().publish(post).await.expect("published");
    let read = peer(&["read", "posts", "1"], &[]).await;
    assert_eq!(read[0]["schema"], "blog.PostCreated");
    assert_eq!(read[0]["headers"]["content-type"], "application/avro");
    assert_eq!(read[0]["headers"]["ce_type"], "blog.PostCreated");
    assert_eq!(
        read[0]["value"],
        json!({
            "author": "ada", "words": -7, "rating": 0.5, "tags": ["rust"], "kind": "Article",
            "cover": [0, 255], "translations": [{"language": "de", "title": null}],
        })
    );
    running.shutdown().await.expect("shut down");
}
