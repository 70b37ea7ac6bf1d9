//! Payloads: the JSON Schema of an event, taken apart into components.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::{Map, Value};

use super::keys::Keys;

/// Where schemas keep their parts.
const PARTS: &str = "$defs";

/// Adds the schema of an event below `key`, and those of its parts below it and their own names.
/// A part is no other event's: what another module calls the same is kept apart.
pub(super) fn add(
    components: &mut Map<String, Value>,
    keys: &mut Keys,
    key: &str,
    mut schema: Schema,
) {
    in_draft_7(&mut schema);
    schema.remove("$schema");
    let parts = match schema.remove(PARTS) {
        Some(Value::Object(parts)) => parts,
        _ => Map::new(),
    };
    let names = parts
        .keys()
        .map(|name| (name.clone(), keys.give(&[key, name])));
    let places = Places {
        root: key,
        parts: names.collect(),
    };
    for (name, part) in parts {
        if let (Ok(part), Some(key)) = (Schema::try_from(part), places.parts.get(&name)) {
            components.insert(key.clone(), places.referred_to_in(part));
        }
    }
    components.insert(key.to_owned(), places.referred_to_in(schema));
}

/// `AsyncAPI`'s schemas are a superset of draft 7.
fn in_draft_7(schema: &mut Schema) {
    for mut transform in SchemaSettings::draft07().transforms {
        transform.transform(schema);
    }
}

/// Where the schema and its parts are now.
struct Places<'a> {
    root: &'a str,
    /// By their names.
    parts: BTreeMap<String, String>,
}

impl Places<'_> {
    fn referred_to_in(&self, mut schema: Schema) -> Value {
        let mut refer = RecursiveTransform(|schema: &mut Schema| {
            if let Some(Value::String(reference)) = schema.get_mut("$ref")
                && let Some(place) = self.place(reference)
            {
                *reference = place;
            }
        });
        refer.transform(&mut schema);
        schema.to_value()
    }

    /// Where a reference leads now; `None` where it leads out of the schema.
    fn place(&self, reference: &str) -> Option<String> {
        let within = reference.strip_prefix('#')?;
        let part = within.strip_prefix("/$defs/").map(|rest| {
            let (name, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (self.parts.get(&plain(name)), rest)
        });
        let (key, rest) = match part {
            Some((Some(key), rest)) => (key.as_str(), rest),
            Some((None, _)) => return None,
            None => (self.root, within),
        };
        Some(format!("#/components/schemas/{key}{rest}"))
    }
}

/// A name as it is without the escapes of a pointer in a URI.
fn plain(name: &str) -> String {
    let name = percent_decode_str(name).decode_utf8_lossy();
    name.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use schemars::Schema;
    use serde_json::{Map, Value, json};

    use super::super::keys::Keys;

    fn components(schemas: &[(&str, Value)]) -> Map<String, Value> {
        let (mut components, mut keys) = (Map::new(), Keys::default());
        for (key, schema) in schemas {
            let schema = Schema::try_from(schema.clone()).expect("a schema");
            super::add(&mut components, &mut keys, key, schema);
        }
        components
    }

    #[test]
    fn parts_of_one_name_in_two_events_are_kept_apart() {
        let event = |kind| {
            json!({
                "properties": {"at": {"$ref": "#/$defs/Place"}},
                "$defs": {"Place": {"type": kind}},
            })
        };
        let components = components(&[("A.v1", event("string")), ("B.v1", event("integer"))]);
        assert_eq!(components["A.v1.Place"], json!({"type": "string"}));
        assert_eq!(components["B.v1.Place"], json!({"type": "integer"}));
        assert_eq!(
            components["B.v1"]["properties"]["at"]["$ref"],
            "#/components/schemas/B.v1.Place"
        );
    }

    #[test]
    fn references_lead_to_where_things_are_now() {
        let components = components(&[(
            "Tree.v1",
            json!({
                "properties": {
                    "left": {"$ref": "#"},
                    "right": {"$ref": "#/properties/left"},
                    "leaf": {"$ref": "#/$defs/Leaf%3Cu8%3E~1x"},
                    "stranger": {"$ref": "https://example.org/schema"},
                    "word": {"const": {"$ref": "#"}},
                },
                "$defs": {"Leaf<u8>/x": {"items": {"$ref": "#/$defs/Leaf%3Cu8%3E~1x"}}},
            }),
        )]);
        let leaf = "#/components/schemas/Tree.v1.Leaf_x3C_u8_x3E__x2F_x";
        let properties = &components["Tree.v1"]["properties"];
        assert_eq!(properties["left"]["$ref"], "#/components/schemas/Tree.v1");
        assert_eq!(
            properties["right"]["$ref"],
            "#/components/schemas/Tree.v1/properties/left"
        );
        assert_eq!(properties["leaf"]["$ref"], leaf);
        assert_eq!(properties["stranger"]["$ref"], "https://example.org/schema");
        assert_eq!(properties["word"]["const"]["$ref"], "#");
        assert_eq!(
            components["Tree.v1.Leaf_x3C_u8_x3E__x2F_x"]["items"]["$ref"],
            leaf
        );
    }

    #[test]
    fn what_draft_7_says_otherwise_is_said_so() {
        let components = components(&[(
            "Pair.v1",
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "prefixItems": [
                    {"type": "string"},
                    {"$ref": "#/$defs/Second", "description": "The second."},
                ],
                "$defs": {"Second": {"type": "string"}},
            }),
        )]);
        let second = json!({
            "allOf": [{"$ref": "#/components/schemas/Pair.v1.Second"}],
            "description": "The second.",
        });
        let pair = json!({"items": [{"type": "string"}, second]});
        assert_eq!(components["Pair.v1"], pair);
    }
}
