//! What the registry is asked, and how often.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use fanfare::registry::SchemaRegistry;
use fanfare::store::{Entry, MemoryStore, Start, Store};
use fanfare_tests::{Asked, FakeRegistry, extension, listen, publish};
use serde_json::json;

use super::registry::fake;
use super::{PostCreated, a_post, app, foreign, order_payload, order_schema};

#[tokio::test]
async fn a_schema_is_asked_for_once_however_many_wait() {
    let fake = fake(None);
    let (app, rest) = app();
    let running = app
        .schema_registry(SchemaRegistry::new(fake.url()))
        .start()
        .await;
    let mut started = rest.with(running.expect("started"));
    for _ in 0..20 {
        publish(&started.main, "orders", foreign(&order_payload(5))).await;
    }
    for _ in 0..20 {
        assert!(started.next_of("order").await.contains("spoon"));
    }
    let is_look_up = |asked: &Asked| asked.what == "GET /schemas/ids/5";
    assert_eq!(fake.asked().into_iter().filter(is_look_up).count(), 1);
}

/// However many messages have an id that the registry does not know; and when it knows it, they are read.
#[tokio::test]
async fn a_schema_that_is_not_there_is_asked_for_once_in_a_while() {
    let is_there = Arc::new(AtomicBool::new(false));
    let there = Arc::clone(&is_there);
    let fake = FakeRegistry::new(move |asked| {
        if asked.what.starts_with("GET") && !there.load(Ordering::Relaxed) {
            let words = r#"{"error_code":40403,"message":"Schema not found"}"#;
            return (404, words.to_owned());
        }
        let schema = order_schema().to_string();
        (200, json!({"id": 1, "schema": schema}).to_string())
    });
    let (app, rest) = app();
    let app = app.schema_registry(SchemaRegistry::new(fake.url()));
    let mut started = rest.with(app.start().await.expect("started"));
    let mut letters = listen(&started.main, "orders.dead-letters").await;
    let since = Instant::now();
    for _ in 0..20 {
        let event = super::event("OrderPlaced", Some("application/avro"), &order_payload(5));
        publish(&started.main, "orders", event).await;
        let letter = letters.next_event().await;
        assert_eq!(extension(&letter, "deadletterattempts"), "3");
        let reason = extension(&letter, "deadletterreason");
        assert!(reason.contains("knows no schema 5"), "{reason}");
    }
    let look_ups = || {
        let asked = fake.asked().into_iter();
        let asked = asked.filter(|it| it.what == "GET /schemas/ids/5");
        u64::try_from(asked.count()).expect("few")
    };
    let before = look_ups();
    assert!(before <= 1 + since.elapsed().as_secs(), "{before}");

    is_there.store(true, Ordering::Relaxed);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    publish(&started.main, "orders", foreign(&order_payload(5))).await;
    assert!(started.next_of("order").await.contains("spoon"));
    assert_eq!(look_ups(), before + 1);
}

/// However many ids come that the registry does not know: a thousand schemas are kept.
#[tokio::test]
async fn what_is_not_there_pushes_no_schema_out() {
    let fake = FakeRegistry::new(|asked| match asked.what.strip_prefix("GET /schemas/ids/") {
        Some(id) if id.len() > 4 => {
            let words = r#"{"error_code":40403,"message":"Schema not found"}"#;
            (404, words.to_owned())
        }
        _ => {
            let schema = order_schema().to_string();
            (200, json!({"id": 1, "schema": schema}).to_string())
        }
    });
    let (app, rest) = app();
    let app = app.schema_registry(SchemaRegistry::new(fake.url()));
    let mut started = rest.with(app.start().await.expect("started"));
    let known = 1_000..2_000;
    for id in known.clone() {
        publish(&started.main, "orders", foreign(&order_payload(id))).await;
        assert!(started.next_of("order").await.contains("spoon"));
    }
    for id in 10_000..10_020 {
        publish(&started.main, "orders", foreign(&order_payload(id))).await;
    }
    for id in known {
        publish(&started.main, "orders", foreign(&order_payload(id))).await;
        assert!(started.next_of("order").await.contains("spoon"));
    }
    let asked = fake.asked();
    let look_ups = |is_known: bool| {
        let ids = asked.iter();
        let ids = ids.filter_map(|asked| asked.what.strip_prefix("GET /schemas/ids/"));
        ids.filter(|id| (id.len() == 4) == is_known).count()
    };
    assert_eq!(look_ups(true), 1_000);
    assert!(look_ups(false) > 0, "it came so far");
}

/// Each refers to the next.
#[tokio::test]
async fn a_schema_that_refers_to_too_much_is_asked_for_no_further() {
    let long = format!("\"string\"{}", " ".repeat(1024 * 1024));
    let fake = FakeRegistry::new(move |asked| {
        let version = asked.what.rsplit('/').next().and_then(|it| it.parse().ok());
        let next = version.unwrap_or(0) + 1;
        let next = json!({"name": "S", "subject": "s", "version": next});
        let answer = json!({"id": 1, "schema": long, "references": [next]});
        (200, answer.to_string())
    });
    let (app, rest) = app();
    let app = app.schema_registry(SchemaRegistry::new(fake.url()));
    let started = rest.with(app.start().await.expect("started"));
    let mut letters = listen(&started.main, "orders.dead-letters").await;
    let event = super::event("OrderPlaced", Some("application/avro"), &order_payload(5));
    publish(&started.main, "orders", event).await;
    let reason = extension(&letters.next_event().await, "deadletterreason");
    assert!(reason.contains("longer than 4194304 bytes"), "{reason}");
    let is_look_up = |asked: &Asked| asked.what.starts_with("GET");
    assert_eq!(fake.asked().into_iter().filter(is_look_up).count(), 4);
}

/// A registry that is away is not asked for each of those who wait.
#[tokio::test]
async fn many_events_ask_a_registry_that_is_away_once() {
    let fake = FakeRegistry::new(|_| (503, "away".to_owned()));
    let (app, rest) = app();
    let registry = SchemaRegistry::new(fake.url()).with_register_at_start(false);
    let running = app
        .schema_registry(registry)
        .start()
        .await
        .expect("started");
    let started = rest.with(running);
    let posts = (0..50).map(|number| PostCreated {
        author: number.to_string(),
        ..a_post("Many")
    });
    let published = started.running.publisher().publish_all(posts).await;
    for published in published {
        let words = published.expect_err("not published").to_string();
        assert!(words.contains("answers 503"), "{words}");
    }
    assert_eq!(fake.asked().len(), 1);
}

/// A registry that answers nobody until two have asked.
#[tokio::test]
async fn all_that_a_batch_is_written_by_is_asked_for_at_once() {
    let both = Barrier::new(2);
    let fake = FakeRegistry::new(move |_| {
        both.wait();
        (200, r#"{"id":1}"#.to_owned())
    });
    let store = MemoryStore::new();
    let cursor = store.cursor("blog:main/renames:Renamed", Start::Now);
    cursor.await.expect("made");
    let stored = |version: u8, payload: &[u8]| {
        let event = super::event("Renamed", Some("application/json"), payload);
        let event = event.with_schema(&format!("urn:fanfare:event:Renamed:{version}"));
        event.expect("valid")
    };
    let entry = Entry {
        events: vec![
            stored(1, br#"{"name":"one"}"#),
            stored(2, br#"{"name":"two","by":"ada"}"#),
        ],
        mark: None,
    };
    store.append(&entry).await.expect("stored");
    let (app, rest) = app();
    let mut ear = listen(&rest.main, "renames").await;
    let registry = SchemaRegistry::new(fake.url()).with_register_at_start(false);
    let app = app.schema_registry(registry).store(store);
    let _running = app.start().await.expect("started");
    for payload in [&b"\0\0\0\0\x01\x06one"[..], b"\0\0\0\0\x01\x06ada\x06two"] {
        assert_eq!(&ear.next_event().await.payload()[..], payload);
    }
}
