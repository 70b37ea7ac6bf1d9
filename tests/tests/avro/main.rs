//! Events in Avro, by the schemas of Apicurio Registry; and what comes when it is away.

mod asking;
mod hostile;
mod refused;
mod registry;
mod tls;
mod writing;

use fanfare::Running;
use fanfare::event::{Envelope, EventId, Foreign};
use fanfare::prelude::*;
use fanfare::registry::SchemaRegistry;
use fanfare_tests::brokers::Apicurio;
use fanfare_tests::{Heard, Tell, channel, publish};
use serde_json::{Value, json};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
    #[streamer(codec = "avro")]
    avro: Memory,
    #[streamer(codec = "cbor")]
    packed: Memory,
}

/// In Avro wherever it goes.
#[event(codec = "avro", stream_to = streamer!("main", "posts"), key = author)]
#[derive(Clone, Debug, PartialEq)]
struct PostCreated {
    author: String,
    title: String,
    /// More than a long has place for is refused.
    words: u64,
    language: Option<String>,
}

/// As each streamer has it.
#[event(stream_to = [
    streamer!("main", "comments"),
    streamer!("avro", "comments"),
    streamer!("packed", "comments"),
])]
struct CommentWritten {
    text: String,
    kind: Kind,
}

#[payload]
#[derive(Debug)]
#[serde(tag = "kind")]
enum Kind {
    Answer { to: u64 },
    Remark,
}

/// In JSON, although its streamer has Avro.
#[event(codec = "json", stream_to = streamer!("avro", "notes"))]
struct NoteTaken {
    text: String,
}

/// By a schema of its own.
#[event(codec = "avro", avro_schema = include_str!("measured.avsc"), stream_to = streamer!("main", "measures"))]
struct Measured {
    at: String,
    celsius: f64,
    exactly: String,
}

/// What a Kotlin service writes: no CloudEvent, and nothing of ours around it.
#[event(stream_to = streamer!("main", "orders"))]
#[serde(rename_all = "camelCase")]
#[derive(Debug)]
struct OrderPlaced {
    order_id: String,
    placed_at: String,
    #[serde(default)]
    express: bool,
    lines: Vec<Line>,
}

#[payload]
#[derive(Debug)]
struct Line {
    article: String,
    count: u32,
}

/// Comes in batches.
#[event(codec = "avro", stream_to = streamer!("main", "ticks"))]
struct Ticked {
    number: u32,
}

/// An older version, and the newer one that it becomes.
#[event(name = "Renamed", codec = "avro")]
struct RenamedV1 {
    name: String,
}

#[event(name = "Renamed", version = 2, previous = RenamedV1, codec = "avro", stream_to = streamer!("main", "renames"))]
struct Renamed {
    name: String,
    by: String,
}

impl From<RenamedV1> for Renamed {
    fn from(old: RenamedV1) -> Self {
        let (name, by) = (old.name, "nobody".to_owned());
        Renamed { name, by }
    }
}

/// In CBOR on its streamer; it was called something else before.
#[event(renamed_from = "BoxSent", stream_to = streamer!("packed", "boxes"))]
struct BoxShipped {
    weight: f64,
}

/// Comes in batches, those of one key in their order.
#[event(stream_to = streamer!("main", "counts"))]
struct Counted {
    number: u32,
}

macro_rules! told {
    ($($handler:ident of $event:ident from $streamer:literal $topic:literal: $($field:ident)*;)*) => {$(
        #[event_handler(streamed_from = streamer!($streamer, $topic), retry(attempts = 3, backoff = "1ms..1ms"))]
        async fn $handler(event: $event, State(tell): State<Tell<String>>) -> Result<()> {
            let mut said = stringify!($handler).to_owned();
            $(said.push_str(&format!(" {:?}", event.$field));)*
            tell.tell(said);
            Ok(())
        }
    )*};
}

told! {
    post of PostCreated from "main" "posts": author title words language;
    comment of CommentWritten from "avro" "comments": text kind;
    packed_comment of CommentWritten from "packed" "comments": text kind;
    note of NoteTaken from "avro" "notes": text;
    measure of Measured from "main" "measures": at celsius exactly;
    order of OrderPlaced from "main" "orders": order_id placed_at express lines;
    rename of Renamed from "main" "renames": name by;
}

/// Each once.
#[event_handler(streamed_from = streamer!("main", "renames"), deduplicate)]
async fn once(renamed: Renamed, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("once {}", renamed.name));
    Ok(())
}

/// The service's own.
#[event_handler]
async fn own_post(post: PostCreated, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("own {}", post.title));
    Ok(())
}

/// As it came.
#[event_handler(streamed_from = streamer!("main", "orders"))]
async fn raw(order: RawEvent, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("raw {}", order.payload().len()));
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "ticks"), batch(max = 3, within = "1min"), retry(attempts = 1))]
async fn tick(ticks: Vec<Ticked>, State(tell): State<Tell<String>>) -> Result<()> {
    let numbers: Vec<_> = ticks.iter().map(|tick| tick.number).collect();
    tell.tell(format!("ticks {numbers:?}"));
    Ok(())
}

#[event_handler(
    streamed_from = streamer!("main", "counts"),
    batch(max = 2, within = "1min"),
    retry(attempts = 3, backoff = "1ms..1ms")
)]
async fn count(counts: Vec<Counted>, State(tell): State<Tell<String>>) -> Result<()> {
    let numbers: Vec<_> = counts.iter().map(|counted| counted.number).collect();
    tell.tell(format!("counts {numbers:?}"));
    Ok(())
}

struct Started {
    main: Memory,
    avro: Memory,
    packed: Memory,
    running: Running,
    told: Heard<String>,
}

impl Started {
    /// The next thing that this handler says; others may say something before.
    async fn next_of(&mut self, handler: &str) -> String {
        loop {
            let said = self.told.next().await;
            if let Some(said) = said.strip_prefix(handler) {
                return said.trim_start().to_owned();
            }
        }
    }
}

fn app() -> (App, Unstarted) {
    let (tell, told) = channel();
    let (main, avro, packed) = (Memory::new(), Memory::new(), Memory::new());
    let streamers = Streamers {
        main: main.clone(),
        avro: avro.clone(),
        packed: packed.clone(),
    };
    let app = App::new("blog").streamers(streamers).state(tell);
    (
        app,
        Unstarted {
            main,
            avro,
            packed,
            told,
        },
    )
}

/// What is there of it before it is started.
struct Unstarted {
    main: Memory,
    avro: Memory,
    packed: Memory,
    told: Heard<String>,
}

impl Unstarted {
    fn with(self, running: Running) -> Started {
        let Unstarted {
            main,
            avro,
            packed,
            told,
        } = self;
        Started {
            main,
            avro,
            packed,
            running,
            told,
        }
    }
}

async fn start() -> Started {
    let (app, rest) = app();
    let registry = SchemaRegistry::new(Apicurio::shared().url());
    let running = app.schema_registry(registry).start().await;
    rest.with(running.expect("started"))
}

fn a_post(title: &str) -> PostCreated {
    PostCreated {
        author: "ada".to_owned(),
        title: title.to_owned(),
        words: 7,
        language: None,
    }
}

/// What the Kotlin service's serializer registers.
fn order_schema() -> Value {
    json!({"type": "record", "name": "Order", "namespace": "com.example.shop", "fields": [
        {"name": "orderId", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "placedAt", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "article", "type": "string"},
            {"name": "count", "type": "int"},
        ]}}},
        {"name": "unknown", "type": ["null", "string"]},
    ]})
}

/// One order, as that serializer writes it.
fn order_payload(id: u32) -> Vec<u8> {
    let mut payload = vec![0];
    payload.extend(id.to_be_bytes());
    payload.push(72);
    payload.extend(b"67e55044-10b1-426f-9247-bb680e5fe0c8");
    // 1.5 seconds after 1970.
    payload.extend([0xB8, 0x17]);
    payload.extend([2, 10]);
    payload.extend(b"spoon");
    payload.extend([6, 0, 0]);
    payload
}

fn foreign(payload: &[u8]) -> Foreign {
    Foreign::new(payload.to_vec().into())
}

fn event(kind: &str, content_type: Option<&str>, payload: &[u8]) -> Envelope {
    let event = Envelope::new(EventId::new(), "/elsewhere", kind).expect("valid");
    let content_type = content_type.unwrap_or("application/octet-stream");
    let event = event.with_payload(content_type, payload.to_vec().into());
    event.expect("valid")
}

const ORDER: &str = r#""67e55044-10b1-426f-9247-bb680e5fe0c8" "1970-01-01T00:00:01.5Z" false [Line { article: "spoon", count: 3 }]"#;

#[tokio::test]
async fn a_message_without_a_header_fires_a_handler_as_if_native() {
    let mut started = start().await;
    let id = Apicurio::shared().register("orders-value", &order_schema());
    publish(&started.main, "orders", foreign(&order_payload(id))).await;
    assert_eq!(started.next_of("order").await, ORDER);
}

#[tokio::test]
async fn a_media_type_of_avro_says_what_it_is() {
    let mut started = start().await;
    let id = Apicurio::shared().register("orders-value", &order_schema());
    for content_type in [
        "application/avro",
        "application/x-avro; v=1",
        "application/vnd.apache.avro",
        "application/vnd.confluent.avro",
        "application/octet-stream",
    ] {
        let message = foreign(&order_payload(id)).with_content_type(content_type);
        publish(&started.main, "orders", message).await;
        assert_eq!(started.next_of("order").await, ORDER, "{content_type}");
        let message = event("OrderPlaced", Some(content_type), &order_payload(id));
        publish(&started.main, "orders", message).await;
        assert_eq!(started.next_of("order").await, ORDER, "{content_type}");
    }
}

#[tokio::test]
async fn who_takes_any_message_takes_it_as_it_came() {
    let mut started = start().await;
    let payload = order_payload(999_999);
    publish(&started.main, "orders", foreign(&payload)).await;
    assert_eq!(started.next_of("raw").await, payload.len().to_string());
}

#[tokio::test]
async fn an_older_version_becomes_the_newer_one() {
    let mut started = start().await;
    let schema =
        json!({"type": "record", "name": "R", "fields": [{"name": "name", "type": "string"}]});
    let id = Apicurio::shared().register("any-value", &schema);
    let payload = [&[0][..], &id.to_be_bytes(), &[4], b"so"].concat();
    let old = event("Renamed", Some("application/avro"), &payload);
    let old = old
        .with_schema("urn:fanfare:event:Renamed:1")
        .expect("valid");
    publish(&started.main, "renames", old).await;
    assert_eq!(started.next_of("rename").await, r#""so" "nobody""#);
}

#[tokio::test]
async fn what_comes_twice_is_handled_once_where_the_handler_says_so() {
    let mut started = start().await;
    let schema =
        json!({"type": "record", "name": "R", "fields": [{"name": "name", "type": "string"}]});
    let id = Apicurio::shared().register("any-value", &schema);
    let renamed = |name: &[u8]| {
        let payload = [&[0][..], &id.to_be_bytes(), &[2], name].concat();
        let event = event("Renamed", Some("application/avro"), &payload);
        event
            .with_schema("urn:fanfare:event:Renamed:1")
            .expect("valid")
    };
    let first = renamed(b"a");
    publish(&started.main, "renames", first.clone()).await;
    publish(&started.main, "renames", first).await;
    publish(&started.main, "renames", renamed(b"b")).await;
    assert_eq!(started.next_of("once").await, "a");
    assert_eq!(started.next_of("once").await, "b");
}

#[tokio::test]
async fn a_batch_is_read_by_the_schemas_of_its_messages() {
    let mut started = start().await;
    let publisher = started.running.publisher();
    for number in 1..=2 {
        publisher
            .publish(Ticked { number })
            .await
            .expect("published");
    }
    let schema =
        json!({"type": "record", "name": "T", "fields": [{"name": "number", "type": "long"}]});
    let id = Apicurio::shared().register("any-other-value", &schema);
    let payload = [&[0][..], &id.to_be_bytes(), &[6]].concat();
    publish(&started.main, "ticks", foreign(&payload)).await;
    assert_eq!(started.next_of("ticks").await, "[1, 2, 3]");
}
