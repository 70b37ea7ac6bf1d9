//! The envelope by itself: what can be built, and what cannot.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanfare::event::{Envelope, EnvelopeError, EventId};

use crate::cases;

fn minimal() -> Envelope {
    cases::minimal().expect("valid")
}

fn message(made: Result<Envelope, EnvelopeError>) -> String {
    made.map_or_else(
        |error| error.to_string(),
        |envelope| format!("accepted: {envelope:?}"),
    )
}

#[test]
fn an_id_gives_back_exactly_the_text_that_was_read() {
    let texts = [
        "A234",
        "6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "6E8BC430-9C3A-11D9-9669-0800200C9A66",
        "6e8bc4309c3a11d996690800200c9a66",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "{6e8bc430-9c3a-11d9-9669-0800200c9a66}",
        "00000000-0000-0000-0000-000000000000",
        "\u{2116} 1",
    ];
    for text in texts {
        assert_eq!(EventId::parse(text).expect(text).to_string(), text);
    }
}

#[test]
fn ids_are_equal_when_their_texts_are() {
    let lower = EventId::parse("6e8bc430-9c3a-11d9-9669-0800200c9a66").expect("valid");
    let upper = EventId::parse("6E8BC430-9C3A-11D9-9669-0800200C9A66").expect("valid");
    let again = EventId::parse(&lower.to_string()).expect("valid");
    assert_ne!(lower, upper);
    assert_eq!(HashSet::from([lower, upper, again]).len(), 2);
}

#[test]
fn fresh_ids_sort_by_the_time_they_were_made() {
    let ids: Vec<String> = (0..1000).map(|_| EventId::new().to_string()).collect();
    assert!(ids.is_sorted_by(|earlier, later| earlier < later));
}

#[test]
fn an_id_goes_through_serde_as_its_text() {
    let id = EventId::new();
    let json = serde_json::to_string(&id).expect("json");
    assert_eq!(json, format!("\"{id}\""));
    assert_eq!(serde_json::from_str::<EventId>(&json).expect("an id"), id);
    assert!(serde_json::from_str::<EventId>("\"\"").is_err());
}

#[test]
fn what_the_specification_forbids_cannot_be_built() {
    let id = || EventId::parse("1").expect("valid");
    let cases: [(Result<Envelope, EnvelopeError>, &str); 17] = [
        (
            Envelope::new(id(), "", "t"),
            "the attribute `source` is empty: give it a value, or leave it out if it is optional",
        ),
        (
            Envelope::new(id(), "/s", ""),
            "the attribute `type` is empty: give it a value, or leave it out if it is optional",
        ),
        (
            Envelope::new(id(), "a b", "t"),
            "source is \"a b\", which is no URI-reference (RFC 3986): percent-encode what a URI cannot hold",
        ),
        (
            Envelope::new(id(), "/z\u{fc}rich", "t"),
            "source is \"/z\u{fc}rich\", which is no URI-reference (RFC 3986): percent-encode what a URI cannot hold",
        ),
        (
            Envelope::new(id(), "/s", "a\nb"),
            "the attribute `type` holds U+000A, a character that CloudEvents disallows",
        ),
        (
            minimal().with_subject(""),
            "the attribute `subject` is empty: give it a value, or leave it out if it is optional",
        ),
        (
            minimal().with_subject("\u{85}"),
            "the attribute `subject` holds U+0085, a character that CloudEvents disallows",
        ),
        (
            minimal().with_subject("\u{FDD0}"),
            "the attribute `subject` holds U+FDD0, a character that CloudEvents disallows",
        ),
        (
            minimal().with_subject("\u{1FFFF}"),
            "the attribute `subject` holds U+1FFFF, a character that CloudEvents disallows",
        ),
        (
            minimal().with_schema("/schema.json"),
            "dataschema is \"/schema.json\", which is no absolute URI (RFC 3986)",
        ),
        (
            minimal().with_key(""),
            "the attribute `partitionkey` is empty: give it a value, or leave it out if it is optional",
        ),
        (
            minimal().with_payload("json", Bytes::new()),
            "datacontenttype is \"json\", which is no media type (RFC 2045) such as \"application/json\"",
        ),
        (
            minimal().with_payload("a b/c", Bytes::new()),
            "datacontenttype is \"a b/c\", which is no media type (RFC 2045) such as \"application/json\"",
        ),
        (
            minimal().with_extension("traceParent", "x"),
            "\"traceParent\" is no attribute name: one has only the characters a-z and 0-9",
        ),
        (
            minimal().with_extension("", "x"),
            "\"\" is no attribute name: one has only the characters a-z and 0-9",
        ),
        (
            minimal().with_extension("data", "x"),
            "`data` is no extension: it is an attribute with a meaning and a method of its own",
        ),
        (
            minimal().with_extension("x", "\u{7f}"),
            "the attribute `x` holds U+007F, a character that CloudEvents disallows",
        ),
    ];
    for (made, expected) in cases {
        assert_eq!(message(made), expected);
    }
}

#[test]
fn a_time_that_rfc_3339_cannot_say_is_refused() {
    let after = SystemTime::UNIX_EPOCH + Duration::from_hours(70_389_528);
    let before =
        SystemTime::UNIX_EPOCH - Duration::from_hours(17_268_672) - Duration::from_nanos(1);
    for time in [after, before] {
        let message = message(minimal().with_time(time));
        assert!(
            message.ends_with("no RFC 3339 timestamp of the years 0000 to 9999"),
            "{message}"
        );
    }
    let last = after - Duration::from_nanos(1);
    assert_eq!(minimal().with_time(last).expect("valid").time(), Some(last));
}

#[test]
fn every_name_of_the_specification_itself_is_no_extension() {
    for name in [
        "specversion",
        "id",
        "source",
        "type",
        "subject",
        "time",
        "datacontenttype",
        "dataschema",
        "partitionkey",
        "data",
        "data_base64",
    ] {
        assert!(
            message(minimal().with_extension(name, "x")).contains("is no extension"),
            "{name}"
        );
    }
}

#[test]
fn equal_means_the_same_meaning() {
    let with = |first: &str, second: &str| {
        minimal()
            .with_extension(first, 1)
            .and_then(|event| event.with_extension(second, true))
            .expect("valid")
    };
    assert_eq!(with("a", "b").extension("a"), with("b", "a").extension("b"));
    let texts = minimal()
        .with_extension("b", "true")
        .and_then(|event| event.with_extension("a", "1"))
        .expect("valid");
    assert_eq!(with("a", "b"), texts);
    assert_ne!(with("a", "b"), with("b", "a"));
    assert_ne!(with("a", "b"), minimal());
    assert_ne!(minimal().with_subject("x").expect("valid"), minimal());
}

#[test]
fn changing_a_clone_leaves_the_first_as_it_was() {
    let first = minimal().with_extension("a", "1").expect("valid");
    let second = first.clone().with_extension("a", "2").expect("valid");
    assert_eq!(
        first.extension("a").map(ToString::to_string).as_deref(),
        Some("1")
    );
    assert_eq!(
        second.extension("a").map(ToString::to_string).as_deref(),
        Some("2")
    );
}

#[test]
fn a_quoted_text_is_cut_short() {
    let long = "x y".repeat(1_000_000);
    assert!(message(Envelope::new(EventId::new(), &long, "t")).len() < 300);
}
