//! A registry that is away, refuses, or lets nobody in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use fanfare::registry::SchemaRegistry;
use fanfare::store::{DeadLetter, MemoryStore, Store};
use fanfare::streamers::Secret;
use fanfare_tests::brokers::{Apicurio, Proxy};
use fanfare_tests::{FakeRegistry, extension, in_time, listen, publish};
use serde_json::json;

use super::{Started, a_post, app, foreign, order_payload, order_schema};

/// Why the app does not start.
async fn refused(registry: SchemaRegistry) -> String {
    let (app, _rest) = app();
    let started = app.schema_registry(registry).start().await;
    started.map(drop).expect_err("refused").to_string()
}

#[tokio::test]
async fn a_schema_that_is_incompatible_keeps_the_app_from_starting() {
    let apicurio = Apicurio::start();
    let older = json!({"type": "record", "name": "PostCreated", "fields": [
        {"name": "title", "type": "int"},
    ]});
    apicurio.register("posts-value", &older);
    apicurio.set_compatibility("posts-value", "BACKWARD");
    let reason = refused(SchemaRegistry::new(apicurio.url())).await;
    for words in [
        "the Avro schema of `PostCreated` under the subject `posts-value` is refused",
        "answers 409",
        "Incompatible artifact: posts-value", // the registry's own words
        "`with_subject_name`",
    ] {
        assert!(reason.contains(words), "{words}: {reason}");
    }
}

#[tokio::test]
async fn without_registering_a_schema_has_to_be_there() {
    let apicurio = Apicurio::start();
    let registry = SchemaRegistry::new(apicurio.url()).with_auto_register(false);
    let reason = refused(registry.clone()).await;
    assert!(
        reason.contains(
            "under the subject `posts-value` is not registered, and `auto_register` is off"
        ),
        "{reason}"
    );
    assert!(apicurio.subjects().is_empty());

    let (first, _rest) = app();
    let registering = SchemaRegistry::new(apicurio.url());
    let running = first
        .schema_registry(registering)
        .start()
        .await
        .expect("started");
    running.shutdown().await.expect("shut down");
    let (second, rest) = app();
    let running = second
        .schema_registry(registry)
        .start()
        .await
        .expect("started");
    let mut started = rest.with(running);
    started
        .running
        .publisher()
        .publish(a_post("There"))
        .await
        .expect("published");
    assert_eq!(started.next_of("post").await, r#""ada" "There" 7 None"#);
}

#[tokio::test]
async fn a_registry_that_is_away_keeps_the_app_from_starting() {
    let reason = refused(SchemaRegistry::new("http://127.0.0.1:9")).await;
    assert!(
        reason.contains("the schema registry cannot be asked at http://127.0.0.1:9/subjects/"),
        "{reason}"
    );
}

#[tokio::test]
async fn of_several_addresses_the_next_is_asked_where_one_is_away() {
    let (app, rest) = app();
    let both = format!("http://127.0.0.1:9, {}", Apicurio::shared().url());
    let running = app.schema_registry(SchemaRegistry::new(both)).start().await;
    let mut started = rest.with(running.expect("started"));
    started
        .running
        .publisher()
        .publish(a_post("Second"))
        .await
        .expect("published");
    assert_eq!(started.next_of("post").await, r#""ada" "Second" 7 None"#);
}

/// One that follows another may not know yet what the other knows.
#[tokio::test]
async fn of_several_addresses_the_next_is_asked_where_one_does_not_know() {
    let behind = FakeRegistry::new(|asked| match asked.what.split_once(' ') {
        Some(("GET", _)) => (404, r#"{"error_code":40403,"message":"none"}"#.to_owned()),
        _ => (200, r#"{"id":1}"#.to_owned()),
    });
    let knows = fake(None);
    let (app, rest) = app();
    let both = format!("{},{}", behind.url(), knows.url());
    let running = app.schema_registry(SchemaRegistry::new(both)).start().await;
    let mut started = rest.with(running.expect("started"));
    publish(&started.main, "orders", foreign(&order_payload(5))).await;
    assert!(started.next_of("order").await.contains("spoon"));
    assert!(!behind.asked().is_empty());
}

/// The app with a registry that is away until the cut is healed, and asked at the first event.
async fn behind(proxy: &Proxy, store: Option<MemoryStore>) -> Started {
    let (app, rest) = app();
    let registry = SchemaRegistry::new(Apicurio::url_at(proxy.address()))
        .with_register_at_start(false)
        .with_timeout(Duration::from_secs(2));
    let mut app = app.schema_registry(registry);
    if let Some(store) = store {
        app = app.store(store);
    }
    rest.with(app.start().await.expect("started"))
}

#[tokio::test]
async fn what_is_stored_waits_until_the_registry_is_back() {
    let proxy = Proxy::to(Apicurio::shared().address());
    proxy.cut();
    let mut started = behind(&proxy, Some(MemoryStore::new())).await;
    let publisher = started.running.publisher();
    let stored = publisher.publish(a_post("Patient"));
    in_time("publishing waits for the registry", stored)
        .await
        .expect("stored");
    in_time("nobody says that the registry is away", async {
        while started.running.schema_registry_problem().is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    proxy.heal();
    assert_eq!(started.next_of("post").await, r#""ada" "Patient" 7 None"#);
    assert_eq!(started.running.schema_registry_problem(), None);
}

#[tokio::test]
async fn without_a_store_publishing_says_that_the_registry_is_away() {
    let proxy = Proxy::to(Apicurio::shared().address());
    proxy.cut();
    let started = behind(&proxy, None).await;
    let failed = started
        .running
        .publisher()
        .publish(a_post("Impatient"))
        .await;
    let words = failed.expect_err("not published").to_string();
    assert!(
        words.contains("the schema registry cannot be asked"),
        "{words}"
    );
    assert!(
        words.contains("`PostCreated` under the subject `posts-value`"),
        "{words}"
    );
    proxy.heal();
    let again = started.running.publisher().publish(a_post("Again")).await;
    again.expect("published");
}

#[tokio::test]
async fn an_event_is_tried_again_while_the_registry_is_away_and_then_a_dead_letter() {
    let id = Apicurio::shared().register("orders-value", &order_schema());
    let proxy = Proxy::to(Apicurio::shared().address());
    proxy.cut();
    let store = MemoryStore::new();
    let mut started = behind(&proxy, Some(store.clone())).await;
    let payload = order_payload(id);
    publish(&started.main, "orders", foreign(&payload)).await;
    let (number, letter) = buried(&store).await;
    assert_eq!(letter.handler, "blog.order");
    assert_eq!(letter.attempts, 3);
    assert_eq!(letter.message.payload(), &payload, "with every byte");
    assert!(
        letter.reason.contains("cannot be read as Avro yet"),
        "{}",
        letter.reason
    );

    proxy.heal();
    let replayed = started.running.replay_dead_letter(number).await;
    replayed.expect("replayed");
    assert!(started.next_of("order").await.contains("spoon"));
}

/// The first dead letter, and its number.
pub(super) async fn buried(store: &MemoryStore) -> (u64, DeadLetter) {
    let buried = async {
        loop {
            let letters = store.dead_letters(0, 10).await.expect("read");
            if let Some(letter) = letters.into_iter().next() {
                return letter;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time("a dead letter", buried).await
}

/// A registry with one schema, that asks for a login if one is given.
pub(super) fn fake(login: Option<&'static str>) -> FakeRegistry {
    FakeRegistry::new(move |asked| match &asked.login {
        given if given.as_deref() != login => {
            (401, r#"{"error_code":40101,"message":"no"}"#.to_owned())
        }
        _ if asked.what.starts_with("GET /schemas/ids/") => {
            let schema = order_schema().to_string();
            (200, json!({"schema": schema}).to_string())
        }
        _ => (200, r#"{"id":1}"#.to_owned()),
    })
}

#[tokio::test]
async fn a_login_lets_one_in_and_shows_nowhere() {
    // hunter2 of ada, in base64
    let fake = fake(Some("Basic YWRhOmh1bnRlcjI="));
    let registry = SchemaRegistry::new(fake.url());
    let right = registry.clone().with_login("ada", Secret::new("hunter2"));
    assert!(!format!("{right:?}").contains("hunter2"));
    let (app, _rest) = app();
    let running = app.schema_registry(right).start().await.expect("started");
    running.shutdown().await.expect("shut down");

    let reason = refused(registry.with_login("ada", Secret::new("swordfish"))).await;
    assert!(reason.contains("answers 401"), "{reason}");
    assert!(!reason.contains("swordfish"), "{reason}");
}

#[tokio::test]
async fn a_token_lets_one_in() {
    let fake = fake(Some("Bearer sesame"));
    let (app, _rest) = app();
    let registry = SchemaRegistry::new(fake.url()).with_token(Secret::new("sesame"));
    app.schema_registry(registry)
        .start()
        .await
        .map(drop)
        .expect("started");
}

/// A proxy in between says 404 of everything; that is no word of the registry's.
#[tokio::test]
async fn a_page_that_is_not_there_is_no_schema_that_is_not() {
    let is_well = Arc::new(AtomicBool::new(false));
    let well = Arc::clone(&is_well);
    let fake = FakeRegistry::new(move |asked| {
        if !well.load(Ordering::Relaxed) && asked.what.starts_with("GET") {
            return (404, "<html>Not here</html>".to_owned());
        }
        let schema = order_schema().to_string();
        (200, json!({"id": 1, "schema": schema}).to_string())
    });
    let (app, rest) = app();
    let running = app
        .schema_registry(SchemaRegistry::new(fake.url()))
        .start()
        .await;
    let started = rest.with(running.expect("started"));
    let mut letters = listen(&started.main, "orders.dead-letters").await;
    publish(&started.main, "orders", foreign(&order_payload(5))).await;
    let letter = letters.next().await;
    let fanfare::event::Message::Foreign(letter) = letter else {
        panic!("{letter:?}");
    };
    assert_eq!(letter.header("deadletterattempts").expect("said"), "3");
    let reason = letter.header("deadletterreason").expect("said");
    let reason = String::from_utf8_lossy(reason);
    assert!(reason.contains("is this all of its address?"), "{reason}");
}

/// The events of one key stay in order when the first of them has to wait for its schema.
#[tokio::test]
async fn later_events_of_a_key_wait_with_the_first() {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let fake = FakeRegistry::new(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0..2 => (503, "away".to_owned()),
        _ => {
            let schema = json!({"type": "record", "name": "PostCreated", "fields": [
                {"name": "author", "type": "string"},
                {"name": "language", "type": ["null", "string"]},
                {"name": "title", "type": "string"},
                {"name": "words", "type": "long"},
            ]});
            (
                200,
                json!({"id": 1, "schema": schema.to_string()}).to_string(),
            )
        }
    });
    let (app, rest) = app();
    let registry = SchemaRegistry::new(fake.url()).with_register_at_start(false);
    let app = app.schema_registry(registry).store(MemoryStore::new());
    let mut started = rest.with(app.start().await.expect("started"));
    let posts = (0..20).map(|number| a_post(&number.to_string()));
    for published in started.running.publisher().publish_all(posts).await {
        published.expect("stored");
    }
    for number in 0..20 {
        assert_eq!(
            started.next_of("post").await,
            format!("\"ada\" \"{number}\" 7 None")
        );
    }
}

/// So they do in a batch, when the first of them has to wait for the schema that it is read by.
#[tokio::test]
async fn in_a_batch_later_events_of_a_key_wait_with_the_first() {
    let is_away = AtomicBool::new(true);
    let fake = FakeRegistry::new(move |asked| match asked.what.as_str() {
        "GET /schemas/ids/9" if is_away.swap(false, Ordering::Relaxed) => (503, "away".to_owned()),
        _ => {
            let schema =
                r#"{"type":"record","name":"T","fields":[{"name":"number","type":"long"}]}"#;
            (200, json!({"id": 1, "schema": schema}).to_string())
        }
    });
    let (app, rest) = app();
    let app = app.schema_registry(SchemaRegistry::new(fake.url()));
    let mut started = rest.with(app.start().await.expect("started"));
    for (id, number) in [(9, 2), (1, 4)] {
        let event = super::event(
            "Counted",
            Some("application/avro"),
            &[0, 0, 0, 0, id, number],
        );
        let event = event.with_key("one").expect("valid");
        publish(&started.main, "counts", event).await;
    }
    assert_eq!(started.next_of("counts").await, "[1]");
    assert_eq!(started.next_of("counts").await, "[2]");
}

#[tokio::test]
async fn an_attempt_says_in_its_dead_letter_what_the_registry_said() {
    let fake = FakeRegistry::new(|asked| match asked.what.split_once(' ') {
        Some(("GET", _)) => (
            500,
            r#"{"error_code":50001,"message":"the backend is asleep"}"#.to_owned(),
        ),
        _ => (200, r#"{"id":1}"#.to_owned()),
    });
    let (app, rest) = app();
    let running = app
        .schema_registry(SchemaRegistry::new(fake.url()))
        .start()
        .await;
    let started = rest.with(running.expect("started"));
    let mut letters = listen(&started.main, "posts.dead-letters").await;
    let event = super::event("PostCreated", Some("application/avro"), &order_payload(5));
    publish(&started.main, "posts", event).await;
    let letter = letters.next_event().await;
    let reason = extension(&letter, "deadletterreason");
    assert!(reason.contains("the backend is asleep"), "{reason}");
}
