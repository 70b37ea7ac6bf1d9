//! What a field is where it is left out.

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::codec::avro::{AvroSchema, framed, from_json, to_json};

fn schema<T: JsonSchema>() -> AvroSchema {
    let schema = AvroSchema::derived("E", &schema_for!(T).to_value());
    schema.expect("a form in Avro")
}

#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
struct Place {
    town: String,
    number: Option<u32>,
    kind: Kind,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
enum Kind {
    #[default]
    House,
    Field,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_seven(number: &u32) -> bool {
    *number == 7
}

fn seven() -> u32 {
    7
}

fn is_home(place: &Place) -> bool {
    *place == home()
}

fn home() -> Place {
    Place {
        town: "Ulm".to_owned(),
        ..Place::default()
    }
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
struct Letter {
    first: Place,
    #[serde(default)]
    to: Place,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    words: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    heads: BTreeMap<String, u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    perhaps: Option<Kind>,
    #[serde(default = "seven", skip_serializing_if = "is_seven")]
    #[schemars(extend("default" = 7))]
    stamps: u32,
    #[serde(default = "home", skip_serializing_if = "is_home")]
    #[schemars(extend("default" = home()))]
    from: Place,
}

#[test]
fn what_is_left_out_is_written_as_its_default() {
    let schema = schema::<Letter>();
    let letter = Letter {
        first: home(),
        to: Place::default(),
        words: Vec::new(),
        heads: BTreeMap::new(),
        perhaps: None,
        stamps: 7,
        from: home(),
    };
    let json = serde_json::to_value(&letter).expect("JSON");
    let keys: Vec<_> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["first", "to"], "the others are left out");
    let payload = from_json(&schema.shape, 1, json.to_string().as_bytes()).expect("written");
    let (_, datum) = framed(&payload).expect("framed");
    let read = to_json(&schema.shape, datum).expect("read");
    let read: Letter = serde_json::from_slice(&read).expect("a letter");
    assert_eq!(read, letter);
}

#[test]
fn the_schema_has_the_defaults_for_those_who_read_what_was_before_them() {
    let text: Value = serde_json::from_str(&schema::<Letter>().text).expect("JSON");
    apache_avro::Schema::parse(&text).expect("a schema for others, too");
    let fields = text["fields"].as_array().expect("fields").iter();
    let default = |field: &Value| {
        Some((
            field["name"].as_str()?.to_owned(),
            field.get("default")?.clone(),
        ))
    };
    let defaults: BTreeMap<_, _> = fields.filter_map(default).collect();
    let place = |town: &str| json!({"town": town, "number": null, "kind": "House", "tags": []});
    let expected = [
        ("from", place("Ulm")),
        ("heads", json!({})),
        ("perhaps", Value::Null),
        ("stamps", json!(7)),
        ("to", place("")),
        ("words", json!([])),
    ];
    assert_eq!(
        defaults,
        expected
            .map(|(name, default)| (name.to_owned(), default))
            .into()
    );
}

#[test]
fn what_is_left_out_and_has_no_known_default_has_no_form() {
    #[derive(JsonSchema, Serialize)]
    struct Text {
        #[serde(default, skip_serializing_if = "String::is_empty")]
        note: String,
    }
    #[derive(JsonSchema, Serialize)]
    struct Number {
        #[serde(default = "seven", skip_serializing_if = "is_seven")]
        note: u32,
    }
    #[derive(JsonSchema, Serialize)]
    struct Record {
        #[serde(default = "home", skip_serializing_if = "is_home")]
        note: Place,
    }
    for schema in [schema_for!(Text), schema_for!(Number), schema_for!(Record)] {
        let none = AvroSchema::derived("E", &schema.to_value()).expect_err("no form");
        assert_eq!(none.path, "note");
        assert!(
            none.words.contains("`skip_serializing_if`"),
            "{}",
            none.words
        );
        assert!(
            none.words
                .contains(r#"#[schemars(extend("default" = ...))]"#),
            "{}",
            none.words
        );
    }
}

#[test]
fn what_is_left_out_and_has_no_default_is_refused() {
    let schema = json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]});
    let schema = AvroSchema::given(&schema.to_string()).expect("a schema");
    let refused = from_json(&schema.shape, 1, b"{}").expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "`a`: it is left out, and the schema has no default for it"
    );
}

/// However many records leave it out.
#[test]
fn each_of_many_has_its_default() {
    #[derive(JsonSchema, Serialize)]
    struct Order {
        lines: Vec<Line>,
    }
    #[derive(JsonSchema, Serialize)]
    struct Line {
        count: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    }
    let lines = (0..20_000).map(|count| Line { count, note: None });
    let order = Order {
        lines: lines.collect(),
    };
    let json = serde_json::to_vec(&order).expect("JSON");
    from_json(&schema::<Order>().shape, 1, &json).expect("written");
    // And if its default takes in another one.
    let inner = json!({"type": "record", "name": "I", "fields": [{"name": "b", "type": "int", "default": 3}]});
    let items = with_default(&inner, &json!({}));
    let schema = AvroSchema::given(&json!({"type": "array", "items": items}).to_string());
    let json = json!(vec![json!({}); 20_000]).to_string();
    from_json(&schema.expect("a schema").shape, 1, json.as_bytes()).expect("written");
}

fn with_default(of_type: &Value, default: &Value) -> Value {
    json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": of_type, "default": default}]})
}

/// Bytes are texts in Avro's own defaults, and arrays of numbers in an event.
#[test]
fn a_default_that_is_given_is_written_as_avro_has_it() {
    let inner = json!({"type": "record", "name": "I", "fields": [{"name": "b", "type": "int", "default": 3}]});
    for (of_type, default, read) in [
        (json!("bytes"), json!("\u{0}\u{ff}"), json!([0, 255])),
        (
            json!({"type": "fixed", "name": "F", "size": 1}),
            json!("A"),
            json!([65]),
        ),
        (
            json!({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}),
            json!("\u{1}"),
            json!("0.01"),
        ),
        (
            json!({"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}),
            json!("\u{0}".repeat(16)),
            json!("00000000-0000-0000-0000-000000000000"),
        ),
        (inner, json!({}), json!({"b": 3})),
        (json!(["bytes", "string"]), json!("A"), json!([65])),
        (json!(["string", "bytes"]), json!("A"), json!("A")),
        (
            json!({"type": "array", "items": "bytes"}),
            json!(["A", "\u{ff}"]),
            json!([[65], [255]]),
        ),
        (
            json!({"type": "map", "values": "bytes"}),
            json!({"a": "A"}),
            json!({"a": [65]}),
        ),
        (
            json!({"type": "record", "name": "B", "fields": [{"name": "b", "type": ["null", "bytes"]}]}),
            json!({"b": "A"}),
            json!({"b": [65]}),
        ),
    ] {
        let schema = with_default(&of_type, &default).to_string();
        let schema = AvroSchema::given(&schema).expect("a schema");
        let payload = from_json(&schema.shape, 1, b"{}").expect("written");
        let (_, datum) = framed(&payload).expect("framed");
        let json = to_json(&schema.shape, datum).expect("read");
        let json: Value = serde_json::from_slice(&json).expect("JSON");
        assert_eq!(json["a"], read, "{of_type}");
    }
}

#[test]
fn a_text_is_no_bytes_in_an_event() {
    let schema = with_default(&json!("bytes"), &json!("A"));
    let schema = AvroSchema::given(&schema.to_string()).expect("a schema");
    let refused = from_json(&schema.shape, 1, br#"{"a": "A"}"#).expect_err("refused");
    assert!(refused.to_string().contains("asks for bytes"), "{refused}");
}

#[test]
fn a_default_that_is_none_is_named() {
    for (of_type, default, words) in [
        (
            json!("int"),
            json!("five"),
            "`a`: its default is none: the schema asks for an int, and this is a text",
        ),
        (json!("R"), json!({}), "`a.a.a"),
    ] {
        let schema = with_default(&of_type, &default).to_string();
        let refused = AvroSchema::given(&schema).expect_err("refused").to_string();
        assert!(refused.starts_with(words), "{refused}");
    }
    // Each holds the one before it twice: by their defaults, all of them.
    let mut of_type = json!("int");
    for nth in 0..40 {
        let again = match nth {
            0 => json!("int"),
            nth => json!(format!("R{}", nth - 1)),
        };
        let default = if nth == 0 { json!(0) } else { json!({}) };
        of_type = json!({"type": "record", "name": format!("R{nth}"), "fields": [
            {"name": "a", "type": of_type, "default": default},
            {"name": "b", "type": again, "default": default},
        ]});
    }
    let refused = AvroSchema::given(&of_type.to_string())
        .expect_err("refused")
        .to_string();
    assert!(refused.contains("hold too many others"), "{refused}");
}
