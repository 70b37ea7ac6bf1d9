//! What parts of a schema are called.

use serde_json::{Value, json};

/// As it is where it is a name of Avro, dots and all.
pub(super) fn full_name(name: &str) -> String {
    if name.split('.').all(is_name) {
        return name.to_owned();
    }
    plain_name(name)
}

pub(super) fn is_name(name: &str) -> bool {
    let mut letters = name.chars();
    let begins = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    begins && letters.all(|other| other.is_ascii_alphanumeric() || other == '_')
}

pub(super) fn plain_name(name: &str) -> String {
    let plain = name.chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    });
    let plain: String = plain.collect();
    if is_name(&plain) {
        plain
    } else {
        format!("_{plain}")
    }
}

/// The name of a variant: its tag's text, or its only field.
pub(super) fn variant_name(variant: &Value) -> Option<String> {
    let properties = variant.get("properties")?.as_object()?;
    let mut tags = properties
        .values()
        .filter_map(|it| it.get("const")?.as_str());
    let only = properties.keys().next().filter(|_| properties.len() == 1);
    let name = tags.next().or(only.map(String::as_str));
    name.map(str::to_owned)
}

/// A schema as it is referred to where what has a name in it has been written out before.
pub(super) fn by_name(schema: &Value) -> Value {
    match schema {
        Value::Array(branches) => branches.iter().map(by_name).collect(),
        Value::Object(fields) => match (fields.get("name"), fields.get("items")) {
            (Some(name), _) => name.clone(),
            (None, Some(items)) => json!({"type": "array", "items": by_name(items)}),
            (None, None) => json!({"type": "map", "values": by_name(&schema["values"])}),
        },
        other => other.clone(),
    }
}

/// Whether a schema refers to a name.
pub(super) fn mentions(schema: &Value, name: &str) -> bool {
    match schema {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(fields) => {
            let mut parts = fields
                .iter()
                .filter(|(key, _)| matches!(key.as_str(), "type" | "items" | "values" | "fields"));
            parts.any(|(_, part)| mentions(part, name))
        }
        _ => false,
    }
}
