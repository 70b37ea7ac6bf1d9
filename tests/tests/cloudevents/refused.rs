//! What is no event, and the reason that is given.

use std::fmt::Write;

use bytes::Bytes;
use fanfare::event::cloudevents::structured::from_json;
use fanfare::event::cloudevents::{HTTP, KAFKA};
use fanfare::event::{EnvelopeError, Message};

const REQUIRED: &str = r#""specversion":"1.0","id":"1","source":"/s","type":"t""#;

type Headers<'a> = &'a [(&'a str, &'a [u8])];

fn reason(json: &str) -> String {
    match from_json(&Bytes::copy_from_slice(json.as_bytes())) {
        Ok(event) => format!("accepted: {event:?}"),
        Err(error) => error.to_string(),
    }
}

fn fault(message: &Message) -> String {
    match message {
        Message::Event(event) => format!("accepted: {event:?}"),
        Message::Foreign(foreign) => foreign
            .fault()
            .map_or_else(|| "no claim".to_owned(), ToString::to_string),
    }
}

#[test]
fn json_without_a_required_attribute_is_refused() {
    let cases = [
        (r#"{"id":"1","source":"/s","type":"t"}"#, "specversion"),
        (r#"{"specversion":"1.0","source":"/s","type":"t"}"#, "id"),
        (r#"{"specversion":"1.0","id":"1","type":"t"}"#, "source"),
        (r#"{"specversion":"1.0","id":"1","source":"/s"}"#, "type"),
        (
            r#"{"specversion":"1.0","id":null,"source":"/s","type":"t"}"#,
            "id",
        ),
    ];
    for (json, missing) in cases {
        assert_eq!(
            reason(json),
            format!("the required attribute `{missing}` is missing")
        );
    }
}

/// What is added to a valid event, and how the reason begins for which it then is none.
const REFUSED: &str = r#"
"subject":"" => the attribute `subject` is empty: give it a value, or leave it out if it is optional
"subject":7 => the attribute `subject` is a JSON number, which it cannot be
"time":true => the attribute `time` is a JSON boolean, which it cannot be
"subject":"a\u0000" => the attribute `subject` holds U+0000, a character that CloudEvents disallows
"x":"\ufffe" => the attribute `x` holds U+FFFE, a character that CloudEvents disallows
"x":"\udead" => not valid JSON:
"x":[1] => the attribute `x` is a JSON array, which it cannot be
"x":{} => the attribute `x` is a JSON object, which it cannot be
"x":2147483648 => the attribute `x` is 2147483648, and not an integer from -2147483648 to 2147483647
"x":1.5 => the attribute `x` is 1.5, and not an integer from -2147483648 to 2147483647
"x":1e2 => the attribute `x` is 1e2, and not an integer from -2147483648 to 2147483647
"camelCase":"x" => "camelCase" is no attribute name: one has only the characters a-z and 0-9
"":"x" => "" is no attribute name: one has only the characters a-z and 0-9
"x":"1","x":"1" => the attribute "x" is given more than once
"x":null,"x":"1" => the attribute "x" is given more than once
"\u0069d":"2" => the attribute "id" is given more than once
"data":1,"data":1 => the attribute "data" is given more than once
"data":1,"data_base64":"MQ==" => both `data` and `data_base64` are given, and an event has one payload
"data_base64":"*" => data_base64 is not base64 (RFC 4648):
"data_base64":1 => the attribute `data_base64` is a JSON number, which it cannot be
"time":"yesterday" => time is "yesterday", which is no RFC 3339 timestamp of the years 0000 to 9999
"time":"2018-04-05 17:31:00Z" => time is "2018-04-05 17:31:00Z", which is no RFC 3339
"time":"2018-04-05T17:31:00" => time is "2018-04-05T17:31:00", which is no RFC 3339
"time":"2018-04-05T17:31:00.Z" => time is "2018-04-05T17:31:00.Z", which is no RFC 3339
"time":"2018-02-30T17:31:00Z" => time is "2018-02-30T17:31:00Z", which is no RFC 3339
"time":"2018-04-05T17:31:00+24:00" => time is "2018-04-05T17:31:00+24:00", which is no RFC 3339
"time":"2018-04-05T17:31:00Z[Asia/Aden]" => time is "2018-04-05T17:31:00Z[Asia/Aden]", which is no RFC 3339
"time":"9999-12-31T23:59:59-01:00" => time is "9999-12-31T23:59:59-01:00", which is no RFC 3339
"dataschema":"schema" => dataschema is "schema", which is no absolute URI (RFC 3986)
"datacontenttype":"json" => datacontenttype is "json", which is no media type (RFC 2045) such as "application/json"
"datacontenttype":"text/plain","data":{} => data is a JSON object although datacontenttype is "text/plain", which asks for a string
"datacontenttype":"text/plain;charset=latin1","data":"\u00fc" => data is a string although datacontenttype is "text/plain;charset=latin1": only UTF-8 is understood, so send data_base64
"#;

#[test]
fn json_with_something_wrong_is_refused_with_the_reason() {
    for case in REFUSED.trim().lines() {
        let (members, expected) = case.split_once(" => ").expect(case);
        let reason = reason(&format!("{{{REQUIRED},{members}}}"));
        assert!(reason.starts_with(expected), "{members}: {reason}");
    }
}

#[test]
fn json_of_another_version_is_refused() {
    let expected = "specversion is \"0.3\", and only \"1.0\" is understood";
    assert_eq!(
        reason(r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#),
        expected
    );
}

#[test]
fn what_is_no_json_object_is_refused() {
    let cases = [
        ("", "not valid JSON: EOF"),
        ("{", "not valid JSON: EOF"),
        ("[]", "an event is a JSON object, and this is a JSON array"),
        (
            " 7 ",
            "an event is a JSON object, and this is a JSON number",
        ),
        ("{} {}", "not valid JSON: trailing characters"),
        ("\u{feff}{}", "not valid JSON: "),
        ("{\"data\":[1,}", "not valid JSON: "),
    ];
    for (json, expected) in cases {
        assert!(
            reason(json).starts_with(expected),
            "{json}: {}",
            reason(json)
        );
    }
}

#[test]
fn more_extensions_than_the_bound_are_refused_without_quadratic_work() {
    let mut json = format!("{{{REQUIRED}");
    for i in 0..200_000 {
        write!(json, ",\"x{i}\":1").expect("written");
    }
    assert_eq!(reason(&(json + "}")), "more than 256 extension attributes");
}

#[test]
fn a_binary_message_that_claims_to_be_an_event_says_why_it_is_none() {
    let cases: [(Headers<'_>, &str); 15] = [
        (
            &[("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t")],
            "the required attribute `specversion` is missing",
        ),
        (
            &[
                ("ce_specversion", b"1.0"),
                ("ce_source", b"/s"),
                ("ce_type", b"t"),
            ],
            "the required attribute `id` is missing",
        ),
        (
            &[
                ("ce_specversion", b"1.0"),
                ("ce_id", b"1"),
                ("ce_type", b"t"),
            ],
            "the required attribute `source` is missing",
        ),
        (
            &[
                ("ce_specversion", b"1.0"),
                ("ce_id", b"1"),
                ("ce_source", b"/s"),
            ],
            "the required attribute `type` is missing",
        ),
        (
            &[("ce_specversion", b"0.3")],
            "specversion is \"0.3\", and only \"1.0\" is understood",
        ),
        (
            &[("ce_specversion", b"1.0"), ("ce_id", b"")],
            "the attribute `id` is empty: give it a value, or leave it out if it is optional",
        ),
        (
            &[("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_id", b"2")],
            "the attribute \"id\" is given more than once",
        ),
        (
            &[("ce_specversion", b"1.0"), ("ce_x", b"1"), ("ce_x", b"1")],
            "the attribute \"x\" is given more than once",
        ),
        (
            &[("ce_specversion", b"1.0"), ("ce_id", b"\xff")],
            "the header of the attribute `id` is not UTF-8",
        ),
        (
            &[("ce_specversion", b"1.0"), ("ce_id", b"a\nb")],
            "the attribute `id` holds U+000A, a character that CloudEvents disallows",
        ),
        (
            &[("ce_specversion", b"1.0"), ("ce_time", b"now")],
            "time is \"now\", which is no RFC 3339 timestamp of the years 0000 to 9999",
        ),
        (
            &[("ce_specversion", b"1.0"), ("ce_fooBar", b"x")],
            "\"fooBar\" is no attribute name: one has only the characters a-z and 0-9",
        ),
        (
            &[("ce_specversion", b"1.0"), ("ce_data", b"x")],
            "`data` is no extension: it is an attribute with a meaning and a method of its own",
        ),
        (
            &[("ce_specversion", b"1.0"), ("content-type", b"json")],
            "datacontenttype is \"json\", which is no media type (RFC 2045) such as \"application/json\"",
        ),
        (
            &[
                ("ce_specversion", b"1.0"),
                ("ce_datacontenttype", b"a/b"),
                ("content-type", b"a/b"),
            ],
            "the attribute \"datacontenttype\" is given more than once",
        ),
    ];
    for (headers, expected) in cases {
        let message = KAFKA.read(headers.iter().copied(), None, Bytes::from_static(b"kept"));
        assert_eq!(fault(&message), expected, "{headers:?}");
        let Message::Foreign(foreign) = message else {
            panic!("{headers:?}");
        };
        assert_eq!(foreign.payload(), "kept");
        assert!(
            foreign
                .headers()
                .map(|(name, value)| (name, &value[..]))
                .eq(headers.iter().copied())
        );
    }
}

/// HTTP section 3.1.3.2: "encoded byte sequences which are invalid in UTF-8 MUST be rejected".
#[test]
fn percent_encoding_that_hides_no_utf8_is_refused() {
    for value in ["%C0%A0", "%ff", "\"%ff\\\"\""] {
        let headers = [("ce-specversion", "1.0"), ("ce-subject", value)];
        let message = HTTP.read(headers, None, Bytes::new());
        assert_eq!(
            fault(&message),
            "the header of the attribute `subject` is not UTF-8",
            "{value}"
        );
    }
}

#[test]
fn a_batch_and_an_unknown_format_are_refused_whole() {
    let cases = [
        (
            "application/cloudevents-batch+json",
            "a batch of events (application/cloudevents-batch) is not read: send each event by itself",
        ),
        (
            "application/CloudEvents-Batch+JSON; charset=utf-8",
            "a batch of events (application/cloudevents-batch) is not read: send each event by itself",
        ),
        (
            "application/cloudevents+avro",
            "the event format \"application/cloudevents+avro\" is not read: send application/cloudevents+json",
        ),
    ];
    for (media_type, expected) in cases {
        let message = HTTP.read(
            [("content-type", media_type)],
            None,
            Bytes::from_static(b"[]"),
        );
        assert_eq!(fault(&message), expected);
        assert_eq!(
            (message.payload(), message.content_type()),
            (&Bytes::from_static(b"[]"), Some(media_type))
        );
    }
}

#[test]
fn structured_mode_with_something_wrong_comes_back_whole() {
    let json: Bytes = r#"{"specversion":"1.0"}"#.into();
    let message = KAFKA.read(
        [("content-type", "application/cloudevents+json")],
        Some("k".into()),
        json.clone(),
    );
    let Message::Foreign(foreign) = message else {
        panic!("{message:?}");
    };
    assert_eq!(foreign.fault(), Some(&EnvelopeError::Missing("id")));
    assert_eq!(
        (foreign.payload(), foreign.key()),
        (&json, Some(&"k".into()))
    );
}
