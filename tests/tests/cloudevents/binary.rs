//! Binary mode, by the protocol bindings' own words.

use bytes::Bytes;
use fanfare::event::cloudevents::{AMQP, Binding, HTTP, KAFKA, NATS, Wire};
use fanfare::event::{Envelope, EventId, Foreign, Message};

use crate::cases;

fn header<'a>(wire: &'a Wire, name: &str) -> Option<&'a str> {
    let mut values = wire
        .headers
        .iter()
        .filter(|(other, _)| other == name)
        .map(|(_, value)| value);
    let value = values.next()?;
    assert!(values.next().is_none(), "{name} is there twice");
    Some(str::from_utf8(value).expect("text"))
}

fn read(binding: &Binding, headers: &[(&str, &str)]) -> Message {
    binding.read(headers.iter().copied(), None, Bytes::new())
}

/// The subject that HTTP carries in a header of this value.
fn subject(value: &str) -> Option<String> {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("ce-subject", value),
    ];
    read(&HTTP, &headers).event()?.subject().map(str::to_owned)
}

#[test]
fn every_case_comes_back_from_both_modes_of_all_bindings() {
    for (about, event) in cases::all() {
        for binding in [HTTP, KAFKA, NATS, AMQP] {
            for wire in [binding.write(&event), binding.write_structured(&event)] {
                let message = binding.read(wire.headers, wire.key, wire.payload);
                assert_eq!(message, Message::Event(event.clone()), "{about}");
            }
        }
    }
}

/// HTTP section 3.1.3.2, its own example.
#[test]
fn http_percent_encodes_the_specifications_example() {
    let event = cases::minimal()
        .and_then(|event| event.with_subject("Euro \u{20AC} \u{1F600}"))
        .expect("valid");
    assert_eq!(
        header(&HTTP.write(&event), "ce-subject"),
        Some("Euro%20%E2%82%AC%20%F0%9F%98%80")
    );
}

#[test]
fn http_headers_are_printable_ascii() {
    for (about, event) in cases::all() {
        for (name, value) in HTTP.write(&event).headers {
            let is_attribute = name.starts_with("ce-");
            let printable = |byte: &u8| {
                byte.is_ascii_graphic() && *byte != b'"' || !is_attribute && *byte == b' '
            };
            assert!(value.iter().all(printable), "{about}: {name}: {value:?}");
        }
    }
}

#[test]
fn http_values_are_decoded_once_whichever_way_they_were_encoded() {
    let cases = [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20AC} \u{1F600}"),
        ("%e2%82%ac", "\u{20AC}"),
        ("%41%42c", "ABc"),
        ("100%25", "100%"),
        ("%2541", "%41"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("\u{20AC}", "\u{20AC}"),
        ("  a b \t", "a b"),
        (r#""a b""#, "a b"),
        (r#""a \"b\" \\ c%20d""#, r#"a "b" \ c d"#),
        (r#"a "b""#, r#"a "b""#),
        ("\"", "\""),
    ];
    for (value, expected) in cases {
        assert_eq!(subject(value).as_deref(), Some(expected), "{value}");
    }
}

#[test]
fn http_names_are_read_in_any_case() {
    let headers = [
        ("CE-SpecVersion", "1.0"),
        ("Ce-Id", "1"),
        ("cE-sOURCE", "/s"),
        ("CE-TYPE", "t"),
        ("Content-Type", "text/plain"),
    ];
    let message = read(&HTTP, &headers);
    let event = message.event().expect("an event");
    assert_eq!(
        (event.kind(), event.content_type()),
        ("t", Some("text/plain"))
    );
}

#[test]
fn http_binary_mode_looks_as_the_specification_shows_it() {
    let event = Envelope::new(
        EventId::parse("1234-1234-1234").expect("valid"),
        "/mycontext/subcontext",
        "com.example.someevent",
    )
    .and_then(|event| event.with_time(cases::seconds(1_522_900_584)))
    .and_then(|event| event.with_payload("application/json; charset=utf-8", "{}".into()))
    .expect("valid");
    let wire = HTTP.write(&event);
    let mut headers: Vec<_> = wire
        .headers
        .iter()
        .map(|(name, _)| (name.as_str(), header(&wire, name)))
        .collect();
    headers.sort_unstable();
    let expected = [
        ("ce-id", Some("1234-1234-1234")),
        ("ce-source", Some("/mycontext/subcontext")),
        ("ce-specversion", Some("1.0")),
        ("ce-time", Some("2018-04-05T03:56:24Z")),
        ("ce-type", Some("com.example.someevent")),
        ("content-type", Some("application/json; charset=utf-8")),
    ];
    assert_eq!(headers, expected);
    assert_eq!((wire.key, wire.payload), (None, "{}".into()));
}

#[test]
fn kafka_carries_utf8_as_it_is_and_the_key_twice() {
    let event = cases::minimal()
        .and_then(|event| event.with_subject("100% \u{20AC}"))
        .and_then(|event| event.with_key("customer 17"))
        .expect("valid");
    let wire = KAFKA.write(&event);
    assert_eq!(header(&wire, "ce_subject"), Some("100% \u{20AC}"));
    assert_eq!(header(&wire, "ce_partitionkey"), Some("customer 17"));
    assert_eq!(wire.key.as_deref(), Some(&b"customer 17"[..]));
    assert_eq!(
        KAFKA.write_structured(&event).key.as_deref(),
        Some(&b"customer 17"[..])
    );
    assert_eq!(HTTP.write(&event).key, None);
}

/// AMQP section 3.1.3.1: one prefix is written, and both are read.
#[test]
fn amqp_has_two_prefixes_and_the_media_type_beside_them() {
    let event = cases::minimal()
        .and_then(|event| event.with_payload("text/plain", "Hello".into()))
        .and_then(|event| event.with_key("customer 17"))
        .expect("valid");
    let wire = AMQP.write(&event);
    assert_eq!(header(&wire, "content-type"), Some("text/plain"));
    assert_eq!(
        header(&wire, "cloudEvents_partitionkey"),
        Some("customer 17")
    );
    assert_eq!(wire.key.as_deref(), Some(&b"customer 17"[..]));
    let with_colons = wire.headers.iter().map(|(name, value)| {
        let name = name.replace("cloudEvents_", "cloudEvents:");
        (name, value.clone())
    });
    let read = AMQP.read(with_colons, None, wire.payload.clone());
    assert_eq!(read, Message::Event(event));
}

#[test]
fn a_kafka_record_key_becomes_the_key_of_an_event_that_names_none() {
    let event = cases::minimal().expect("valid");
    let keyed = event.clone().with_key("own").expect("valid");
    let key_of = |event: &Envelope, key: &'static [u8]| {
        let wire = KAFKA.write(event);
        let message = KAFKA.read(wire.headers, Some(Bytes::from_static(key)), wire.payload);
        message.event().expect("an event").key().map(str::to_owned)
    };
    assert_eq!(key_of(&event, b"record").as_deref(), Some("record"));
    assert_eq!(key_of(&keyed, b"record").as_deref(), Some("own"));
    assert_eq!(key_of(&event, b"\xff\x00"), None);
    assert_eq!(key_of(&event, b""), None);
}

#[test]
fn structured_mode_is_recognised_by_its_media_type_in_any_case_and_with_parameters() {
    let json: Bytes = br#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#
        .as_slice()
        .into();
    for media_type in [
        "application/cloudevents+json",
        "Application/CloudEvents+JSON;charset=UTF-8",
        "application/cloudevents+json ; a=b",
        "application/cloudevents",
    ] {
        let message = KAFKA.read([("Content-Type", media_type)], None, json.clone());
        assert!(message.event().is_some(), "{media_type}: {message:?}");
    }
}

#[test]
fn what_claims_nothing_is_foreign_with_every_byte_in_place() {
    let headers = [
        ("trace", &b"\xff\x00"[..]),
        ("content-type", b"text/plain"),
        ("trace", b"again"),
        ("", b""),
    ];
    let message = KAFKA.read(
        headers,
        Some(Bytes::from_static(b"\xfe")),
        Bytes::from_static(b"\x00payload"),
    );
    let Message::Foreign(foreign) = &message else {
        panic!("{message:?}");
    };
    assert_eq!(foreign.fault(), None);
    assert_eq!(foreign.content_type(), Some("text/plain"));
    let kept: Vec<_> = foreign
        .headers()
        .map(|(name, value)| (name, &value[..]))
        .collect();
    assert_eq!(kept, headers);
    let wire = KAFKA.write_message(&message);
    assert_eq!(KAFKA.read(wire.headers, wire.key, wire.payload), message);
}

#[test]
fn a_foreign_message_takes_its_media_type_to_a_protocol_with_headers() {
    let message = Foreign::new(Bytes::from_static(b"21.5"))
        .with_content_type("text/plain")
        .with_key("k".into())
        .into();
    let wire = KAFKA.write_message(&message);
    assert_eq!(
        (header(&wire, "content-type"), wire.key.as_deref()),
        (Some("text/plain"), Some(&b"k"[..]))
    );
}

/// NATS section 3.1.3.1 and 3.1.3.2: the media type of the data is an attribute like any other.
#[test]
fn nats_has_all_attributes_under_their_own_names_and_percent_encoded() {
    let event = cases::minimal()
        .and_then(|event| event.with_payload("text/plain; charset=utf-8", "Hi".into()))
        .expect("valid");
    let wire = NATS.write(&event);
    let media_type = header(&wire, "ce-datacontenttype");
    assert_eq!(media_type, Some("text/plain;%20charset=utf-8"));
    assert_eq!(header(&wire, "content-type"), None);
    assert_eq!(wire.key, None);
}
