//! What a handler's JSON Schema refuses, before it is called.

use std::collections::BTreeMap;

use fanfare::Running;
use fanfare::event::{Envelope, EventId};
use fanfare::prelude::*;
use fanfare_tests::{Ear, Heard, Tell, channel, event, extension, foreign, listen, publish};
use serde_json::{Value, json};

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

#[event(name = "Ordered", stream_to = streamer!("main", "orders"))]
struct OrderedV1 {
    #[schemars(length(min = 1))]
    article: String,
}

#[event(
    name = "Ordered",
    version = 2,
    previous = OrderedV1,
    stream_to = [streamer!("main", "orders"), streamer!("main", "batches")]
)]
struct Ordered {
    #[schemars(length(max = 9), regex(pattern = "^[a-z]+$"))]
    article: String,
    #[serde(default)]
    #[schemars(range(min = 1, max = 10))]
    count: u32,
    #[serde(default)]
    by_shelf: BTreeMap<u16, f64>,
}

impl From<OrderedV1> for Ordered {
    fn from(old: OrderedV1) -> Self {
        Ordered {
            article: old.article,
            count: 1,
            by_shelf: BTreeMap::new(),
        }
    }
}

#[event_handler(streamed_from = streamer!("main", "orders"), json_schema, retry(attempts = 5))]
async fn pack(order: Ordered, State(tell): State<Tell<String>>) -> Result<()> {
    let Ordered {
        article,
        count,
        by_shelf,
    } = order;
    tell.tell(format!("{count} {article} {by_shelf:?}"));
    Ok(())
}

fn not_nuts(order: &Ordered) -> Result<(), &'static str> {
    let is_nuts = order.article == "nuts";
    if is_nuts { Err("no nuts") } else { Ok(()) }
}

#[event_handler(
    streamed_from = streamer!("main", "batches"),
    json_schema,
    validate = not_nuts,
    batch(max = 3, within = "1h")
)]
async fn load(orders: Vec<Ordered>, State(tell): State<Tell<String>>) -> Result<()> {
    let articles: Vec<_> = orders.into_iter().map(|order| order.article).collect();
    tell.tell(articles.join(" "));
    Ok(())
}

mod schemas {
    /// `(a+)+$` is what a pattern takes forever with that goes back and forth.
    pub(super) const PARCEL: &str = r##"{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["code"],
        "properties": {
            "code": {"$ref": "#/$defs/code"},
            "weight": {"type": "number", "exclusiveMinimum": 0},
            "slow": {"type": "string", "pattern": "^(a+)+$"}
        },
        "$defs": {"code": {"type": "string", "pattern": "\\d"}}
    }"##;

    /// Two choices that share a child: what is wrong below is wrong twice at each level.
    pub(super) const TREE: &str = r##"{
        "oneOf": [
            {"properties": {"plus": {"$ref": "#"}, "kind": {"const": "a"}}, "required": ["plus"]},
            {"properties": {"plus": {"$ref": "#"}, "kind": {"const": "b"}}, "required": ["plus"]},
            {"properties": {"leaf": {"type": "integer"}}, "required": ["leaf"]}
        ]
    }"##;
}

#[event_handler(
    streamed_from = streamer!("main", "parcels"),
    json_schema = schemas::PARCEL
)]
async fn take(parcel: RawEvent, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("parcel of {} bytes", parcel.payload().len()));
    Ok(())
}

#[event_handler(streamed_from = streamer!("main", "trees"), json_schema = schemas::TREE)]
async fn climb(tree: RawEvent, State(tell): State<Tell<String>>) -> Result<()> {
    tell.tell(format!("tree of {} bytes", tree.payload().len()));
    Ok(())
}

struct Started {
    memory: Memory,
    _running: Running,
    told: Heard<String>,
    letters: Ear,
}

async fn start(topic: &str) -> Started {
    let memory = Memory::new();
    let (tell, told) = channel();
    let streamers = Streamers {
        main: memory.clone(),
    };
    let app = App::new("shop").streamers(streamers).state(tell);
    Started {
        _running: app.start().await.expect("started"),
        letters: listen(&memory, &format!("{topic}.dead-letters")).await,
        memory,
        told,
    }
}

impl Started {
    /// The reason of the dead letter that an event becomes.
    async fn refused(&mut self, topic: &str, event: Envelope) -> String {
        publish(&self.memory, topic, event).await;
        let letter = self.letters.next_event().await;
        assert_eq!(extension(&letter, "deadletterattempts"), "1");
        extension(&letter, "deadletterreason")
    }
}

fn ordered(order: &Value) -> Envelope {
    event("Ordered", &order.to_string())
}

#[tokio::test]
async fn what_the_events_own_schema_refuses_is_dead_lettered_at_once_with_what_is_wrong_where() {
    let mut started = start("orders").await;
    let order = json!({"article": "NAILS", "count": 11});
    let reason = started.refused("orders", ordered(&order)).await;
    assert_eq!(
        reason,
        r#"the event is not valid by the JSON Schema of `Ordered` v2: /article: value does not match "^[a-z]+$"; /count: value is greater than the maximum of 10"#
    );
    let order = json!({"article": "nails", "count": 10});
    publish(&started.memory, "orders", ordered(&order)).await;
    assert_eq!(started.told.next().await, "10 nails {}");
}

#[tokio::test]
async fn an_older_version_is_checked_by_its_own_schema() {
    let mut started = start("orders").await;
    let old = |article: &str| {
        let event = ordered(&json!({"article": article}));
        event
            .with_schema("urn:fanfare:event:Ordered:1")
            .expect("a schema")
    };
    let reason = started.refused("orders", old("")).await;
    assert!(reason.contains("of `Ordered` v1: /article: "), "{reason}");
    publish(&started.memory, "orders", old("Wood Screws")).await;
    assert_eq!(started.told.next().await, "1 Wood Screws {}");
}

/// An order as others write it.
#[payload]
struct Strangers {
    article: String,
    count: u32,
    by_shelf: BTreeMap<u16, f64>,
}

fn in_codec(content_type: &str, payload: Vec<u8>) -> Envelope {
    let event = Envelope::new(EventId::new(), "/elsewhere", "Ordered").expect("valid");
    let event = event.with_payload(content_type, payload.into());
    event.expect("valid")
}

#[tokio::test]
async fn other_codecs_are_checked_as_the_json_that_they_stand_for() {
    let mut started = start("orders").await;
    let order = |count: u32| {
        let order = Strangers {
            article: "nails".to_owned(),
            count,
            // In MessagePack its keys are numbers, which JSON has not.
            by_shelf: BTreeMap::from([(7, 0.5)]),
        };
        let payload = rmp_serde::to_vec_named(&order).expect("written");
        in_codec("application/msgpack", payload)
    };
    publish(&started.memory, "orders", order(2)).await;
    assert_eq!(started.told.next().await, "2 nails {7: 0.5}");
    let reason = started.refused("orders", order(0)).await;
    assert!(reason.contains("/count: "), "{reason}");
    let mut cbor = Vec::new();
    ciborium::into_writer(&json!({"article": "x", "count": 11}), &mut cbor).expect("written");
    let order = in_codec("application/cbor", cbor);
    let reason = started.refused("orders", order).await;
    assert!(reason.contains("/count: "), "{reason}");
}

#[tokio::test]
async fn one_of_a_batch_that_does_not_fit_takes_nobody_with_it_and_the_rest_is_checked_by_validate()
{
    let mut started = start("batches").await;
    for article in ["nails", "NAILS", "nuts"] {
        let order = json!({"article": article, "count": 1});
        publish(&started.memory, "batches", ordered(&order)).await;
    }
    assert_eq!(started.told.next().await, "nails");
    let mut reasons = Vec::new();
    for _ in 0..2 {
        let letter = started.letters.next_event().await;
        reasons.push(extension(&letter, "deadletterreason"));
    }
    reasons.sort();
    assert!(reasons[0].contains("JSON Schema"), "{reasons:?}");
    assert!(
        reasons[1].contains("`not_nuts` says: no nuts"),
        "{reasons:?}"
    );
}

#[tokio::test]
async fn messages_of_any_kind_are_checked_by_the_schema_that_is_named() {
    let mut started = start("parcels").await;
    publish(&started.memory, "parcels", foreign(r#"{"code": "x"}"#)).await;
    let letter = started.letters.next().await;
    assert_eq!(letter.payload(), r#"{"code": "x"}"#);
    let reason = started.refused("parcels", event("Parcel", "{}")).await;
    assert_eq!(
        reason,
        r#"the event is not valid by the JSON Schema `schemas::PARCEL`: "code" is a required property"#
    );
    let reason = started.refused("parcels", event("Parcel", "no JSON")).await;
    assert!(reason.contains("expected ident"), "{reason}");
    publish(&started.memory, "parcels", foreign(r#"{"code": "x1"}"#)).await;
    assert_eq!(started.told.next().await, "parcel of 14 bytes");
}

/// Neither what is wrong nor how often is anybody's to choose.
#[tokio::test]
async fn a_reason_is_short_however_much_is_wrong_and_a_pattern_takes_no_time() {
    let mut started = start("parcels").await;
    let hostile =
        json!({"code": "x".repeat(100_000), "weight": -1, "slow": "a".repeat(50_000) + "!"});
    let reason = started
        .refused("parcels", event("Parcel", &hostile.to_string()))
        .await;
    assert!(reason.len() < 500, "{}", reason.len());
    assert!(!reason.contains("xxx"), "{reason}");
}

#[tokio::test]
async fn choices_within_choices_are_refused_in_no_time_however_deep() {
    let mut started = start("trees").await;
    let tree = |depth: usize, leaf: Value| {
        let leaf = json!({"leaf": leaf});
        let grown = (0..depth).fold(leaf, |tree, _| json!({"plus": tree, "kind": "a"}));
        grown.to_string()
    };
    let deep = event("Tree", &tree(60, json!("x")));
    let deep = started.refused("trees", deep).await;
    let shallow = event("Tree", &tree(1, json!("x")));
    let shallow = started.refused("trees", shallow).await;
    assert!(deep.contains("nested too deeply to say where"), "{deep}");
    assert!(shallow.contains("oneOf"), "{shallow}");
    let good = tree(60, json!(1));
    publish(&started.memory, "trees", event("Tree", &good)).await;
    let heard = started.told.next().await;
    assert_eq!(heard, format!("tree of {} bytes", good.len()));
}
