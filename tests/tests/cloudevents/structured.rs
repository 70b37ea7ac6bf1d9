//! The JSON event format.

use bytes::Bytes;
use fanfare::event::cloudevents::structured::{from_json, to_json};
use fanfare::event::{AttributeValue, Envelope};
use serde_json::{Value, json};

use crate::cases;

fn written(content_type: &str, payload: &[u8]) -> Value {
    let event = cases::minimal()
        .and_then(|event| event.with_payload(content_type, Bytes::copy_from_slice(payload)))
        .expect("valid");
    let json = to_json(&event);
    assert_eq!(
        from_json(&json).expect("an event").payload(),
        payload,
        "comes back as it was"
    );
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    let members = json.as_object().expect("an object").iter();
    members
        .filter(|(name, _)| name.starts_with("data") && *name != "datacontenttype")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn read(members: &str) -> Envelope {
    let json = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"t"{members}}}"#);
    from_json(&json.clone().into()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

#[test]
fn json_is_embedded_text_is_a_string_and_the_rest_is_base64() {
    let cases: [(&str, &[u8], Value); 14] = [
        (
            "application/json",
            br#"{"a":1}"#,
            json!({ "data": { "a": 1 } }),
        ),
        ("application/json", b"null", json!({ "data": null })),
        ("application/json", br#""a""#, json!({ "data": "a" })),
        (
            "APPLICATION/Problem+JSON; x=y",
            b"[1]",
            json!({ "data": [1] }),
        ),
        ("text/json", b"1", json!({ "data": 1 })),
        (
            "application/json",
            b"{no json",
            json!({ "data_base64": "e25vIGpzb24=" }),
        ),
        ("application/json", b"1 2", json!({ "data_base64": "MSAy" })),
        (
            "application/json",
            b"\"\xff\"",
            json!({ "data_base64": "Iv8i" }),
        ),
        ("text/plain", b"a \"b\"", json!({ "data": "a \"b\"" })),
        (
            "text/plain;charset=\"UTF-8\"",
            "\u{fc}".as_bytes(),
            json!({ "data": "\u{fc}" }),
        ),
        ("text/plain", b"\xff", json!({ "data_base64": "/w==" })),
        (
            "text/plain; charset=utf-16",
            b"a\0",
            json!({ "data_base64": "YQA=" }),
        ),
        (
            "application/octet-stream",
            b"abc",
            json!({ "data_base64": "YWJj" }),
        ),
        ("text/plain", b"", json!({})),
    ];
    for (content_type, payload, expected) in cases {
        assert_eq!(
            written(content_type, payload),
            expected,
            "{content_type} {payload:?}"
        );
    }
}

#[test]
fn a_payload_of_undeclared_type_is_not_declared_to_be_json() {
    let event = read(r#","data_base64":"MTIz""#);
    assert_eq!(
        (event.content_type(), &event.payload()[..]),
        (None, &b"123"[..])
    );
    let json = to_json(&event);
    assert!(json.ends_with(br#""data_base64":"MTIz"}"#), "{json:?}");
    assert_eq!(from_json(&json).expect("an event"), event);
}

#[test]
fn json_data_keeps_its_bytes() {
    let data = "{ \"a\" : 1.0e5,\n \"a\":1.0e05, \"\\u00e9\": 123456789012345678901234567890 }";
    let event = read(&format!(r#","data": {data} "#));
    assert_eq!(event.payload(), data);
    assert_eq!(
        from_json(&to_json(&event)).expect("an event").payload(),
        data
    );
}

#[test]
fn data_is_read_by_its_declared_type() {
    let cases: [(&str, Option<&str>, &[u8]); 12] = [
        ("", None, b""),
        (
            r#","data":{"a":1}"#,
            Some("application/json"),
            br#"{"a":1}"#,
        ),
        (r#","data":"text""#, Some("application/json"), br#""text""#),
        (r#","data":null"#, Some("application/json"), b"null"),
        (
            r#","data":"a\u00fc\n","datacontenttype":"text/plain""#,
            Some("text/plain"),
            "a\u{fc}\n".as_bytes(),
        ),
        (
            r#","datacontenttype":"application/xml","data":"<much wow=\"xml\"/>""#,
            Some("application/xml"),
            br#"<much wow="xml"/>"#,
        ),
        (
            r#","data":"","datacontenttype":"text/plain""#,
            Some("text/plain"),
            b"",
        ),
        (
            r#","data":"abc","datacontenttype":"text/plain; charset=iso-8859-1""#,
            Some("text/plain; charset=iso-8859-1"),
            b"abc",
        ),
        (r#","data_base64":"AAH/""#, None, b"\x00\x01\xff"),
        (
            r#","data_base64":"eyB9","datacontenttype":"application/json""#,
            Some("application/json"),
            b"{ }",
        ),
        (r#","data_base64":null"#, None, b""),
        (
            r#","data":1,"data_base64":null"#,
            Some("application/json"),
            b"1",
        ),
    ];
    for (members, content_type, payload) in cases {
        let event = read(members);
        assert_eq!(
            (event.content_type(), &event.payload()[..]),
            (content_type, payload),
            "{members}"
        );
    }
}

#[test]
fn attributes_that_are_null_are_absent() {
    let event = read(r#","subject":null,"time":null,"unsetextension":null,"partitionkey":null"#);
    assert_eq!(
        (event.subject(), event.time(), event.key()),
        (None, None, None)
    );
    assert_eq!(event.extensions().count(), 0);
}

#[test]
fn extensions_keep_their_type() {
    let event = read(r#","text":"1","number":1,"truth":true,"empty":"","minus":-0"#);
    assert_eq!(event.extension("text"), Some(&AttributeValue::from("1")));
    assert_eq!(event.extension("number"), Some(&AttributeValue::Integer(1)));
    assert_eq!(
        event.extension("truth"),
        Some(&AttributeValue::Boolean(true))
    );
    assert_eq!(event.extension("empty"), Some(&AttributeValue::from("")));
    assert_eq!(event.extension("minus"), Some(&AttributeValue::Integer(0)));
}

#[test]
fn every_rfc_3339_time_is_read_to_the_nanosecond() {
    let cases = [
        ("2018-04-05T17:31:00Z", "2018-04-05T17:31:00Z"),
        ("2018-04-05t17:31:00z", "2018-04-05T17:31:00Z"),
        ("2018-04-05T17:31:00.5+02:00", "2018-04-05T15:31:00.5Z"),
        ("2018-04-05T17:31:00-00:00", "2018-04-05T17:31:00Z"),
        (
            "2018-04-05T17:31:00.123456789Z",
            "2018-04-05T17:31:00.123456789Z",
        ),
        (
            "2018-04-05T17:31:00.123456789999Z",
            "2018-04-05T17:31:00.123456789Z",
        ),
        ("1990-12-31T23:59:60Z", "1990-12-31T23:59:59Z"),
        ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        (
            "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59.999999999Z",
        ),
        ("1969-12-31T23:59:59.25Z", "1969-12-31T23:59:59.25Z"),
        ("2018-01-01T00:30:00+23:59", "2017-12-31T00:31:00Z"),
        ("2018-01-01T00:30:00-05:30", "2018-01-01T06:00:00Z"),
    ];
    for (time, expected) in cases {
        let json: Value =
            serde_json::from_slice(&to_json(&read(&format!(r#","time":"{time}""#)))).expect("JSON");
        assert_eq!(json["time"], expected, "{time}");
    }
}

#[test]
fn data_as_deep_as_it_likes_costs_no_stack() {
    let data = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let event = read(&format!(r#","data":{data}"#));
    assert_eq!(event.payload(), data.as_bytes());
    assert_eq!(from_json(&to_json(&event)).expect("an event"), event);
}

#[test]
fn json_data_shares_memory_with_the_text_it_was_read_from() {
    let text: Bytes =
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":[1,2]}"#.into();
    let event = from_json(&text).expect("an event");
    assert!(text.as_ptr_range().contains(&event.payload().as_ptr()));
}
