//! What may change without a new version, as a table.

#![allow(dead_code, reason = "types whose shape alone counts")]

use std::collections::BTreeMap;

use schemars::{JsonSchema, schema_for};
use serde_json::json;

use super::compare::{What, gaps};

#[derive(JsonSchema)]
struct Author {
    name: String,
}

#[derive(JsonSchema)]
struct Writer {
    name: String,
    born: u16,
}

#[derive(JsonSchema)]
struct Numbered {
    #[serde(default)]
    name: u32,
}

#[derive(JsonSchema)]
struct Größe {
    meter: f64,
}

#[derive(JsonSchema)]
struct Maß {
    meter: f64,
    genau: bool,
}

/// Each line: the change, whether the code of today reads what was written before, and whether that
/// of before reads what is written today.
macro_rules! changes {
    ($($change:literal: $before:item => $after:item $backward:literal $forward:literal)*) => {
        vec![$({
            let before = {
                #[derive(JsonSchema)]
                $before
                schema_for!(E).to_value()
            };
            let after = {
                #[derive(JsonSchema)]
                $after
                schema_for!(E).to_value()
            };
            ($change, before, after, $backward, $forward)
        }),*]
    };
}

/// Some lines that say more than anybody can compare: it takes no time, and counts as a change.
#[test]
fn what_is_too_much_to_compare_is_said_to_be() {
    let either = json!({"oneOf": [{"type": "string"}, {"type": "null"}]});
    let choices = json!({"allOf": vec![either; 40]});
    let twice = |nth: usize| {
        let next = json!({"$ref": format!("#/$defs/{}", nth + 1)});
        (nth.to_string(), json!({"allOf": [next, next]}))
    };
    let references: serde_json::Map<_, _> = (0..50).map(twice).collect();
    let references = json!({"$ref": "#/$defs/0", "$defs": references});
    let next = |nth: usize| {
        let next = json!({"$ref": format!("#/$defs/{}", nth + 1)});
        (
            nth.to_string(),
            json!({"type": "object", "properties": {"next": next}}),
        )
    };
    let chain: serde_json::Map<_, _> = (0..5_000).map(next).collect();
    let chain = json!({"$ref": "#/$defs/0", "$defs": chain});
    for schema in [choices, references, chain] {
        let gaps = gaps(&schema, &schema);
        assert!(gaps.iter().any(|gap| gap.what == What::TooMuch), "{gaps:?}");
    }
}

/// Each step may be one of two, down to something that is read otherwise than it is written.
#[test]
fn a_search_that_finds_nothing_comes_to_an_end() {
    let steps = |end: &str| {
        let step = |nth: usize| {
            let next = json!({"$ref": format!("#/$defs/{}", nth + 1)});
            let one = json!({"type": "array", "items": next});
            (nth.to_string(), json!({"oneOf": [one, one]}))
        };
        let mut steps: serde_json::Map<_, _> = (0..50).map(step).collect();
        steps.insert("50".to_owned(), json!({"type": end}));
        json!({"$ref": "#/$defs/0", "$defs": steps})
    };
    assert!(!gaps(&steps("string"), &steps("integer")).is_empty());
}

#[test]
fn a_change_is_compatible_or_not() {
    let changes = changes! {
        "nothing": struct E { a: u32 } => struct E { a: u32 } true true
        "another order": struct E { a: u32, b: u32 } => struct E { b: u32, a: u32 } true true
        "a field more": struct E { a: u32 } => struct E { a: u32, b: u32 } false true
        "a field less": struct E { a: u32, b: u32 } => struct E { a: u32 } true false
        "an optional field more": struct E { a: u32 } => struct E { a: u32, b: Option<u32> } true true
        "an optional field less": struct E { a: u32, b: Option<u32> } => struct E { a: u32 } true true
        "a field with a default more": struct E { a: u32 } => struct E { a: u32, #[serde(default)] b: u32 } true true
        "a default for a field": struct E { a: u32 } => struct E { #[serde(default)] a: u32 } true false
        "a default less": struct E { #[serde(default)] a: u32 } => struct E { a: u32 } false true
        "optional": struct E { a: u32 } => struct E { a: Option<u32> } true false
        "not optional any more": struct E { a: Option<u32> } => struct E { a: u32 } false true
        "another name": struct E { a: u32 } => struct E { b: u32 } false false
        "the same name on the wire": struct E { a: u32 } => struct E { #[serde(rename = "a")] b: u32 } true true
        "a larger number": struct E { a: u32 } => struct E { a: u64 } true false
        "a smaller number": struct E { a: i64 } => struct E { a: i16 } false true
        "a number with a sign": struct E { a: u8 } => struct E { a: i16 } true false
        "a number that loses its sign": struct E { a: i32 } => struct E { a: u32 } false false
        "a fraction": struct E { a: u32 } => struct E { a: f64 } true false
        "a coarser fraction": struct E { a: f64 } => struct E { a: f32 } false true
        "a text instead of a number": struct E { a: u32 } => struct E { a: String } false false
        "a truth instead of a text": struct E { a: String } => struct E { a: bool } false false
        "a letter instead of a text": struct E { a: String } => struct E { a: char } false true
        "several instead of one": struct E { a: u32 } => struct E { a: Vec<u32> } false false
        "larger numbers in a list": struct E { a: Vec<u32> } => struct E { a: Vec<u64> } true false
        "a fixed length": struct E { a: Vec<u32> } => struct E { a: [u32; 3] } false true
        "another length": struct E { a: [u32; 2] } => struct E { a: [u32; 3] } false false
        "another member of a pair": struct E { a: (u32, String) } => struct E { a: (u32, bool) } false false
        "a map of larger numbers": struct E { a: BTreeMap<String, u32> } => struct E { a: BTreeMap<String, u64> } true false
        "a map instead of a struct": struct E { a: Author } => struct E { a: BTreeMap<String, String> } true false
        "a struct instead of a text": struct E { a: String } => struct E { a: Author } false false
        "a variant more": enum E { A, B } => enum E { A, B, C } true false
        "a variant less": enum E { A, B, C } => enum E { A, B } false true
        "a variant with a field more": enum E { A, B { b: u32 } } => enum E { A, B { b: u32, c: u32 } } false true
        "a tagged variant more": #[serde(tag = "kind")] enum E { A { a: u32 } } => #[serde(tag = "kind")] enum E { A { a: u32 }, B { b: u32 } } true false
        "a field in a tagged variant": #[serde(tag = "kind")] enum E { A { a: u32 }, B } => #[serde(tag = "kind")] enum E { A { a: u32, b: u32 }, B } false true
        "another tag": #[serde(tag = "kind")] enum E { A { a: u32 } } => #[serde(tag = "type")] enum E { A { a: u32 } } false false
        "another name of a tagged variant": #[serde(tag = "kind")] enum E { A(Author) } => #[serde(tag = "kind")] enum E { C(Author) } false false
        "a tagged variant of a struct less": #[serde(tag = "kind")] enum E { A(Author), B(Author) } => #[serde(tag = "kind")] enum E { A(Author) } false true
        "another tag of structs": #[serde(tag = "kind")] enum E { A(Author) } => #[serde(tag = "type")] enum E { A(Author) } false false
        "a field more in a map by numbers": struct E { a: BTreeMap<u32, Author> } => struct E { a: BTreeMap<u32, Writer> } false true
        "a map as a struct": struct E { a: BTreeMap<String, String> } => struct E { a: Numbered } false false
        "a pair of others": struct E { a: [u32; 2] } => struct E { a: (u32, bool) } false false
        "a field in a struct of another alphabet": struct E { a: Größe } => struct E { a: Maß } false true
        "a field that is called examples": struct E { examples: Vec<String> } => struct E { examples: u32 } false false
        "what is not known is refused": struct E { a: u32 } => #[serde(deny_unknown_fields)] struct E { a: u32 } true true
        "a field less where others are refused": #[serde(deny_unknown_fields)] struct E { a: u32, b: Option<u32> } => #[serde(deny_unknown_fields)] struct E { a: u32 } false true
        "an optional field more where others are refused": #[serde(deny_unknown_fields)] struct E { a: u32 } => #[serde(deny_unknown_fields)] struct E { a: u32, b: Option<u32> } true false
        "fields of another struct": struct E { name: String } => struct E { #[serde(flatten)] author: Author } true true
        "a struct in itself": struct E { a: Option<Box<E>> } => struct E { a: Option<Box<E>> } true true
        "a field more in a struct in itself": struct E { a: Option<Box<E>> } => struct E { a: Option<Box<E>>, b: u32 } false true
        "anything instead of a number": struct E { a: u32 } => struct E { a: serde_json::Value } true false
    };
    let wrong: Vec<_> = changes
        .iter()
        .filter_map(|(change, before, after, backward, forward)| {
            let (by_today, by_before) = (gaps(before, after), gaps(after, before));
            let is_right = (by_today.is_empty(), by_before.is_empty()) == (*backward, *forward);
            (!is_right).then(|| format!("{change}: {by_today:?}, {by_before:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_gap_names_the_field_and_what_became_of_it() {
    #[derive(JsonSchema)]
    struct Before {
        author: Option<Author>,
    }
    #[derive(JsonSchema)]
    struct Numbers {
        name: u32,
        born: u16,
    }
    #[derive(JsonSchema)]
    struct After {
        author: Option<Numbers>,
    }
    let (before, after) = (schema_for!(Before), schema_for!(After));
    let gaps = gaps(before.as_value(), after.as_value());
    let said: Vec<_> = gaps.iter().map(super::before).collect();
    assert_eq!(
        said,
        [
            "`author.born` is required now, and need not have been there before",
            "`author.name` was string, and is integer (uint32, minimum 0) now",
        ]
    );
}

#[test]
fn what_may_be_null_is_said_to_be() {
    let of = |field: serde_json::Value| json!({"type": "object", "properties": {"a": field}});
    let (text, text_or_null) = (
        json!({"type": "string"}),
        json!({"type": ["string", "null"]}),
    );
    let number_or_null = json!({"anyOf": [{"type": "integer"}, {"type": "null"}]});
    let changes = [
        (
            &text_or_null,
            &text,
            "`a` was string or null, and is string now",
        ),
        (
            &text_or_null,
            &number_or_null,
            "`a` was string or null, and is integer or null now",
        ),
        (
            &text,
            &number_or_null,
            "`a` was string, and is integer or null now",
        ),
    ];
    for (before, after, words) in changes {
        let (before, after) = (of(before.clone()), of(after.clone()));
        let said: Vec<_> = gaps(&before, &after).iter().map(super::before).collect();
        assert_eq!(said, [words]);
    }
    let (before, after) = (of(text), of(text_or_null));
    let said: Vec<_> = gaps(&after, &before).iter().map(super::after).collect();
    assert_eq!(said, ["`a` was string, and is string or null now"]);
}
