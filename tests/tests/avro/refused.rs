//! A registry that refuses a schema while the app runs: for good, or for now.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fanfare::registry::SchemaRegistry;
use fanfare::store::{Entry, MemoryStore, Start, Store};
use fanfare_tests::{FakeRegistry, in_time, listen};
use serde_json::json;

use super::registry::buried;
use super::{a_post, app};

const NOT_LIKE_THIS: &str = r#"{"error_code":409,"message":"not like this"}"#;

/// As one that a broker refuses: it is kept with the reason, and nobody waits for it.
#[tokio::test]
async fn an_event_whose_schema_is_refused_while_the_app_runs_is_a_dead_letter() {
    let is_willing = Arc::new(AtomicBool::new(false));
    let willing = Arc::clone(&is_willing);
    let fake = FakeRegistry::new(move |_| {
        if willing.load(Ordering::Relaxed) {
            (200, r#"{"id":1}"#.to_owned())
        } else {
            (409, NOT_LIKE_THIS.to_owned())
        }
    });
    let (app, rest) = app();
    let registry = SchemaRegistry::new(fake.url()).with_register_at_start(false);
    let store = MemoryStore::new();
    let app = app.schema_registry(registry).store(store.clone());
    let started = rest.with(app.start().await.expect("started"));
    let mut ear = listen(&started.main, "posts").await;
    let publisher = started.running.publisher();
    publisher.publish(a_post("New")).await.expect("stored");
    let (number, letter) = buried(&store).await;
    assert_eq!(letter.handler, "main/posts");
    assert!(letter.reason.contains("not like this"), "{}", letter.reason);
    let problem = started.running.schema_registry_problem();
    let problem = problem.expect("the app says so");
    assert!(problem.contains("not like this"), "{problem}");

    is_willing.store(true, Ordering::Relaxed);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    publisher.publish(a_post("Next")).await.expect("stored");
    assert_eq!(ear.next_event().await.kind(), "PostCreated");
    assert_eq!(started.running.schema_registry_problem(), None);
    let replayed = started.running.replay_dead_letter(number).await;
    replayed.expect("replayed");
    assert_eq!(
        ear.next_event().await.id(),
        letter.message.event().expect("an event").id()
    );
}

/// A subject that may only be read for now, as while a registry is moved: nothing is lost by it.
#[tokio::test]
async fn what_is_not_permitted_now_waits() {
    let asked = AtomicU32::new(0);
    let fake = FakeRegistry::new(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0..2 => {
            let words =
                r#"{"error_code":42205,"message":"Subject posts-value is in read-only mode"}"#;
            (422, words.to_owned())
        }
        _ => (200, r#"{"id":1}"#.to_owned()),
    });
    let (app, rest) = app();
    let registry = SchemaRegistry::new(fake.url()).with_register_at_start(false);
    let store = MemoryStore::new();
    let app = app.schema_registry(registry).store(store.clone());
    let started = rest.with(app.start().await.expect("started"));
    let mut ear = listen(&started.main, "posts").await;
    let stored = started.running.publisher().publish(a_post("Patient")).await;
    stored.expect("stored");
    assert_eq!(ear.next_event().await.kind(), "PostCreated");
    assert!(store.dead_letters(0, 1).await.expect("read").is_empty());
}

/// However many events are written by it.
#[tokio::test]
async fn a_schema_that_is_refused_is_asked_for_once_in_a_while() {
    let fake = FakeRegistry::new(|_| (409, NOT_LIKE_THIS.to_owned()));
    let (app, rest) = app();
    let registry = SchemaRegistry::new(fake.url()).with_register_at_start(false);
    let app = app.schema_registry(registry);
    let started = rest.with(app.start().await.expect("started"));
    let publisher = started.running.publisher();
    let since = Instant::now();
    for _ in 0..20 {
        let refused = publisher.publish(a_post("New")).await;
        let words = refused.expect_err("refused").to_string();
        assert!(words.contains("not like this"), "{words}");
    }
    let asked = u64::try_from(fake.asked().len()).expect("few");
    assert!(asked <= 1 + since.elapsed().as_secs(), "{asked}");
}

/// One is refused for good and keeps nobody waiting, the other waits: those of it stay in their order.
#[tokio::test]
async fn what_is_refused_and_what_waits_have_one_key() {
    let is_away = AtomicBool::new(true);
    let fake = FakeRegistry::new(move |asked| {
        let is_newer = asked.body.contains(r#"\"by\""#);
        match is_newer {
            false => (409, NOT_LIKE_THIS.to_owned()),
            true if is_away.swap(false, Ordering::Relaxed) => (503, "away".to_owned()),
            true => (200, r#"{"id":1}"#.to_owned()),
        }
    });
    let store = MemoryStore::new();
    let cursor = store.cursor("blog:main/renames:Renamed", Start::Now);
    cursor.await.expect("made");
    let stored = |version: u8, name: &str| {
        let payload = match version {
            1 => json!({"name": name}),
            _ => json!({"name": name, "by": "ada"}),
        };
        let payload = payload.to_string();
        let event = super::event("Renamed", Some("application/json"), payload.as_bytes());
        let event = event.with_key("one").expect("valid");
        let event = event.with_schema(&format!("urn:fanfare:event:Renamed:{version}"));
        event.expect("valid")
    };
    let entry = Entry {
        events: vec![
            stored(1, "one"),
            stored(2, "two"),
            stored(1, "three"),
            stored(2, "four"),
        ],
        mark: None,
    };
    store.append(&entry).await.expect("stored");
    let (app, rest) = app();
    let mut ear = listen(&rest.main, "renames").await;
    let registry = SchemaRegistry::new(fake.url()).with_register_at_start(false);
    let app = app.schema_registry(registry).store(store.clone());
    let _running = app.start().await.expect("started");
    for payload in [
        &b"\0\0\0\0\x01\x06ada\x06two"[..],
        b"\0\0\0\0\x01\x06ada\x08four",
    ] {
        assert_eq!(&ear.next_event().await.payload()[..], payload);
    }
    let buried = async {
        loop {
            let letters = store.dead_letters(0, 10).await.expect("read");
            if letters.len() == 2 {
                return letters;
            }
            tokio::task::yield_now().await;
        }
    };
    for (_, letter) in in_time("two dead letters", buried).await {
        assert!(letter.reason.contains("not like this"), "{}", letter.reason);
    }
}
