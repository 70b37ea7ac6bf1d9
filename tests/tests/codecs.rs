//! Events in other codecs than JSON, and payloads that nobody can read.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fanfare::Running;
use fanfare::codec::Codec;
use fanfare::event::{Envelope, EventId};
use fanfare::prelude::*;
use fanfare_tests::{Ear, Heard, Tell, channel, extension, listen, publish};
use serde_json::json;

#[derive(Streamers)]
struct Streamers {
    main: Memory,
}

/// One in each codec, of the same shape.
macro_rules! readings {
    ($($event:ident in $codec:literal to $topic:literal, heard by $handler:ident;)*) => {$(
        #[event(codec = $codec, stream_to = streamer!("main", $topic), key = sensor)]
        struct $event {
            sensor: String,
            celsius: f64,
            from: IpAddr,
            notes: Vec<Option<Note>>,
        }

        #[event_handler(streamed_from = streamer!("main", $topic))]
        async fn $handler(reading: $event, State(tell): State<Tell<String>>) -> Result<()> {
            let $event { sensor, celsius, from, notes } = reading;
            tell.tell(format!("{sensor} {celsius} {from} {notes:?}"));
            Ok(())
        }
    )*};
}

readings! {
    InJson in "json" to "json", heard by in_json;
    InMessagePack in "messagepack" to "messagepack", heard by in_messagepack;
    InCbor in "cbor" to "cbor", heard by in_cbor;
}

#[payload]
#[derive(Debug)]
#[serde(tag = "kind")]
enum Note {
    Cold,
    Said { words: String, by: IpAddr },
}

/// Holds itself, as deep as somebody likes.
#[event(stream_to = streamer!("main", "nested"))]
struct Nested {
    #[serde(default)]
    words: String,
    inner: Option<Box<Inner>>,
}

#[payload]
struct Inner {
    inner: Option<Box<Inner>>,
}

#[event_handler(streamed_from = streamer!("main", "nested"))]
async fn nest(nested: Nested, State(tell): State<Tell<String>>) -> Result<()> {
    let Nested { words, inner } = nested;
    tell.tell(format!("nested {words:?} {}", inner.is_some()));
    Ok(())
}

struct Started {
    memory: Memory,
    running: Running,
    told: Heard<String>,
}

async fn start() -> Started {
    let memory = Memory::new();
    let (tell, told) = channel();
    let streamers = Streamers {
        main: memory.clone(),
    };
    let app = App::new("weather").streamers(streamers).state(tell);
    Started {
        memory,
        running: app.start().await.expect("started"),
        told,
    }
}

macro_rules! reading {
    ($event:ident) => {
        $event {
            sensor: "roof".to_owned(),
            celsius: -1.5,
            from: Ipv4Addr::LOCALHOST.into(),
            notes: vec![
                None,
                Some(Note::Cold),
                Some(Note::Said {
                    words: "brr".to_owned(),
                    by: Ipv4Addr::LOCALHOST.into(),
                }),
            ],
        }
    };
}

const SAID: &str =
    r#"roof -1.5 127.0.0.1 [None, Some(Cold), Some(Said { words: "brr", by: 127.0.0.1 })]"#;

#[tokio::test]
async fn an_event_travels_in_the_codec_that_it_names() {
    let mut started = start().await;
    let mut ears = Vec::new();
    for topic in ["json", "messagepack", "cbor"] {
        ears.push(listen(&started.memory, topic).await);
    }
    let publisher = started.running.publisher();
    let published = publisher.publish(reading!(InJson)).await;
    published.expect("published");
    let published = publisher.publish(reading!(InMessagePack)).await;
    published.expect("published");
    let published = publisher.publish(reading!(InCbor)).await;
    published.expect("published");
    let mut types = Vec::new();
    for ear in &mut ears {
        assert_eq!(started.told.next().await, SAID);
        let event = ear.next_event().await;
        types.push(event.content_type().expect("a media type").to_owned());
    }
    assert_eq!(
        types,
        [
            "application/json",
            "application/vnd.msgpack",
            "application/cbor"
        ]
    );
}

fn event(kind: &str, content_type: &str, payload: Vec<u8>) -> Envelope {
    let event = Envelope::new(EventId::new(), "/elsewhere", kind).expect("valid");
    let event = event.with_payload(content_type, payload.into());
    event.expect("valid")
}

/// What a stranger writes: maps with the names of the fields, in whatever order.
#[tokio::test]
async fn a_handler_reads_every_codec_whatever_its_event_names() {
    let mut started = start().await;
    let reading = json!({
        "from": "127.0.0.1",
        "notes": [null, {"kind": "Cold"}, {"kind": "Said", "words": "brr", "by": "127.0.0.1"}],
        "celsius": -1.5,
        "sensor": "roof",
        "unknown": [1, {"two": 3}],
    });
    let messagepack = rmp_serde::to_vec_named(&reading).expect("written");
    let mut cbor = Vec::new();
    ciborium::into_writer(&reading, &mut cbor).expect("written");
    let written = [
        (
            "application/json; charset=utf-8",
            reading.to_string().into(),
        ),
        ("application/msgpack", messagepack.clone()),
        ("application/x-msgpack", messagepack),
        ("application/cbor", cbor),
    ];
    for (content_type, payload) in written {
        for (topic, kind) in [("json", "InJson"), ("cbor", "InCbor")] {
            let event = event(kind, content_type, payload.clone());
            publish(&started.memory, topic, event).await;
            assert_eq!(started.told.next().await, SAID, "{content_type}");
        }
    }
}

/// To the last bit: in JSON too, where numbers are texts.
#[tokio::test]
async fn a_number_is_read_as_the_one_that_was_written() {
    let mut started = start().await;
    for celsius in [
        6.934_698_245_112_694e276,
        -7.803_913_958_627_244e173,
        0.1 + 0.2,
    ] {
        let mut reading = reading!(InJson);
        reading.celsius = celsius;
        let published = started.running.publisher().publish(reading).await;
        published.expect("published");
        let told = started.told.next().await;
        assert!(told.starts_with(&format!("roof {celsius} ")), "{told}");
    }
}

#[test]
fn the_codecs_of_a_program_are_known() {
    let names: Vec<_> = Codec::ALL.iter().map(Codec::to_string).collect();
    assert_eq!(names, ["JSON", "MessagePack", "CBOR", "Avro"]);
}

/// The reason of the dead letter that a payload becomes.
async fn refused(
    started: &Started,
    letters: &mut Ear,
    content_type: &str,
    payload: Vec<u8>,
) -> String {
    let event = event("Nested", content_type, payload.clone());
    publish(&started.memory, "nested", event).await;
    let letter = letters.next_event().await;
    assert_eq!(letter.payload(), &payload, "with every byte");
    assert_eq!(extension(&letter, "deadletterattempts"), "1");
    extension(&letter, "deadletterreason")
}

const TOO_EARLY: &str = "it ends too early";

/// What is read once more to name the field is no deeper, either.
fn deep(open: &[u8], close: &[u8]) -> Vec<u8> {
    [open.repeat(10_000), close.repeat(10_000)].concat()
}

/// The same in each codec.
fn in_each(payload: &serde_json::Value) -> [(&'static str, Vec<u8>); 3] {
    let mut cbor = Vec::new();
    ciborium::into_writer(payload, &mut cbor).expect("written");
    let messagepack = rmp_serde::to_vec_named(payload).expect("written");
    [
        ("application/json", payload.to_string().into()),
        ("application/msgpack", messagepack),
        ("application/cbor", cbor),
    ]
}

/// And the words are not those of Rust's `Debug`.
#[tokio::test]
async fn a_payload_that_does_not_fit_is_refused_with_the_field() {
    let started = start().await;
    let mut letters = listen(&started.memory, "nested.dead-letters").await;
    let deep = |levels: usize| (0..levels).fold(json!(7), |inner, _| json!({"inner": inner}));
    let ignored = (0..100).fold(json!([]), |inner, _| json!([inner]));
    let unfit = [
        (
            json!({"words": 7, "inner": null}),
            "field `words`: invalid type: integer `7`, expected a string",
        ),
        (
            json!({"inner": {"inner": {"inner": "no"}}}),
            "field `inner.inner.inner`: invalid type: string \"no\"",
        ),
        (
            json!({"ignored": ignored, "words": []}),
            "field `words`: invalid type: sequence",
        ),
        (json!([]), "invalid length 1"),
        (deep(126), "field `inner.inner.inner."),
    ];
    for (payload, words) in unfit {
        for (content_type, payload) in in_each(&payload) {
            let reason = refused(&started, &mut letters, content_type, payload).await;
            let expected = format!("the payload is no `Nested` of version 1: {words}");
            assert!(reason.starts_with(&expected), "{content_type}: {reason}");
        }
    }
}

/// Whatever comes costs a dead letter with a reason, and nobody else anything.
#[tokio::test]
async fn a_payload_that_cannot_be_read_is_a_dead_letter_and_stops_nothing() {
    let mut started = start().await;
    let mut letters = listen(&started.memory, "nested.dead-letters").await;
    let json = "application/json";
    let (messagepack, cbor) = ("application/msgpack", "application/cbor");
    let hostile: Vec<(&str, Vec<u8>, &str)> = vec![
        (json, deep(br#"{"inner":"#, b"}"), "recursion limit"),
        (json, deep(b"[", b"]"), ""),
        (
            json,
            [b"{\"ignored\":", &deep(b"[", b"]")[..], b",\"words\":7}"].concat(),
            "field `words`: ",
        ),
        (
            json,
            br#"{"inner":null,"inner":null}"#.to_vec(),
            "duplicate field",
        ),
        (json, br#"{"inner":NaN}"#.to_vec(), "expected value"),
        (json, b"{\"words\":\"\xFF\"}".to_vec(), "unicode"),
        (json, br#"{"inner":"#.to_vec(), "EOF"),
        (json, br#"{"inner":null} {}"#.to_vec(), "trailing"),
        (json, Vec::new(), "EOF"),
        // {"inner": {"inner": ...
        (
            messagepack,
            deep(b"\x81\xA5inner", b""),
            "nested too deeply",
        ),
        // An array, a map, a text of four thousand million.
        (
            messagepack,
            [b"\x82\xA5words\x07\xA7ignored", &deep(b"\x91", b"")[..]].concat(),
            "field `words`: ",
        ),
        (messagepack, b"\xDD\xFF\xFF\xFF\xFF".to_vec(), TOO_EARLY),
        (messagepack, b"\xDF\xFF\xFF\xFF\xFF".to_vec(), TOO_EARLY),
        (
            messagepack,
            b"\xDB\xFF\xFF\xFF\xFFshort".to_vec(),
            TOO_EARLY,
        ),
        (
            messagepack,
            b"\x81\xA5inner\xC0more".to_vec(),
            "behind the value",
        ),
        (
            messagepack,
            b"\x81\xA5words\xA1\xFF".to_vec(),
            "field `words`: ",
        ),
        (messagepack, b"\xC1".to_vec(), "something else stands there"),
        (cbor, deep(b"\xA1\x65inner", b""), "nested too deeply"),
        (cbor, deep(b"\x9F", b"\xFF"), "nested too deeply"),
        (
            cbor,
            b"\x9B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF".to_vec(),
            TOO_EARLY,
        ),
        (
            cbor,
            b"\xBB\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF".to_vec(),
            TOO_EARLY,
        ),
        (
            cbor,
            b"\x7B\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFshort".to_vec(),
            TOO_EARLY,
        ),
        (cbor, b"\xA1\x65inner\xF6more".to_vec(), "behind the value"),
        (cbor, b"\xA1\x65words\x61\xFF".to_vec(), "is no CBOR"),
        (
            "application/protobuf",
            b"1".to_vec(),
            "this program reads JSON, MessagePack, CBOR, Avro",
        ),
        (
            "application/avro",
            b"\0\0\0\0\x01".to_vec(),
            "give the app a schema registry with `App::schema_registry`",
        ),
    ];
    for (content_type, payload, words) in hostile {
        let shown = format!(
            "{content_type} {:.40?}",
            payload.get(..16).unwrap_or(&payload)
        );
        let refused = refused(&started, &mut letters, content_type, payload);
        let refused = tokio::time::timeout(Duration::from_secs(30), refused).await;
        let reason = refused.unwrap_or_else(|_| panic!("{shown}: no dead letter"));
        assert!(reason.contains(words), "{shown}: {reason}");
        assert!(reason.len() <= 1_000, "{shown}: {}", reason.len());
    }
    publish(
        &started.memory,
        "nested",
        event("Nested", json, br#"{"inner":{"inner":null}}"#.to_vec()),
    )
    .await;
    assert_eq!(started.told.next().await, "nested \"\" true");
}
