//! Which branch of a union a value takes.

use serde_json::{Value, json};

use super::{read, shape, unfit, written};
use crate::codec::avro::from_json;

#[test]
fn unions_in_unions_are_written_in_no_time() {
    let schema = json!({"type": "record", "name": "Node", "fields": [{"name": "op", "type": [
        {"type": "record", "name": "Add", "fields": [
            {"name": "left", "type": "Node"},
            {"name": "type", "type": {"type": "enum", "name": "A", "symbols": ["Add"]}}]},
        {"type": "record", "name": "Sub", "fields": [
            {"name": "left", "type": "Node"},
            {"name": "type", "type": {"type": "enum", "name": "S", "symbols": ["Sub"]}}]},
        {"type": "record", "name": "Num", "fields": [
            {"name": "type", "type": {"type": "enum", "name": "N", "symbols": ["Num"]}}]},
    ]}]});
    let nodes = shape(&schema.to_string());
    let leaf = json!({"op": {"type": "Num"}});
    let value = (0..30).fold(leaf, |left, _| json!({"op": {"left": left, "type": "Sub"}}));
    from_json(&nodes, 1, value.to_string().as_bytes()).expect("written");
    // Without a tag it cannot be seen which it is; that costs a bounded time.
    let alike = |name: &str, leaf: &str| {
        json!({"type": "record", "name": name, "fields": [
        {"name": "left", "type": ["null", "Node"]}, {"name": "leaf", "type": leaf}]})
    };
    let schema = json!({"type": "record", "name": "Node", "fields": [
        {"name": "op", "type": [alike("A", "int"), alike("B", "string")]}]});
    let nodes = shape(&schema.to_string());
    let leaf = json!({"op": {"left": null, "leaf": "b"}});
    let value = (0..30).fold(leaf, |left, _| json!({"op": {"left": left, "leaf": "b"}}));
    let refused = from_json(&nodes, 1, value.to_string().as_bytes()).expect_err("too many");
    assert!(refused.to_string().contains("alike"), "{refused}");
}

/// As serde writes an enum that has no tag of its own: what it is, is the name of its only field.
#[test]
fn a_list_of_any_length_has_items_of_any_branch() {
    let variant = |name: &str| json!({"type": "record", "name": name, "fields": [{"name": name, "type": "int"}]});
    let shapes = json!([variant("Point"), variant("Line"), variant("Circle")]);
    let schema = json!({"type": "array", "items": shapes}).to_string();
    let circles: Vec<_> = (0..20_000)
        .map(|radius| json!({"Circle": radius}))
        .collect();
    let circles = json!(circles);
    assert_eq!(read(&schema, &written(&schema, &circles)), circles);
    // Nothing tells which it is but whether it fits.
    let schema = json!({"type": "array", "items": ["int", "long"]}).to_string();
    let large = json!(vec![i64::MAX; 20_000]);
    assert_eq!(read(&schema, &written(&schema, &large)), large);
}

#[test]
fn what_is_wrong_with_the_only_branch_that_is_meant_is_said() {
    let line =
        json!({"type": "record", "name": "Line", "fields": [{"name": "count", "type": "int"}]});
    for (branches, value, words) in [
        (
            json!(["null", line]),
            json!({}),
            "`count`: it is left out, and the schema has no default for it",
        ),
        (
            json!(["null", "string"]),
            json!(5),
            "the schema asks for a text, and this is a number",
        ),
        (
            json!([line, "string"]),
            json!(5),
            "no branch of the union takes a number",
        ),
    ] {
        assert_eq!(unfit(&branches.to_string(), &value), words);
    }
}

#[test]
fn a_float_takes_what_it_does_not_round() {
    let branch = |branches: Value, value: Value| written(&branches.to_string(), &value)[0] / 2;
    assert_eq!(branch(json!(["float", "double"]), json!(0.5)), 0);
    assert_eq!(branch(json!(["float", "double"]), json!(0.1)), 1);
    assert_eq!(branch(json!(["float", "double"]), json!(1e300)), 1);
    // Where there is nothing better, it rounds.
    assert_eq!(branch(json!(["float", "string"]), json!(0.1)), 0);
    assert_eq!(branch(json!(["null", "float"]), json!(0.1)), 1);
}
