//! What is streamed in Avro, and what stays as it is.

use fanfare::event::Envelope;
use fanfare::registry::{SchemaRegistry, SubjectName};
use fanfare::store::{Entry, MemoryStore, Start, Store};
use fanfare::{App, PublishError};
use fanfare_tests::brokers::Apicurio;
use fanfare_tests::listen;
use serde_json::json;

use super::registry::buried;
use super::{
    CommentWritten, Kind, Measured, NoteTaken, PostCreated, Started, Unstarted, a_post, app, start,
};

/// The id of the schema, and the bytes behind it.
fn framed(event: &Envelope) -> (u32, &[u8]) {
    assert_eq!(event.content_type(), Some("application/avro"));
    let (head, datum) = event.payload().split_at(5);
    assert_eq!(head[0], 0);
    (
        u32::from_be_bytes(head[1..].try_into().expect("four")),
        datum,
    )
}

#[tokio::test]
async fn an_event_is_streamed_in_confluents_wire_format() {
    let mut started = start().await;
    let mut ear = listen(&started.main, "posts").await;
    let publisher = started.running.publisher();
    publisher.publish(a_post("Hello")).await.expect("published");

    let event = ear.next_event().await;
    let (id, datum) = framed(&event);
    let (known, schema) = Apicurio::shared().newest("posts-value");
    assert_eq!(id, known);
    assert_eq!(
        schema,
        json!({"type": "record", "name": "PostCreated", "fields": [
            {"name": "author", "type": "string"},
            {"name": "language", "type": ["null", "string"], "default": null},
            {"name": "title", "type": "string"},
            {"name": "words", "type": "long"},
        ]})
    );
    assert_eq!(datum, b"\x06ada\x00\x0AHello\x0E");
    assert_eq!(event.key(), Some("ada"));
    assert_eq!(event.schema(), Some("urn:fanfare:event:PostCreated:1"));
    assert_eq!(started.next_of("post").await, r#""ada" "Hello" 7 None"#);
}

#[tokio::test]
async fn the_services_own_handlers_hear_it_too() {
    let mut started = start().await;
    let publisher = started.running.publisher();
    publisher.publish(a_post("Own")).await.expect("published");
    assert_eq!(started.next_of("own").await, "Own");
}

async fn comment(started: &mut Started) {
    let (mut main, mut avro, mut packed) = (
        listen(&started.main, "comments").await,
        listen(&started.avro, "comments").await,
        listen(&started.packed, "comments").await,
    );
    let comment = CommentWritten {
        text: "so".to_owned(),
        kind: Kind::Answer { to: 5 },
    };
    let publisher = started.running.publisher();
    publisher.publish(comment).await.expect("published");

    let json = main.next_event().await;
    assert_eq!(json.content_type(), Some("application/json"));
    let value: serde_json::Value = serde_json::from_slice(json.payload()).expect("JSON");
    assert_eq!(
        value,
        json!({"text": "so", "kind": {"kind": "Answer", "to": 5}})
    );
    framed(&avro.next_event().await);
    let cbor = packed.next_event().await;
    assert_eq!(cbor.content_type(), Some("application/cbor"));
    let unpacked: serde_json::Value = ciborium::from_reader(&cbor.payload()[..]).expect("CBOR");
    assert_eq!(unpacked, value);
    let mut said = [started.told.next().await, started.told.next().await];
    said.sort();
    assert_eq!(
        said,
        [
            "comment \"so\" Answer { to: 5 }",
            "packed_comment \"so\" Answer { to: 5 }"
        ]
    );
}

#[tokio::test]
async fn one_event_is_written_as_each_streamer_has_it() {
    comment(&mut start().await).await;
}

#[tokio::test]
async fn so_it_is_when_it_comes_from_the_store() {
    let (app, rest) = app();
    let registry = SchemaRegistry::new(Apicurio::shared().url());
    let app = app.schema_registry(registry).store(MemoryStore::new());
    let running = app.start().await.expect("started");
    comment(&mut rest.with(running)).await;
}

#[tokio::test]
async fn the_events_own_word_holds_on_every_streamer() {
    let mut started = start().await;
    let mut ear = listen(&started.avro, "notes").await;
    let note = NoteTaken {
        text: "so".to_owned(),
    };
    started
        .running
        .publisher()
        .publish(note)
        .await
        .expect("published");
    let event = ear.next_event().await;
    assert_eq!(event.content_type(), Some("application/json"));
    assert_eq!(&event.payload()[..], br#"{"text":"so"}"#);
    assert_eq!(started.next_of("note").await, r#""so""#);
}

#[tokio::test]
async fn a_schema_of_ones_own_says_how_it_is_written() {
    let mut started = start().await;
    let measured = Measured {
        at: "1970-01-01T00:00:01Z".to_owned(),
        celsius: -1.5,
        exactly: "-1.25".to_owned(),
    };
    let mut ear = listen(&started.main, "measures").await;
    started
        .running
        .publisher()
        .publish(measured)
        .await
        .expect("published");
    let event = ear.next_event().await;
    let (_, datum) = framed(&event);
    assert_eq!(datum, b"\x80\x89\x7A\0\0\0\0\0\0\xF8\xBF\x02\x83");
    assert_eq!(
        started.next_of("measure").await,
        r#""1970-01-01T00:00:01Z" -1.5 "-1.25""#
    );
}

fn too_long() -> PostCreated {
    PostCreated {
        words: u64::MAX,
        ..a_post("Too long")
    }
}

#[tokio::test]
async fn what_has_no_place_in_the_schema_is_not_published() {
    let started = start().await;
    let refused = started.running.publisher().publish(too_long()).await;
    let error = refused.expect_err("refused");
    let PublishError::Targets { targets, .. } = &error else {
        panic!("{error}");
    };
    assert!(targets[0].error.is_refusal());
    let words = error.to_string();
    assert!(
        words.contains("`PostCreated` cannot be written as Avro: `words`: 18446744073709551615"),
        "{words}"
    );
}

#[tokio::test]
async fn in_the_store_it_is_a_dead_letter_that_keeps_nobody_waiting() {
    let store = MemoryStore::new();
    let (app, rest) = app();
    let registry = SchemaRegistry::new(Apicurio::shared().url());
    let app = app.schema_registry(registry).store(store.clone());
    let mut started = rest.with(app.start().await.expect("started"));
    let publisher = started.running.publisher();
    publisher.publish(too_long()).await.expect("stored");
    publisher.publish(a_post("Next")).await.expect("stored");
    assert_eq!(started.next_of("post").await, r#""ada" "Next" 7 None"#);
    let (_, letter) = buried(&store).await;
    assert_eq!(letter.handler, "main/posts");
    assert!(
        letter.reason.contains("does not fit into a long"),
        "{}",
        letter.reason
    );
    assert_eq!(letter.message.content_type(), Some("application/json"));
}

#[tokio::test]
async fn schemas_are_kept_under_the_name_that_is_chosen() {
    for (chosen, subject) in [
        (SubjectName::Record, "com.example.weather.Measured"),
        (
            SubjectName::TopicRecord,
            "measures-com.example.weather.Measured",
        ),
    ] {
        let (app, _rest) = app();
        let registry = SchemaRegistry::new(Apicurio::shared().url()).with_subject_name(chosen);
        let running = app
            .schema_registry(registry)
            .start()
            .await
            .expect("started");
        let subjects = Apicurio::shared().subjects();
        assert!(
            subjects.iter().any(|known| known == subject),
            "{subjects:?}"
        );
        running.shutdown().await.expect("shut down");
    }
}

/// An app whose store has this event, as a program left it that streamed it under this name.
async fn holding(name: &str, event: Envelope) -> (App, Unstarted) {
    let store = MemoryStore::new();
    let cursor = format!("blog:packed/boxes:{name}");
    store.cursor(&cursor, Start::Now).await.expect("made");
    let event = event.with_schema(&format!("urn:fanfare:event:{name}:1"));
    let entry = Entry {
        events: vec![event.expect("valid")],
        mark: None,
    };
    store.append(&entry).await.expect("stored");
    let (app, rest) = app();
    let registry = SchemaRegistry::new(Apicurio::shared().url());
    (app.schema_registry(registry).store(store), rest)
}

#[tokio::test]
async fn what_was_stored_by_a_former_name_is_written_as_the_streamer_has_it() {
    let event = super::event("BoxSent", Some("application/json"), br#"{"weight":1.5}"#);
    let (app, rest) = holding("BoxSent", event).await;
    let mut ear = listen(&rest.packed, "boxes").await;
    let _running = app.start().await.expect("started");
    assert_eq!(
        ear.next_event().await.content_type(),
        Some("application/cbor")
    );
}

/// The keys of a map are texts in JSON, whatever they are in Rust.
#[tokio::test]
async fn what_was_stored_with_numbers_for_keys_is_written_as_json_would_have_it() {
    let payload = b"\x82\xA6weight\xCB\x3F\xF8\0\0\0\0\0\0\xA2of\x81\x07\xC3";
    let event = super::event("BoxShipped", Some("application/vnd.msgpack"), payload);
    let (app, rest) = holding("BoxShipped", event).await;
    let mut ear = listen(&rest.packed, "boxes").await;
    let _running = app.start().await.expect("started");
    let cbor = ear.next_event().await;
    assert_eq!(cbor.content_type(), Some("application/cbor"));
    let unpacked: serde_json::Value = ciborium::from_reader(&cbor.payload()[..]).expect("CBOR");
    assert_eq!(unpacked, json!({"weight": 1.5, "of": {"7": true}}));
}
