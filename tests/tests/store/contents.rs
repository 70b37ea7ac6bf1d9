//! What goes in comes out, byte for byte.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanfare::event::{AttributeValue, Envelope, EnvelopeError, EventId, Foreign, Message};
use fanfare::store::{DeadLetter, Store, Which};

use crate::{Scene, all, append, number, numbered};

/// Events with everything that may be hard to keep.
fn events() -> Vec<Envelope> {
    let new = || Envelope::new(EventId::new(), "/l%C3%A4den/1", "order").expect("valid");
    let with = |content_type: &str, payload: &'static [u8]| {
        let payload = Bytes::from_static(payload);
        new().with_payload(content_type, payload).expect("valid")
    };
    let full = Envelope::new(
        EventId::parse("ид №1 '\"\\;--").expect("valid"),
        "urn:shop:%00",
        "заказ.создан",
    );
    let full = full
        .and_then(|event| event.with_subject("суть"))
        .and_then(|event| {
            event.with_time(SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789))
        })
        .and_then(|event| event.with_schema("urn:fanfare:event:order:2"))
        .and_then(|event| event.with_key("ключ 🔑"))
        .and_then(|event| event.with_extension("flag", true))
        .and_then(|event| event.with_extension("count", i32::MIN))
        .and_then(|event| event.with_extension("number", "17"))
        .and_then(|event| event.with_extension("empty", ""))
        .and_then(|event| {
            event.with_payload(
                "application/json",
                Bytes::from_static(b"{\"a\":[1e400,\"\\u0000\"]}"),
            )
        })
        .expect("valid");
    vec![
        full,
        new(),
        with("application/json", b" {\n \"a\" : 1 } \n"),
        with("application/json", b"null"),
        with("application/json", b"no json \0\xff"),
        with("application/vnd.shop+json; charset=utf-16", b"{}"),
        with("text/plain", "żółć \u{0}\r\n\u{7f} \u{2028}".as_bytes()),
        with("text/plain; charset=iso-8859-1", b"\xe4"),
        with("application/octet-stream", b"\0\x01\xfe\xff\0"),
        with("application/octet-stream", b""),
    ]
}

/// As equal as two envelopes can be: also the types of extensions.
fn assert_same(read: &Envelope, written: &Envelope) {
    assert_eq!(read, written);
    let extensions = |event: &Envelope| -> Vec<(String, AttributeValue)> {
        let owned = |(name, value): (&str, &AttributeValue)| (name.to_owned(), value.clone());
        event.extensions().map(owned).collect()
    };
    assert_eq!(extensions(read), extensions(written));
}

pub(crate) async fn every_event_comes_back_exactly<S: Store>(scene: Scene<S>) {
    let events = events();
    append(&scene.store, events.clone()).await;
    let read = all(&scene.other, Which::All, 100).await;
    assert_eq!(read.len(), events.len());
    for ((_, read), written) in read.iter().zip(&events) {
        assert_same(read, written);
    }
}

/// Messages that are no events, with every reason for it.
fn foreigners() -> Vec<Foreign> {
    let binary = Bytes::from_static(b"\0\xff\x80 \0");
    let full = Foreign::new(binary.clone())
        .with_header("twice", binary.clone())
        .with_header("twice", Bytes::new())
        .with_header("", Bytes::from_static(b"x"))
        .with_header("żółw\0", binary.clone())
        .with_content_type("not a media type \0")
        .with_key(binary.clone());
    let faults = [
        EnvelopeError::Missing("specversion"),
        EnvelopeError::Empty("partitionkey"),
        EnvelopeError::Duplicate("a\0".into()),
        EnvelopeError::SpecVersion("0.3".into()),
        EnvelopeError::Name("Ä".into()),
        EnvelopeError::Reserved("data_base64"),
        EnvelopeError::Character {
            attribute: "a".into(),
            code: 0,
        },
        EnvelopeError::Source(" ".into()),
        EnvelopeError::Schema("x".into()),
        EnvelopeError::Time("never".into()),
        EnvelopeError::ContentType("".into()),
        EnvelopeError::Integer {
            attribute: "a".into(),
            number: "1e9".into(),
        },
        EnvelopeError::Type {
            attribute: "a".into(),
            found: "object",
        },
        EnvelopeError::TooMany,
        EnvelopeError::Utf8("a".into()),
        EnvelopeError::TwoPayloads,
        EnvelopeError::Base64("?".into()),
        EnvelopeError::Data {
            content_type: "text/plain".into(),
            found: "array",
        },
        EnvelopeError::Charset("x".into()),
        EnvelopeError::Json("EOF".into()),
        EnvelopeError::NotAnObject("number"),
        EnvelopeError::Batch,
        EnvelopeError::Format("avro".into()),
    ];
    let faulty = faults.map(|fault| full.clone().with_fault(fault));
    let mut foreigners = vec![full, Foreign::new(binary), Foreign::new(Bytes::new())];
    foreigners.extend(faulty);
    foreigners
}

pub(crate) async fn every_dead_letter_comes_back_exactly<S: Store>(scene: Scene<S>) {
    let messages = events().into_iter().map(Message::from);
    let messages = messages.chain(foreigners().into_iter().map(Message::from));
    let letters: Vec<_> = messages
        .map(|message| DeadLetter {
            handler: "shop.bill 'ä'\0".to_owned(),
            reason: "no such order:\n\t\u{0} \u{FFFF} 🧨".to_owned(),
            origin: "main/orders/0/17\0".to_owned(),
            attempts: u32::MAX,
            time: SystemTime::UNIX_EPOCH + Duration::new(1_900_000_000, 987_654_321),
            message,
        })
        .collect();
    for letter in &letters {
        scene.store.bury(letter).await.expect("buried");
    }
    let read = scene.other.dead_letters(0, 1_000).await.expect("read");
    assert_eq!(read.len(), letters.len());
    for ((_, read), written) in read.iter().zip(&letters) {
        assert_eq!(read, written);
        if let (Message::Event(read), Message::Event(written)) = (&read.message, &written.message) {
            assert_same(read, written);
        }
    }
}

pub(crate) async fn a_megabyte_comes_back<S: Store>(scene: Scene<S>) {
    let bytes = |seed: u8| -> Bytes {
        (0..1 << 20)
            .map(|n: u32| n.to_le_bytes()[0] ^ seed)
            .collect()
    };
    let event = |n: u8| {
        let event = numbered("big", 0);
        event
            .with_payload("application/octet-stream", bytes(n))
            .expect("valid")
    };
    append(&scene.store, (0..20).map(event)).await;
    let read = all(&scene.other, Which::All, 7).await;
    assert_eq!(read.len(), 20);
    for (n, (_, event)) in (0..).zip(&read) {
        assert!(event.payload() == &bytes(n), "the payload of event {n}");
    }
}

pub(crate) async fn ten_thousand_events_come_back<S: Store>(scene: Scene<S>) {
    append(&scene.store, (0..10_000).map(|n| numbered("many", n))).await;
    let read = all(&scene.other, Which::All, 1_000).await;
    let numbers = read.iter().map(|(_, event)| number(event));
    assert!(numbers.eq(0..10_000));
    let of = Which::Named(vec!["many".to_owned(), "none".to_owned()]);
    assert_eq!(all(&scene.store, of, 3_000).await, read);
}
