//! Events and messages that nobody thought of.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanfare::event::cloudevents::{AMQP, HTTP, KAFKA, NATS, structured};
use fanfare::event::{AttributeValue, Envelope, EventId, Message};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Any text of one character and more that an attribute can have.
fn text() -> impl Strategy<Value = String> {
    let allowed = |c: char| {
        let is_noncharacter =
            u32::from(c) & 0xFFFE == 0xFFFE || ('\u{FDD0}'..='\u{FDEF}').contains(&c);
        if c.is_control() || is_noncharacter {
            '?'
        } else {
            c
        }
    };
    vec(any::<char>().prop_map(allowed), 1..20).prop_map(String::from_iter)
}

fn value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        text().prop_map(Into::into)
    ]
}

fn payload() -> impl Strategy<Value = Option<(&'static str, Vec<u8>)>> {
    let json =
        "[ -~]{0,20}".prop_map(|text| serde_json::to_vec(&[Some(text), None]).expect("JSON"));
    option::of(prop_oneof![
        (Just("application/json"), json),
        (Just("application/json"), vec(b'!'..=255, 1..20)), // without space around it
        (Just("text/plain"), vec(any::<u8>(), 0..20)),
        (Just("application/octet-stream"), vec(any::<u8>(), 0..20)),
    ])
}

prop_compose! {
    fn envelope()(
        id in text(),
        kind in text(),
        source in "(/[a-z]{1,9}|https://[a-z]{1,9}/%[0-9A-F]{2}\\?q#f)",
        subject in option::of(text()),
        key in option::of(text()),
        nanoseconds in option::of(0_u64..4_000_000_000_000_000_000),
        extensions in vec(("[a-z0-9]{1,30}", value()), 0..5),
        payload in payload(),
    ) -> Envelope {
        let mut envelope = Envelope::new(EventId::parse(&id).expect("an id"), &source, &kind).expect("valid");
        if let Some(subject) = subject {
            envelope = envelope.with_subject(&subject).expect("valid");
        }
        if let Some(key) = key {
            envelope = envelope.with_key(&key).expect("valid");
        }
        if let Some(nanoseconds) = nanoseconds {
            envelope = envelope.with_time(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds)).expect("valid");
        }
        if let Some((content_type, payload)) = payload {
            envelope = envelope.with_payload(content_type, payload.into()).expect("valid");
        }
        for (name, value) in extensions {
            envelope = envelope.clone().with_extension(&name, value).unwrap_or(envelope);
        }
        envelope
    }
}

proptest! {
    #[test]
    fn an_event_comes_back_from_binary_mode(event in envelope()) {
        for binding in [HTTP, KAFKA, NATS, AMQP] {
            let wire = binding.write(&event);
            prop_assert_eq!(binding.read(wire.headers, wire.key, wire.payload), Message::Event(event.clone()));
        }
    }

    #[test]
    fn an_event_comes_back_from_structured_mode(event in envelope()) {
        let json = structured::to_json(&event);
        let read = structured::from_json(&json).expect("an event");
        prop_assert!(read.extensions().eq(event.extensions()), "extensions keep their types");
        prop_assert_eq!(read, event);
    }

    #[test]
    fn nothing_that_arrives_panics_or_loses_a_byte(
        headers in vec((prop_oneof![
            Just("content-type".to_owned()), Just("ce-specversion".to_owned()), "(?i)ce[-_](id|time|source|x.?)", any::<String>(),
        ], prop_oneof![
            Just(b"1.0".to_vec()), Just(b"application/cloudevents+json".to_vec()), vec(any::<u8>(), 0..20), "[\"\\\\%a0]{0,9}".prop_map(String::into_bytes),
        ]), 0..8),
        key in option::of(vec(any::<u8>(), 0..5)),
        payload in prop_oneof![vec(any::<u8>(), 0..50), "[{}\\[\\]\",:a0n]{0,20}".prop_map(String::into_bytes)],
    ) {
        for binding in [HTTP, KAFKA, NATS, AMQP] {
            let key: Option<Bytes> = key.clone().map(Into::into);
            if let Message::Foreign(foreign) = binding.read(headers.iter().cloned(), key.clone(), payload.clone().into()) {
                let kept: Vec<_> = foreign.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
                prop_assert_eq!(&kept, &headers);
                prop_assert_eq!(foreign.payload(), &payload);
                prop_assert_eq!(foreign.key(), key.as_ref());
            }
        }
    }
}
