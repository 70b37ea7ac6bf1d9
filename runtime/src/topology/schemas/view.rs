//! A JSON Schema as it is looked at here: what stands behind references, case by case.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

/// How many references may lead to each other.
const DEEPEST: usize = 64;

/// How many cases a value may be, how many schemas may lead to them, and how deep they may stand in
/// each other.
const MOST_CASES: usize = 1_000;
const MOST_SCHEMAS: usize = 10_000;

/// The cases that a value may be, each with the keywords of all that it has to satisfy; `None` where
/// they are too many.
pub(super) fn cases(root: &Value, schema: &Value) -> Option<Vec<Map<String, Value>>> {
    let mut spread = Spread {
        root,
        within: Vec::new(),
        depth: 0,
        left: MOST_SCHEMAS,
    };
    spread.cases(schema)
}

/// The schema that a reference leads to, if it is in its document. What is escaped in it is what a
/// URI does not take (RFC 6901, section 6).
fn behind<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    let place = reference.strip_prefix('#')?;
    let place = percent_decode_str(place).decode_utf8().ok()?;
    root.pointer(&place)
}

fn target<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    for _ in 0..DEEPEST {
        let Some(next) = reference(schema).and_then(|place| behind(root, place)) else {
            break;
        };
        schema = next;
    }
    schema
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()
}

/// A schema's own notes, which say nothing of what is valid.
const NOTES: [&str; 7] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "$schema",
    "$defs",
];

/// A schema that is looked through.
struct Spread<'s> {
    root: &'s Value,
    /// The references that led here: one that leads back adds nothing.
    within: Vec<&'s str>,
    depth: usize,
    /// How many schemas are still looked at.
    left: usize,
}

impl<'s> Spread<'s> {
    fn cases(&mut self, schema: &'s Value) -> Option<Vec<Map<String, Value>>> {
        self.left = self.left.checked_sub(1)?;
        if self.depth >= DEEPEST {
            return None;
        }
        self.depth += 1;
        let cases = self.cases_of(schema);
        self.depth -= 1;
        cases
    }

    fn cases_of(&mut self, schema: &'s Value) -> Option<Vec<Map<String, Value>>> {
        let Some(keywords) = schema.as_object() else {
            // `true` takes everything, and `false` nothing.
            let cases = usize::from(schema != &Value::Bool(false));
            return Some(vec![Map::new(); cases]);
        };
        let mut base = keywords.clone();
        base.retain(|keyword, _| !NOTES.contains(&keyword.as_str()) && !is_combination(keyword));
        let place = reference(schema);
        let part = place.and_then(|place| behind(self.root, place));
        let mut bases = vec![base];
        // What is beside a reference holds, too. One that leads nowhere stays, and is not understood.
        if let (Some(place), Some(part)) = (place, part) {
            if self.within.contains(&place) {
                return Some(Vec::new());
            }
            bases[0].remove("$ref");
            self.within.push(place);
            bases = product(&bases, &self.cases(part)?)?;
            self.within.pop();
        }
        for (keyword, parts) in keywords {
            let Value::Array(parts) = parts else { continue };
            match keyword.as_str() {
                "allOf" => {
                    for part in parts {
                        bases = product(&bases, &self.cases(part)?)?;
                    }
                }
                "oneOf" | "anyOf" => {
                    let mut choices = Vec::new();
                    for part in parts {
                        choices.extend(self.cases(part)?);
                    }
                    bases = product(&bases, &choices)?;
                }
                _ => {}
            }
        }
        let cases: Vec<_> = bases.into_iter().flat_map(by_type).collect();
        (cases.len() <= MOST_CASES).then_some(cases)
    }
}

fn is_combination(keyword: &str) -> bool {
    ["allOf", "oneOf", "anyOf"].contains(&keyword)
}

/// `None` where they are too many.
fn product(
    ones: &[Map<String, Value>],
    others: &[Map<String, Value>],
) -> Option<Vec<Map<String, Value>>> {
    if ones.len().saturating_mul(others.len()) > MOST_CASES {
        return None;
    }
    let each = |one| others.iter().map(move |other| merged(one, other));
    Some(ones.iter().flat_map(each).collect())
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

/// One case for each type that it names.
fn by_type(case: Map<String, Value>) -> Vec<Map<String, Value>> {
    let Some(Value::Array(types)) = case.get("type").cloned() else {
        return vec![case];
    };
    let of_type = |kind| {
        let mut case = case.clone();
        case.insert("type".to_owned(), kind);
        case
    };
    types.into_iter().map(of_type).collect()
}

/// The only values that it may have, where it says so.
pub(super) fn values(case: &Map<String, Value>) -> Option<Vec<Value>> {
    match (case.get("const"), case.get("enum")) {
        (Some(value), _) => Some(vec![value.clone()]),
        (None, Some(Value::Array(values))) => Some(values.clone()),
        _ => None,
    }
}

/// The type of its values; `None` where it says nothing.
pub(super) fn kind(case: &Map<String, Value>) -> Option<String> {
    if let Some(kind) = case.get("type").and_then(Value::as_str) {
        return Some(kind.to_owned());
    }
    let first = values(case)?.into_iter().next()?;
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
pub(super) fn label(root: &Value, case: &Map<String, Value>) -> Option<Value> {
    if let Some(values) = values(case) {
        return (values.len() == 1).then(|| values[0].clone());
    }
    let properties = case.get("properties")?.as_object()?;
    let tag = properties.values().find_map(|property| {
        let property = target(root, property);
        property.get("const").cloned()
    });
    tag.or_else(|| {
        let mut names = properties.keys();
        let only = names.next().filter(|_| names.next().is_none())?;
        let is_alone = case.get("additionalProperties") == Some(&Value::Bool(false));
        is_alone.then(|| json!(only))
    })
}
