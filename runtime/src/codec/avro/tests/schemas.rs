//! Schemas that others wrote: what is one is read, what is none is named, and what is hostile costs nothing.

use apache_avro::Schema;
use serde_json::{Value, json};

use crate::codec::avro::{Shape, to_json};

/// What is wrong with a schema.
fn none(schema: &Value) -> String {
    let shape = Shape::parse(&schema.to_string(), &[]);
    shape.expect_err("no schema").to_string()
}

#[test]
fn schemas_refer_to_others() {
    let outer = r#"{"type": "record", "name": "a.Outer", "fields": [{"name": "inner", "type": "b.Inner"}]}"#;
    let inner = r#"{"type": "record", "name": "b.Inner", "fields": [{"name": "deep", "type": ["null", "Deep"]}]}"#;
    let deep = r#"{"type": "enum", "name": "b.Deep", "symbols": ["Down"]}"#;
    let others = [inner.to_owned(), deep.to_owned()];
    let shape = Shape::parse(outer, &others).expect("a schema");
    let json = to_json(&shape, &[2, 0]).expect("read");
    assert_eq!(json, br#"{"inner":{"deep":"Down"}}"#);
}

/// In any order, and as often as they like.
#[test]
fn what_is_referred_to_may_refer_back() {
    let outer = r#"{"type": "record", "name": "a.Outer", "fields": [
        {"name": "one", "type": "b.Inner"}, {"name": "two", "type": ["null", "b.Inner"]}]}"#;
    let inner = r#"{"type": "record", "name": "Inner", "namespace": "b", "fields": [
        {"name": "up", "type": ["null", "a.Outer"]}]}"#;
    let shape = Shape::parse(outer, &[inner.to_owned()]).expect("a schema");
    let json = to_json(&shape, &[0, 2, 0]).expect("read");
    assert_eq!(json, br#"{"one":{"up":null},"two":{"up":null}}"#);
}

#[test]
fn a_name_is_of_the_namespace_around_it() {
    let schema = json!({"type": "record", "name": "Top", "namespace": "a", "fields": [
        {"name": "one", "type": {"type": "fixed", "name": "F", "size": 1}},
        {"name": "two", "type": {"type": "enum", "name": "F", "namespace": "", "symbols": ["A"]}},
        {"name": "three", "type": {"type": "record", "name": "b.R", "fields": [
            {"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}},
            {"name": "again", "type": "F"},
        ]}},
        {"name": "four", "type": "F"},
        {"name": "five", "type": "a.F"},
        {"name": "six", "type": ["null", "Top"]},
    ]});
    let shape = Shape::parse(&schema.to_string(), &[]).expect("a schema");
    assert_eq!(shape.name(), Some("a.Top"));
    let json = to_json(&shape, &[1, 0, 2, 2, 3, 3, 4, 5, 0]).expect("read");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(
        json,
        json!({"one": [1], "two": "A", "three": {"f": [2, 2], "again": [3, 3]}, "four": [4], "five": [5], "six": null})
    );
}

/// So it is in Avro for Java.
#[test]
fn a_name_that_is_not_in_the_namespace_around_it_is_in_none() {
    let outer =
        r#"{"type": "record", "name": "a.Outer", "fields": [{"name": "inner", "type": "Inner"}]}"#;
    let inner = r#"{"type": "fixed", "name": "Inner", "size": 1}"#;
    let shape = Shape::parse(outer, &[inner.to_owned()]).expect("a schema");
    assert_eq!(to_json(&shape, &[7]).expect("read"), br#"{"inner":[7]}"#);
}

#[test]
fn what_is_no_schema_is_named_with_its_place() {
    let within = |of_type: Value| {
        json!({"type": "record", "name": "Order", "fields": [
            {"name": "lines", "type": {"type": "array", "items":
                {"type": "record", "name": "Line", "fields": [{"name": "count", "type": of_type}]}}},
        ]})
    };
    for (schema, words) in [
        (
            within(json!("integer")),
            "it refers to `integer`, which is nowhere",
        ),
        (
            within(json!(5)),
            "`lines.count`: a type is a name, a list or an object, and this is a number",
        ),
        (
            within(json!({"items": "int"})),
            "`lines.count`: a type has no `type`",
        ),
        (
            within(json!({"type": "array"})),
            "`lines.count`: an array has no `items`",
        ),
        (
            within(json!({"type": "map"})),
            "`lines.count`: a map has no `values`",
        ),
        (
            within(json!({"type": "fixed", "name": "F"})),
            "`lines.count`: a fixed has no `size`",
        ),
        (
            within(json!({"type": "fixed", "name": "F", "size": -1})),
            "`lines.count`: a fixed has no `size`",
        ),
        (
            within(
                json!({"type": "fixed", "name": "F", "size": 1_000_000_000_000_u64, "logicalType": "decimal", "precision": 4}),
            ),
            "`lines.count`: a decimal has more than 1024 bytes",
        ),
        (
            within(json!({"type": "fixed", "size": 1})),
            "`lines.count`: a record, an enum, a fixed or a field has no `name`",
        ),
        (
            within(json!({"type": "enum", "name": "E"})),
            "`lines.count`: an enum has no `symbols`",
        ),
        (
            within(json!({"type": "enum", "name": "E", "symbols": ["A", "A"]})),
            "`lines.count`: an enum has two symbols `A`",
        ),
        (
            within(json!({"type": "enum", "name": "E", "symbols": ["a b"]})),
            "`lines.count`: `a b` is no name in Avro: letters, digits and `_` make one",
        ),
        (
            within(json!({"type": "record", "name": "R"})),
            "`lines.count`: a record has no `fields`",
        ),
        (
            within(json!({"type": "record", "name": "Line", "fields": []})),
            "`lines.count`: `Line` is defined twice",
        ),
        (
            within(json!({"type": "fixed", "name": "int", "size": 1})),
            "`lines.count`: `int` is a type of Avro's own, and no name for another",
        ),
        (
            within(json!(["null", ["int"]])),
            "`lines.count`: a union stands in a union",
        ),
        (
            within(json!(["Line", "null", "Line"])),
            "`lines.count`: two branches of a union are of one type",
        ),
        (
            within(json!(["int", "int"])),
            "`lines.count`: two branches of a union are of one type",
        ),
        (
            json!({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}),
            "it has two fields `a`",
        ),
        (
            json!({"type": "record", "name": "R", "fields": [{"name": "a"}]}),
            "`a`: a field has no `type`",
        ),
    ] {
        assert_eq!(none(&schema), words, "{schema}");
    }
    assert!(Shape::parse("{", &[]).is_err());
}

/// It is passed over, as Avro says.
#[test]
fn a_logical_type_that_is_none_is_none() {
    for (schema, json) in [
        (
            json!({"type": "int", "logicalType": "timestamp-millis"}),
            "1",
        ),
        (json!({"type": "int", "logicalType": "of-mine"}), "1"),
        (json!({"type": "int", "logicalType": 5}), "1"),
        (json!({"type": "bytes", "logicalType": "decimal"}), "[255]"),
        (
            json!({"type": "bytes", "logicalType": "decimal", "precision": 1, "scale": 2}),
            "[255]",
        ),
        (
            json!({"type": "fixed", "name": "F", "size": 2, "logicalType": "uuid"}),
            "[2,255]",
        ),
        (json!({"type": "bytes", "logicalType": "uuid"}), "[255]"),
    ] {
        let shape = Shape::parse(&schema.to_string(), &[]).expect("a schema");
        let datum: &[u8] = if json == "1" { &[2] } else { &[2, 255] };
        assert_eq!(
            to_json(&shape, datum).expect("read"),
            json.as_bytes(),
            "{schema}"
        );
    }
}

#[test]
fn letters_of_any_alphabet_make_a_name() {
    let schema = json!({"type": "record", "name": "Bestätigung", "fields": [{"name": "größe", "type": "int"}]});
    let shape = Shape::parse(&schema.to_string(), &[]).expect("a schema");
    assert_eq!(
        to_json(&shape, &[2]).expect("read"),
        r#"{"größe":1}"#.as_bytes()
    );
}

/// Of a parser that follows names, or resolves defaults, a schema of a few bytes takes all memory, or all
/// of the stack.
#[test]
fn a_hostile_schema_costs_no_more_than_its_text() {
    let endless = r#"{"type":"record","name":"Top","fields":[
        {"name":"x","type":{"type":"record","name":"R","fields":[
            {"name":"r","type":["R",{"type":"map","values":"int"}],"default":{}}]}},
        {"name":"y","type":"R","default":{}}]}"#;
    Shape::parse(endless, &[]).expect("a schema");
    // Each holds the one before it twice, and is a schema of its own.
    let record = |nth: usize, inner: &str| {
        let field = |name: &str| json!({"name": name, "type": inner, "default": {}});
        json!({"type": "record", "name": format!("R{nth}"), "fields": [field("a"), field("b")]})
            .to_string()
    };
    let others: Vec<_> = (0..500)
        .map(|nth| match nth {
            0 => record(nth, "int"),
            nth => record(nth, &format!("R{}", nth - 1)),
        })
        .collect();
    Shape::parse(r#""R499""#, &others).expect("a schema");
    // Those that are nested are so no deeper than JSON is.
    let deep = (0..200).fold(
        json!("int"),
        |items, _| json!({"type": "array", "items": items}),
    );
    assert!(none(&deep).contains("recursion limit exceeded"));
    let long = format!("[{}]", "\"int\",".repeat(1_000_000));
    let refused = Shape::parse(&long, &[]).expect_err("too long").to_string();
    assert_eq!(refused, "it is longer than 4194304 bytes");
    // A namespace is not written out for each name in it.
    let names: Vec<_> = (0..50_000).map(|nth| format!("T{nth}")).collect();
    let fields: Vec<_> = names
        .iter()
        .map(|name| json!({"name": name, "type": name}))
        .collect();
    let long = json!({"type": "record", "name": "R", "namespace": "n".repeat(1_000_000), "fields": fields});
    let refused = none(&long);
    assert!(
        refused.contains("which is nowhere") && refused.len() < 1_000,
        "{refused}"
    );
}

/// What this takes for a schema that witness takes for one, too, and the other way round.
#[test]
fn apache_avro_takes_the_same_for_schemas() {
    for schema in [
        json!("string"),
        json!({"type": "int"}),
        json!({"type": {"type": "string"}}),
        json!([]),
        json!(["null", {"type": "array", "items": "long"}, {"type": "map", "values": "long"}]),
        json!({"type": "enum", "name": "E", "symbols": []}),
        json!({"type": "record", "name": "R", "fields": [{"name": "r", "type": {"type": "array", "items": "R"}}]}),
        json!(["int", "int"]),
        json!(["null", {"type": "int", "logicalType": "time-millis"}, {"type": "long", "logicalType": "time-micros"}]),
        json!(["int", {"type": "int", "logicalType": "date"}]),
        json!(["long", {"type": "long", "logicalType": "timestamp-millis"}]),
        json!(["bytes", {"type": "bytes", "logicalType": "decimal", "precision": 4}]),
        json!({"type": "enum", "name": "9", "symbols": ["A"]}),
        json!({"type": "fixed", "name": "F", "size": "1"}),
        json!(null),
    ] {
        let ours = Shape::parse(&schema.to_string(), &[]).is_ok();
        assert_eq!(ours, Schema::parse(&schema).is_ok(), "{schema}");
    }
}
