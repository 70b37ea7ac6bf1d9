//! The events that every witness sees: the specification's own examples, and edge cases.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanfare::event::{AttributeValue, Envelope, EnvelopeError, EventId};
use serde_json::{Map, Value, json};

type Made = Result<Envelope, EnvelopeError>;
type Case = (&'static str, fn() -> Made);

/// Each case with what it is about.
pub(crate) fn all() -> Vec<(&'static str, Envelope)> {
    let cases: [Case; 15] = [
        ("only what is required", minimal),
        ("every attribute", everything),
        ("JSON format 3.2, binary data", || {
            example(
                "A234-1234-1234",
                "application/vnd.apache.thrift.binary",
                &[0, 159, 146, 150, 255],
            )
        }),
        ("JSON format 3.2, XML data", || {
            example("B234-1234-1234", "application/xml", br#"<much wow="xml"/>"#)
        }),
        ("JSON format 3.2, JSON data", || {
            example(
                "C234-1234-1234",
                "application/json",
                br#"{"appinfoA":"abc","appinfoB":123,"appinfoC":true}"#,
            )
        }),
        ("JSON format 3.2, a JSON string", || {
            example(
                "D234-1234-1234",
                "application/json",
                br#""I'm just a string""#,
            )
        }),
        ("text that is not ASCII", foreign_scripts),
        ("quotes, percent, spaces", awkward_characters),
        ("JSON number", || example("1", "application/json", b"1.5")),
        ("JSON null", || example("1", "application/json", b"null")),
        ("JSON array", || {
            example("1", "application/problem+json", b"[1,[true,null],{}]")
        }),
        ("every byte", || {
            example(
                "1",
                "application/octet-stream",
                &(0..=255).collect::<Vec<u8>>(),
            )
        }),
        ("text data", || {
            example(
                "1",
                "text/plain; charset=utf-8",
                "gr\u{fc}n \"\\ \n\t \u{1F600}".as_bytes(),
            )
        }),
        ("empty data", || example("1", "text/plain", b"")),
        ("an id that is a UUID", || {
            Envelope::new(
                EventId::new(),
                "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
                "t",
            )
        }),
    ];
    cases
        .map(|(about, make)| (about, make().expect(about)))
        .to_vec()
}

pub(crate) fn minimal() -> Made {
    Envelope::new(EventId::parse("1")?, "/mycontext", "com.example.someevent")
}

fn example(id: &str, content_type: &str, payload: &[u8]) -> Made {
    Envelope::new(EventId::parse(id)?, "/mycontext", "com.example.someevent")?
        .with_time(seconds(1_522_949_460))?
        .with_extension("comexampleextension1", "value")?
        .with_extension("comexampleothervalue", 5)?
        .with_payload(content_type, Bytes::copy_from_slice(payload))
}

fn everything() -> Made {
    Envelope::new(
        EventId::parse("A/1")?,
        "https://example.com/a%20b?c=d#e",
        "com.example.someevent.v2",
    )?
    .with_subject("mynewfile.jpg")?
    .with_time(seconds(1_522_900_584) + Duration::from_micros(123_456))?
    .with_schema("https://example.com/schema.json")?
    .with_key("customer-17")?
    .with_extension(
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )?
    .with_extension("correlationid", "c1")?
    .with_extension("yes", true)?
    .with_extension("no", false)?
    .with_extension("lowest", i32::MIN)?
    .with_extension("highest", i32::MAX)?
    .with_extension("anamethatislongerthantwentycharacters", "ok")?
    .with_payload(
        "application/json; charset=utf-8",
        Bytes::from_static(br#"{"deep":{"er":[1,2,3]}}"#),
    )
}

fn foreign_scripts() -> Made {
    Envelope::new(
        EventId::parse("\u{2116}1")?,
        "/z%C3%BCrich",
        "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}",
    )?
    .with_subject("Euro \u{20AC} \u{1F600}")?
    .with_key("\u{6771}\u{4EAC}")?
    .with_extension("name", "J\u{f8}rgen")?
    .with_payload(
        "application/json",
        Bytes::from_static("{\"\u{e4}\":\"\u{1F600}\"}".as_bytes()),
    )
}

fn awkward_characters() -> Made {
    Envelope::new(EventId::parse("100% \"sure\"")?, "/a%20b", "a \\ b")?
        .with_subject("\"quoted\" %41 + %zz ; , = <&> '")?
        .with_extension("quoted", "\"all of it\"")?
        .with_extension("backslash", "\\\"")
}

pub(crate) fn seconds(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Its attributes, extensions in their own types.
pub(crate) fn attributes(envelope: &Envelope) -> Map<String, Value> {
    let optional = [
        ("subject", envelope.subject().map(str::to_owned)),
        ("time", envelope.time().map(rfc3339)),
        (
            "datacontenttype",
            envelope.content_type().map(str::to_owned),
        ),
        ("dataschema", envelope.schema().map(str::to_owned)),
        ("partitionkey", envelope.key().map(str::to_owned)),
    ];
    let mut all = Map::new();
    all.insert("specversion".into(), json!("1.0"));
    all.insert("id".into(), json!(envelope.id().to_string()));
    all.insert("source".into(), json!(envelope.source()));
    all.insert("type".into(), json!(envelope.kind()));
    all.extend(
        optional
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.into()))),
    );
    all.extend(
        envelope
            .extensions()
            .map(|(name, value)| (name.to_owned(), typed(value))),
    );
    all
}

fn typed(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Boolean(value) => json!(value),
        AttributeValue::Integer(value) => json!(value),
        AttributeValue::Text(value) => json!(value.as_str()),
    }
}

fn rfc3339(time: SystemTime) -> String {
    chrono::DateTime::<chrono::Utc>::from(time).to_rfc3339()
}

pub(crate) fn is_json(envelope: &Envelope) -> bool {
    envelope
        .content_type()
        .is_some_and(|kind| kind.contains("json"))
}

/// What two events have in common that mean the same: JSON data is compared as JSON.
pub(crate) fn meaning(envelope: &Envelope) -> Value {
    let canonical = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let attributes: Map<String, Value> = attributes(envelope)
        .into_iter()
        .map(|(name, value)| (name, canonical(value).into()))
        .collect();
    let data = match serde_json::from_slice(envelope.payload()) {
        Ok(data) if is_json(envelope) => data,
        _ => Value::from(envelope.payload().to_vec()),
    };
    json!({ "attributes": attributes, "data": data })
}
