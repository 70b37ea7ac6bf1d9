//! The Avro schema of an event, from its JSON Schema.

mod defaults;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use self::names::{by_name, full_name, is_name, mentions, plain_name, variant_name};

/// What has no form in Avro, and where it stands.
#[derive(Debug)]
pub(crate) struct NoForm {
    /// The fields that lead there.
    pub(crate) path: String,
    pub(crate) words: String,
}

/// The schema of an event of this name, as JSON.
///
/// Its comments are not in it: what is only said of an event is no new schema to a registry.
pub(crate) fn derive(name: &str, schema: &Value) -> Result<Value, NoForm> {
    let root = full_name(name);
    let mut deriving = Deriving {
        parts: &schema["$defs"],
        namespace: root
            .rsplit_once('.')
            .map(|(namespace, _)| namespace.to_owned()),
        names: BTreeMap::new(),
        written: BTreeMap::new(),
        taken: BTreeSet::new(),
        lists: Vec::new(),
        path: Vec::new(),
    };
    deriving.names.insert("#".to_owned(), json!(root));
    deriving.taken.insert(root.clone());
    deriving.of(schema, &root).map_err(|words| NoForm {
        path: deriving.path.join("."),
        words,
    })
}

struct Deriving<'a> {
    /// `$defs`.
    parts: &'a Value,
    namespace: Option<String>,
    /// What is written already, by its reference: as it is referred to.
    names: BTreeMap<String, Value>,
    /// And by its name: as it is written.
    written: BTreeMap<String, Value>,
    taken: BTreeSet<String>,
    /// The lists and maps that it is within, by their references.
    lists: Vec<String>,
    /// Where it is: left as it stands at the first error.
    path: Vec<String>,
}

type Derived = Result<Value, String>;

/// What says that it is something else, too.
const COMBINE: [&str; 4] = ["$ref", "allOf", "anyOf", "oneOf"];

const AT_ONCE: &str = "it is fields and something else at once (a tag beside what is no struct, or `flatten` of an \
     enum); write the fields out";

impl<'a> Deriving<'a> {
    /// `name` is what it is called if it takes a name.
    fn of(&mut self, schema: &Value, name: &str) -> Derived {
        let Some(fields) = schema.as_object() else {
            return Err("it may be anything, and Avro knows what everything is".to_owned());
        };
        let combines = COMBINE.map(|key| fields.contains_key(key));
        let combines = combines.into_iter().filter(|is_there| *is_there).count();
        if combines == 1 && fields.contains_key("properties") {
            let merged = self.merged(fields).ok_or(AT_ONCE)?;
            return self.of(&merged, name);
        }
        if combines > 1 {
            return Err(AT_ONCE.to_owned());
        }
        if let Some(Value::String(reference)) = fields.get("$ref") {
            return self.reference(reference);
        }
        if let Some(all) = fields.get("allOf").and_then(Value::as_array) {
            return match all.as_slice() {
                [only] => self.of(only, name),
                _ => Err("it is several things at once (`allOf`)".to_owned()),
            };
        }
        if let Some(any) = fields.get("anyOf").and_then(Value::as_array) {
            return self.any(any, name);
        }
        if let Some(one) = fields.get("oneOf").and_then(Value::as_array) {
            return self.one(one, name);
        }
        if let Some(only) = fields.get("const") {
            return self.symbols(std::slice::from_ref(only), name);
        }
        if let Some(Value::Array(values)) = fields.get("enum") {
            return self.symbols(values, name);
        }
        match fields.get("type") {
            Some(Value::String(kind)) => self.plain(kind, fields, name),
            Some(Value::Array(kinds)) => self.kinds(kinds, fields, name),
            _ => Err("it may be anything, and Avro knows what everything is".to_owned()),
        }
    }

    /// Fields, and a reference to others (a tag beside a struct): all of them together.
    fn merged(&self, fields: &Map<String, Value>) -> Option<Value> {
        let reference = fields.get("$ref")?.as_str()?;
        let mut merged = self.part(reference).ok()?.as_object()?.clone();
        if COMBINE.iter().any(|key| merged.contains_key(*key)) {
            return None;
        }
        let own = fields.get("properties")?.as_object()?;
        let properties = merged.get_mut("properties")?.as_object_mut()?;
        for (name, schema) in own {
            if properties.insert(name.clone(), schema.clone()).is_some() {
                return None;
            }
        }
        let required = merged.entry("required").or_insert_with(|| json!([]));
        let own = fields.get("required").and_then(Value::as_array);
        required
            .as_array_mut()?
            .extend(own.into_iter().flatten().cloned());
        Some(Value::Object(merged))
    }

    fn plain(&mut self, kind: &str, fields: &Map<String, Value>, name: &str) -> Derived {
        let format = fields.get("format").and_then(Value::as_str);
        Ok(match kind {
            "null" => json!("null"),
            "boolean" => json!("boolean"),
            "string" => json!("string"),
            "number" if format == Some("float") => json!("float"),
            "number" => json!("double"),
            "integer" => match format {
                Some("int8" | "int16" | "int32" | "uint8" | "uint16") => json!("int"),
                Some("int128" | "uint128") => {
                    return Err("a number of 128 bits is none in Avro".to_owned());
                }
                _ => json!("long"),
            },
            "array" => match fields.get("items") {
                Some(items) if !fields.contains_key("prefixItems") => {
                    let items = self.within("items", |it| it.of(items, &format!("{name}_item")))?;
                    json!({"type": "array", "items": items})
                }
                _ => return Err("a tuple is nothing in Avro; make it a struct".to_owned()),
            },
            "object" => return self.object(fields, name),
            other => return Err(format!("`{other}` is nothing in Avro")),
        })
    }

    /// A type that may also be null.
    fn kinds(&mut self, kinds: &[Value], fields: &Map<String, Value>, name: &str) -> Derived {
        let others = kinds.iter().filter(|kind| *kind != "null");
        match others
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .as_slice()
        {
            [only] if kinds.len() == 2 => Ok(nullable(self.plain(only, fields, name)?)),
            [only] if kinds.len() == 1 => self.plain(only, fields, name),
            _ => Err("it may be of several types".to_owned()),
        }
    }

    fn any(&mut self, any: &[Value], name: &str) -> Derived {
        let is_null = |schema: &&Value| schema["type"] == "null";
        let others: Vec<_> = any.iter().filter(|schema| !is_null(schema)).collect();
        match others.as_slice() {
            [only] if others.len() < any.len() => Ok(nullable(self.of(only, name)?)),
            [only] => self.of(only, name),
            _ => Err(
                "an enum without a tag has no form in Avro; give it one: `#[serde(tag = \"...\")]`"
                    .to_owned(),
            ),
        }
    }

    /// An enum: one of texts, or a union of records.
    fn one(&mut self, one: &[Value], name: &str) -> Derived {
        let texts: Vec<Value> = one.iter().flat_map(texts).collect();
        let variants: Vec<_> = one
            .iter()
            .filter(|variant| texts_of(variant).is_none())
            .collect();
        if variants.is_empty() {
            return self.symbols(&texts, name);
        }
        let mut branches = Vec::new();
        if !texts.is_empty() {
            let name = self.free(&format!("{name}_unit"));
            branches.push(self.symbols(&texts, &name)?);
        }
        for (nth, variant) in variants.into_iter().enumerate() {
            let title = variant_name(variant).unwrap_or_else(|| format!("variant_{nth}"));
            let name = self.free(&format!("{name}_{}", plain_name(&title)));
            let branch = self.within(&title, |it| it.of(variant, &name))?;
            if branches.contains(&branch) {
                return Err("two variants of an enum look the same in Avro".to_owned());
            }
            branches.push(branch);
        }
        Ok(Value::Array(branches))
    }

    fn object(&mut self, fields: &Map<String, Value>, name: &str) -> Derived {
        let properties = fields.get("properties").and_then(Value::as_object);
        let more = fields.get("additionalProperties");
        let more = more.filter(|more| **more != Value::Bool(false));
        // Keys that are no texts in Rust have a pattern.
        let patterns = fields.get("patternProperties").and_then(Value::as_object);
        let more = more.or(patterns.and_then(|patterns| patterns.values().next()));
        match (properties, more) {
            (None, Some(values)) => {
                let values = self.within("values", |it| it.of(values, &format!("{name}_value")))?;
                Ok(json!({"type": "map", "values": values}))
            }
            (Some(_), Some(_)) => {
                Err("a map among fields (`flatten`) has no form in Avro".to_owned())
            }
            (properties, None) => self.record(properties, fields, name),
        }
    }

    fn record(
        &mut self,
        properties: Option<&Map<String, Value>>,
        schema: &Map<String, Value>,
        name: &str,
    ) -> Derived {
        self.taken.insert(name.to_owned());
        let required = schema.get("required").and_then(Value::as_array);
        let mut fields = Vec::new();
        for (field, schema) in properties.into_iter().flatten() {
            let is_required = required.is_some_and(|names| names.iter().any(|it| it == field));
            let of_field = self.within(field, |it| {
                if !is_name(field) {
                    return Err(
                        "it is no name in Avro: letters, digits and `_` make one".to_owned()
                    );
                }
                let name = it.free(&format!("{name}_{field}"));
                let of_type = it.of(schema, &name)?;
                it.field(field, &of_type, schema, is_required)
            });
            fields.push(of_field?);
        }
        let record = json!({"type": "record", "name": name, "fields": fields});
        Ok(self.write(name, record))
    }

    /// The first time it is written out, and then what has a name in it is named: so it is called the same
    /// wherever it stands.
    fn reference(&mut self, reference: &str) -> Derived {
        if let Some(known) = self.names.get(reference) {
            return Ok(known.clone());
        }
        let title = reference.trim_start_matches("#/$defs/");
        let part = self.part(reference)?;
        let holds_itself = || {
            format!(
                "`{title}` is a list, a map or a union that holds itself; put a struct around it"
            )
        };
        let name = match &self.namespace {
            Some(namespace) => format!("{namespace}.{}", plain_name(title)),
            None => plain_name(title),
        };
        let name = self.free(&name);
        self.taken.insert(name.clone());
        let derived = if is_list(part) {
            // It has no name. The second time it is within a record that has one, or it has no end.
            if self.lists.iter().filter(|it| *it == reference).count() > 1 {
                return Err(holds_itself());
            }
            self.lists.push(reference.to_owned());
            let derived = self.of(part, &name)?;
            self.lists.pop();
            derived
        } else {
            self.names.insert(reference.to_owned(), json!(name));
            self.of(part, &name)?
        };
        if derived["name"] != name.as_str() && mentions(&derived, &name) {
            return Err(holds_itself());
        }
        self.names.insert(reference.to_owned(), by_name(&derived));
        Ok(derived)
    }

    fn part(&self, reference: &str) -> Result<&'a Value, String> {
        let part = self.parts.get(reference.trim_start_matches("#/$defs/"));
        part.ok_or_else(|| format!("it refers to `{reference}`, which is nowhere"))
    }

    /// An enum, where the texts can be its symbols; else any text.
    fn symbols(&mut self, values: &[Value], name: &str) -> Derived {
        let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
        match texts {
            None => Err("an enum of other things than texts has no form in Avro".to_owned()),
            Some(texts) if texts.iter().all(|text| is_name(text)) => {
                self.taken.insert(name.to_owned());
                let symbols = json!({"type": "enum", "name": name, "symbols": texts});
                Ok(self.write(name, symbols))
            }
            Some(_) => Ok(json!("string")),
        }
    }

    fn write(&mut self, name: &str, derived: Value) -> Value {
        self.written.insert(name.to_owned(), derived.clone());
        derived
    }

    /// This name, or one like it that nothing has.
    fn free(&mut self, name: &str) -> String {
        let mut free = name.to_owned();
        while self.taken.contains(&free) {
            free.push('_');
        }
        free
    }

    fn within(&mut self, place: &str, derive: impl FnOnce(&mut Self) -> Derived) -> Derived {
        self.path.push(place.to_owned());
        let derived = derive(self)?;
        self.path.pop();
        Ok(derived)
    }
}

fn nullable(of_type: Value) -> Value {
    match of_type {
        Value::Array(mut branches) => {
            if !branches.iter().any(|branch| branch == "null") {
                branches.insert(0, json!("null"));
            }
            Value::Array(branches)
        }
        Value::String(null) if null == "null" => json!("null"),
        other => json!(["null", other]),
    }
}

/// Whether it is a list or a map.
fn is_list(schema: &Value) -> bool {
    let is_map = schema["type"] == "object" && schema.get("properties").is_none();
    schema["type"] == "array" || is_map && schema.get("additionalProperties").is_some()
}

/// The texts that a variant without fields is one of.
fn texts_of(variant: &Value) -> Option<Vec<Value>> {
    if let Some(only) = variant.get("const").filter(|only| only.is_string()) {
        return Some(vec![only.clone()]);
    }
    let values = variant.get("enum")?.as_array()?;
    values.iter().all(Value::is_string).then(|| values.clone())
}

fn texts(variant: &Value) -> Vec<Value> {
    texts_of(variant).unwrap_or_default()
}
