//! What a field is where it is not given.

use serde_json::{Map, Value, json};

use super::Deriving;

impl Deriving<'_> {
    /// A field, with the default that it has for those who read what was written before it, and that is
    /// written where it is left out.
    pub(super) fn field(
        &self,
        name: &str,
        of_type: &Value,
        schema: &Value,
        is_required: bool,
    ) -> Result<Value, String> {
        let first = of_type.as_array().and_then(|branches| branches.first());
        let default = match schema.get("default") {
            _ if first.is_some_and(|first| first == "null") => Some(Value::Null),
            _ if is_required => None,
            Some(default) => self.of_type(of_type, default),
            None => Some(of_nothing(of_type)?),
        };
        Ok(match default {
            Some(default) => json!({"name": name, "type": of_type, "default": default}),
            None => json!({"name": name, "type": of_type}),
        })
    }

    /// A default as Avro has it, if it can: one of a union is of its first branch, and one of a record
    /// has all its fields.
    fn of_type(&self, of_type: &Value, default: &Value) -> Option<Value> {
        let fits = |fits: bool| fits.then(|| default.clone());
        match of_type {
            Value::String(name) => match name.as_str() {
                "null" => fits(default.is_null()),
                "boolean" => fits(default.is_boolean()),
                "int" | "long" => fits(default.is_i64()),
                "float" | "double" => fits(default.is_number()),
                "string" => fits(default.is_string()),
                name => self.of_type(self.written.get(name)?, default),
            },
            Value::Array(branches) => self.of_type(branches.first()?, default),
            described => match described["type"].as_str()? {
                "enum" => fits(described["symbols"].as_array()?.contains(default)),
                "array" => {
                    let items = default.as_array()?.iter();
                    let items = items.map(|item| self.of_type(&described["items"], item));
                    items.collect::<Option<_>>().map(Value::Array)
                }
                "map" => {
                    let values = default.as_object()?.iter();
                    let value = |(key, value): (&String, &Value)| {
                        Some((key.clone(), self.of_type(&described["values"], value)?))
                    };
                    values.map(value).collect::<Option<_>>().map(Value::Object)
                }
                _ => self.of_record(described["fields"].as_array()?, default.as_object()?),
            },
        }
    }

    fn of_record(&self, fields: &[Value], default: &Map<String, Value>) -> Option<Value> {
        let mut of_record = Map::new();
        for field in fields {
            let name = field["name"].as_str()?;
            let value = default.get(name).or(field.get("default"))?;
            of_record.insert(name.to_owned(), self.of_type(&field["type"], value)?);
        }
        let is_whole = default.keys().all(|name| of_record.contains_key(name));
        is_whole.then_some(Value::Object(of_record))
    }
}

/// What a field is that serde leaves out, and whose default the JSON Schema does not say: of what can be
/// empty it is the empty one.
fn of_nothing(of_type: &Value) -> Result<Value, String> {
    match of_type["type"].as_str() {
        Some("array") => Ok(json!([])),
        Some("map") => Ok(json!({})),
        _ if of_type == "null" => Ok(Value::Null),
        _ => Err(
            "it may be left out (`skip_serializing_if`), and its schema does not say what it is then; \
             take that away, make it an `Option`, or say it: `#[schemars(extend(\"default\" = ...))]`"
                .to_owned(),
        ),
    }
}
