//! The official Python SDK, `cloudevents` 2.2.0, in both directions.

use fanfare::event::cloudevents::{Binding, HTTP, KAFKA};
use fanfare::event::{Envelope, Message};
use serde_json::{Value, json};

use crate::cases;
use crate::python_peer::{self, Mode, packed, unpacked};

/// Asserts that `sdk` reads what we wrote.
fn assert_python_reads(binding: &Binding, over: &str, mode: Mode) {
    for (about, event) in cases::all() {
        let wire = match mode {
            Mode::Binary => binding.write(&event),
            Mode::Structured => binding.write_structured(&event),
        };
        let read = python_peer::read("core", over, &wire);
        assert_same_attributes(about, &event, &read);
        assert_same_data(about, &event, &read["data"]);
    }
}

fn assert_same_attributes(about: &str, event: &Envelope, read: &Value) {
    let mut theirs = read["attributes"].clone();
    if event.time().is_none() {
        // The SDK fills in the present time where an event has none.
        theirs.as_object_mut().expect(about).remove("time");
    }
    assert_eq!(
        theirs,
        cases::meaning(event)["attributes"],
        "{about}: {read}"
    );
}

fn assert_same_data(about: &str, event: &Envelope, read: &Value) {
    let payload = event.payload();
    if cases::is_json(event) {
        let ours: Value = serde_json::from_slice(payload).expect(about);
        return assert_eq!(read["value"], ours, "{about}: {read}");
    }
    match read {
        Value::Null => assert!(payload.is_empty(), "{about}"),
        read => match read.get("base64") {
            Some(base64) => assert_eq!(unpacked(base64), payload, "{about}"),
            None => assert_eq!(
                read["value"].as_str().map(str::as_bytes),
                Some(&payload[..]),
                "{about}"
            ),
        },
    }
}

/// Asserts that we read what `sdk` wrote, as the same event.
fn assert_we_read(binding: &Binding, over: &str, mode: Mode) {
    for (about, event) in cases::all() {
        let attributes = Value::Object(cases::attributes(&event));
        let wire = python_peer::write("core", over, mode, &attributes, &data(&event));
        let message = binding.read(wire.headers, wire.key, wire.payload);
        let Message::Event(read) = message else {
            panic!("{about}: {message:?}");
        };
        let (mut theirs, ours) = (cases::meaning(&read), cases::meaning(&event));
        if event.time().is_none() {
            theirs["attributes"]
                .as_object_mut()
                .expect(about)
                .remove("time");
        }
        assert_eq!(theirs, ours, "{about}");
    }
}

fn data(event: &Envelope) -> Value {
    match event.content_type() {
        None => Value::Null,
        Some(_) if cases::is_json(event) => {
            let value: Value = serde_json::from_slice(event.payload()).expect("JSON");
            // The SDK cannot tell the data `null` from no data.
            if value.is_null() {
                json!({ "base64": packed(b"null") })
            } else {
                json!({ "json": value })
            }
        }
        Some(kind) if kind.starts_with("text/") => {
            json!({ "text": str::from_utf8(event.payload()).expect("text") })
        }
        Some(_) => json!({ "base64": packed(event.payload()) }),
    }
}

#[test]
fn python_reads_our_http_requests_in_binary_mode() {
    assert_python_reads(&HTTP, "http", Mode::Binary);
}

#[test]
fn python_reads_our_http_requests_in_structured_mode() {
    assert_python_reads(&HTTP, "http", Mode::Structured);
}

#[test]
fn python_reads_our_kafka_records_in_binary_mode() {
    assert_python_reads(&KAFKA, "kafka", Mode::Binary);
}

#[test]
fn python_reads_our_kafka_records_in_structured_mode() {
    assert_python_reads(&KAFKA, "kafka", Mode::Structured);
}

#[test]
fn we_read_http_requests_that_python_wrote_in_binary_mode() {
    assert_we_read(&HTTP, "http", Mode::Binary);
}

#[test]
fn we_read_http_requests_that_python_wrote_in_structured_mode() {
    assert_we_read(&HTTP, "http", Mode::Structured);
}

#[test]
fn we_read_kafka_records_that_python_wrote_in_binary_mode() {
    assert_we_read(&KAFKA, "kafka", Mode::Binary);
}

#[test]
fn we_read_kafka_records_that_python_wrote_in_structured_mode() {
    assert_we_read(&KAFKA, "kafka", Mode::Structured);
}

/// A service that has not moved on from the interface the SDK had before 2.0.
#[test]
fn the_older_python_interface_reads_what_we_write() {
    let event = cases::minimal()
        .and_then(|event| event.with_key("k1"))
        .expect("valid");
    let event = event
        .with_payload("application/json", r#"{"a":[1]}"#.into())
        .expect("valid");
    let wires = [
        ("http", HTTP.write(&event)),
        ("http", HTTP.write_structured(&event)),
        ("kafka", KAFKA.write(&event)),
    ];
    for (over, wire) in wires {
        let read = python_peer::read("v1", over, &wire);
        assert_same_attributes(over, &event, &read);
        assert_same_data(over, &event, &read["data"]);
    }
}

#[test]
fn we_read_what_the_older_python_interface_writes() {
    let attributes = json!({ "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json", "partitionkey": "k1" });
    for (over, mode) in [
        ("http", Mode::Binary),
        ("http", Mode::Structured),
        ("kafka", Mode::Binary),
    ] {
        let wire = python_peer::write(
            "v1",
            over,
            mode,
            &attributes,
            &json!({ "json": { "a": [1] } }),
        );
        let binding = if over == "http" { HTTP } else { KAFKA };
        let message = binding.read(wire.headers, wire.key, wire.payload);
        let event = message
            .event()
            .unwrap_or_else(|| panic!("{over} {mode:?}: {message:?}"));
        assert_eq!(
            (event.kind(), event.key()),
            ("t", Some("k1")),
            "{over} {mode:?}"
        );
        assert_eq!(
            cases::meaning(event)["data"],
            json!({ "a": [1] }),
            "{over} {mode:?}"
        );
    }
}
