//! A JSON Schema as it is looked at here: what stands behind references, form by form.

use serde_json::{Map, Value, json};

/// How many references and combinations may stand within each other.
const DEEPEST: usize = 64;

/// The forms that a value may have, each with the keywords of all that it has to satisfy.
pub(super) fn forms(root: &Value, schema: &Value) -> Vec<Map<String, Value>> {
    let mut forms = Vec::new();
    spread(root, schema, DEEPEST, &mut forms);
    forms
}

/// The schema that a reference leads to, as far as it leads within its document.
pub(super) fn target<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    for _ in 0..DEEPEST {
        let Some(place) = reference(schema).and_then(|place| place.strip_prefix('#')) else {
            break;
        };
        let Some(next) = root.pointer(place) else {
            break;
        };
        schema = next;
    }
    schema
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()
}

fn spread(root: &Value, schema: &Value, left: usize, forms: &mut Vec<Map<String, Value>>) {
    let schema = target(root, schema);
    let Some(keywords) = schema.as_object() else {
        // `true` takes everything, and `false` nothing.
        if schema != &Value::Bool(false) {
            forms.push(Map::new());
        }
        return;
    };
    let mut base = keywords.clone();
    for note in [
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "$schema",
        "$defs",
    ] {
        base.remove(note);
    }
    let mut bases = vec![base];
    for (keyword, is_choice) in [("allOf", false), ("oneOf", true), ("anyOf", true)] {
        let Some(Value::Array(parts)) = keywords.get(keyword) else {
            continue;
        };
        for base in &mut bases {
            base.remove(keyword);
        }
        if left == 0 {
            continue;
        }
        let parts = parts.iter().map(|part| {
            let mut forms = Vec::new();
            spread(root, part, left - 1, &mut forms);
            forms
        });
        if is_choice {
            let choices: Vec<_> = parts.flatten().collect();
            bases = product(&bases, &choices);
        } else {
            bases = parts.fold(bases, |bases, part| product(&bases, &part));
        }
    }
    forms.extend(bases.into_iter().flat_map(by_type));
}

fn product(ones: &[Map<String, Value>], others: &[Map<String, Value>]) -> Vec<Map<String, Value>> {
    let each = |one| others.iter().map(move |other| merged(one, other));
    ones.iter().flat_map(each).collect()
}

/// What satisfies both.
fn merged(one: &Map<String, Value>, other: &Map<String, Value>) -> Map<String, Value> {
    let mut all = one.clone();
    for (keyword, value) in other {
        match (keyword.as_str(), all.get_mut(keyword), value) {
            ("properties", Some(Value::Object(known)), Value::Object(more)) => {
                known.extend(more.clone());
            }
            ("required", Some(Value::Array(known)), Value::Array(more)) => {
                known.extend(more.iter().cloned());
            }
            _ => {
                all.insert(keyword.clone(), value.clone());
            }
        }
    }
    all
}

/// One form for each type that it names.
fn by_type(form: Map<String, Value>) -> Vec<Map<String, Value>> {
    let Some(Value::Array(types)) = form.get("type").cloned() else {
        return vec![form];
    };
    let of_type = |kind| {
        let mut form = form.clone();
        form.insert("type".to_owned(), kind);
        form
    };
    types.into_iter().map(of_type).collect()
}

/// The only values that it may have, where it says so.
pub(super) fn values(form: &Map<String, Value>) -> Option<Vec<Value>> {
    match (form.get("const"), form.get("enum")) {
        (Some(value), _) => Some(vec![value.clone()]),
        (None, Some(Value::Array(values))) => Some(values.clone()),
        _ => None,
    }
}

/// The type of its values; `None` where it says nothing.
pub(super) fn kind(form: &Map<String, Value>) -> Option<String> {
    if let Some(kind) = form.get("type").and_then(Value::as_str) {
        return Some(kind.to_owned());
    }
    let first = values(form)?.into_iter().next()?;
    let kind = match first {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Some(kind.to_owned())
}

/// What tells a variant of an enum from the others: the value of its tag, or its only field.
pub(super) fn label(root: &Value, form: &Map<String, Value>) -> Option<Value> {
    if let Some(values) = values(form) {
        return (values.len() == 1).then(|| values[0].clone());
    }
    let properties = form.get("properties")?.as_object()?;
    let tag = properties.values().find_map(|property| {
        let property = target(root, property);
        property.get("const").cloned()
    });
    tag.or_else(|| {
        let mut names = properties.keys();
        let only = names.next().filter(|_| names.next().is_none())?;
        let is_alone = form.get("additionalProperties") == Some(&Value::Bool(false));
        is_alone.then(|| json!(only))
    })
}
