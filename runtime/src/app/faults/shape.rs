//! What a schema says of what travels.

use serde_json::{Map, Value};

use crate::topology::EventDeclaration;

/// Whether the schemas of two events say the same of what travels.
pub(super) fn same_shape(one: &EventDeclaration, other: &EventDeclaration) -> bool {
    let shape = |event: &EventDeclaration| {
        let schema = (event.schema)().to_value();
        shape(&schema, &schema["$defs"], &mut Vec::new())
    };
    (one.type_id)() == (other.type_id)() || shape(one) == shape(other)
}

/// A schema without what is said about it (a title is a type's name, a description its comment)
/// and without names for its parts: each stands where it is referred to. `within` are the parts
/// that this one stands in: back to them leads their distance.
fn shape<'a>(schema: &'a Value, parts: &'a Value, within: &mut Vec<&'a str>) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut shapes = Map::new();
            for (name, value) in fields {
                let shape = match (name.as_str(), value.as_str()) {
                    ("$defs", None) | ("title" | "description", Some(_)) => continue,
                    ("$ref", Some(reference)) => referred(reference, parts, within),
                    _ => shape(value, parts, within),
                };
                shapes.insert(name.clone(), shape);
            }
            Value::Object(shapes)
        }
        Value::Array(items) => items
            .iter()
            .map(|item| shape(item, parts, within))
            .collect(),
        _ => schema.clone(),
    }
}

/// What a reference of a schema leads to.
fn referred<'a>(reference: &'a str, parts: &'a Value, within: &mut Vec<&'a str>) -> Value {
    if let Some(distance) = within.iter().rev().position(|known| *known == reference) {
        return Value::from(distance);
    }
    let Some(part) = parts.get(reference.trim_start_matches("#/$defs/")) else {
        return Value::from(reference);
    };
    within.push(reference);
    let shape = shape(part, parts, within);
    within.pop();
    shape
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn shape(schema: &Value) -> Value {
        super::shape(schema, &schema["$defs"], &mut Vec::new())
    }

    /// A tree whose nodes are of a type of this name, and have a field of this one.
    fn tree(title: &str, node: &str, field: &str) -> Value {
        let reference = json!({"$ref": format!("#/$defs/{node}"), "description": title});
        json!({
            "title": title,
            "properties": {"root": reference},
            "$defs": {
                node: {"title": node, "properties": {field: {"items": reference}}},
            },
        })
    }

    #[test]
    fn a_shape_is_what_a_schema_says_without_its_names() {
        let one = shape(&tree("One", "Node", "children"));
        assert_eq!(one, shape(&tree("Other", "Branch", "children")));
        assert_ne!(one, shape(&tree("One", "Node", "twigs")));
    }
}
