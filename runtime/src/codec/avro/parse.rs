//! A schema from its text. Nothing is followed and nothing is copied: whatever has a name has one place
//! among the parts, where all that refer to it find it; so it takes no more than its text does.

use std::collections::{HashMap, HashSet};
use std::mem::{Discriminant, discriminant};

use serde_json::{Map, Value};

use super::shape::{At, Decimal, Field, Part, Shape, Unit};
use super::{Fault, kind};
use crate::codec::CodecError;

/// How long a schema may be, with all that it refers to. How deep it may be nested says the parser of
/// JSON: 127.
pub(crate) const LONGEST_SCHEMA: usize = 4 * 1024 * 1024;

/// The most bytes of a decimal: however small it is, all of them are written.
const WIDEST: usize = 1_024;

impl Shape {
    /// From its text, and the texts of those that it refers to.
    pub(crate) fn parse(schema: &str, others: &[String]) -> Result<Shape, CodecError> {
        parse(schema, others).map_err(|fault| CodecError::new(fault.to_string()))
    }
}

fn parse(schema: &str, others: &[String]) -> Result<Shape, Fault> {
    let length = schema.len() + others.iter().map(String::len).sum::<usize>();
    if length > LONGEST_SCHEMA {
        return Err(Fault::new(format!(
            "it is longer than {LONGEST_SCHEMA} bytes"
        )));
    }
    let mut parser = Parser::default();
    let none = parser.namespace("");
    // Those that are referred to come before those that do.
    for other in others.iter().rev() {
        parser.add(json(other)?, none)?;
    }
    let root = parser.add(json(schema)?, none)?;
    parser.shape(root, length)
}

fn json(text: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::new(error.to_string()))
}

/// The place of a namespace: all names in it share its text.
type Namespace = usize;

#[derive(Default)]
struct Parser {
    /// `None` for what was referred to, and is not there yet.
    parts: Vec<Option<Part>>,
    names: HashMap<(Namespace, String), At>,
    namespaces: HashMap<String, Namespace>,
}

type Fields = Map<String, Value>;

impl Parser {
    /// All that is referred to is there.
    fn shape(self, root: At, length: usize) -> Result<Shape, Fault> {
        let mut names = self.names.iter();
        let missing = names.clone().filter(|(_, at)| self.parts[**at].is_none());
        if let Some((name, _)) = missing.min() {
            let full = self.full(name);
            let words = format!("it refers to `{full:.200}`, which is nowhere");
            return Err(Fault::new(words));
        }
        let name = names.find(|(_, at)| **at == root);
        let name = name.map(|(name, _)| self.full(name));
        let parts = self.parts.into_iter().flatten().collect();
        Ok(Shape::new(parts, root, name, length))
    }

    fn full(&self, (namespace, simple): &(Namespace, String)) -> String {
        let mut namespaces = self.namespaces.iter();
        match namespaces.find(|(_, place)| *place == namespace) {
            Some((text, _)) if !text.is_empty() => format!("{text}.{simple}"),
            _ => simple.clone(),
        }
    }

    /// `within` is the namespace of what is around it.
    fn add(&mut self, schema: Value, within: Namespace) -> Result<At, Fault> {
        match schema {
            Value::String(name) => self.called(&name, within),
            Value::Array(branches) => self.union(branches, within),
            Value::Object(fields) => self.described(fields, within),
            other => Err(Fault::new(format!(
                "a type is a name, a list or an object, and this is {}",
                kind(&other)
            ))),
        }
    }

    fn called(&mut self, name: &str, within: Namespace) -> Result<At, Fault> {
        match primitive(name) {
            Some(part) => Ok(self.push(part)),
            None => self.refer(name, within),
        }
    }

    fn described(&mut self, mut fields: Fields, within: Namespace) -> Result<At, Fault> {
        let Some(of_type) = fields.remove("type") else {
            return Err(Fault::new("a type has no `type`"));
        };
        let Value::String(of_type) = of_type else {
            return self.add(of_type, within);
        };
        match of_type.as_str() {
            "record" | "error" => self.record(fields, within),
            "enum" => self.symbols(&fields, within),
            "fixed" => {
                let (at, _) = self.define(&fields, within)?;
                let size = whole(&fields, "size");
                let size = size.ok_or_else(|| Fault::new("a fixed has no `size`"))?;
                let part = stands_for(&fields, Part::Fixed(size));
                if matches!(part, Part::Decimal(_)) && size > WIDEST {
                    let words = format!("a decimal has more than {WIDEST} bytes");
                    return Err(Fault::new(words));
                }
                Ok(self.fill(at, part))
            }
            "array" => {
                let items = fields.remove("items");
                let items = items.ok_or_else(|| Fault::new("an array has no `items`"))?;
                let items = self.add(items, within)?;
                Ok(self.push(Part::Array(items)))
            }
            "map" => {
                let values = fields.remove("values");
                let values = values.ok_or_else(|| Fault::new("a map has no `values`"))?;
                let values = self.add(values, within)?;
                Ok(self.push(Part::Map(values)))
            }
            name => match primitive(name) {
                Some(part) => Ok(self.push(stands_for(&fields, part))),
                None => self.refer(name, within),
            },
        }
    }

    fn union(&mut self, branches: Vec<Value>, within: Namespace) -> Result<At, Fault> {
        let mut known = HashSet::new();
        let mut variants = Vec::with_capacity(branches.len());
        for (nth, branch) in branches.into_iter().enumerate() {
            let variant = self
                .add(branch, within)
                .map_err(|fault| fault.within(nth))?;
            if matches!(self.parts[variant], Some(Part::Union(_))) {
                return Err(Fault::new("a union stands in a union"));
            }
            if !known.insert(self.look(variant)) {
                return Err(Fault::new("two branches of a union are of one type"));
            }
            variants.push(variant);
        }
        Ok(self.push(Part::Union(variants)))
    }

    /// By what a union tells its branches apart.
    fn look(&self, at: At) -> Look {
        match &self.parts[at] {
            None
            | Some(
                Part::Record(_)
                | Part::Enum(_)
                | Part::Fixed(_)
                | Part::Uuid
                | Part::Decimal(Decimal { size: Some(_), .. }),
            ) => Look::Named(at),
            Some(part) => Look::Plain(discriminant(base(part))),
        }
    }

    fn record(&mut self, mut record: Fields, within: Namespace) -> Result<At, Fault> {
        // Its fields may refer to it.
        let (at, namespace) = self.define(&record, within)?;
        let Some(Value::Array(all)) = record.remove("fields") else {
            return Err(Fault::new("a record has no `fields`"));
        };
        let mut known = HashSet::new();
        let mut fields = Vec::with_capacity(all.len());
        for field in all {
            let Value::Object(mut field) = field else {
                return Err(Fault::new("a field is no object"));
            };
            let name = name_of(&field)?.to_owned();
            is_name(&name)?;
            if !known.insert(name.clone()) {
                return Err(Fault::new(format!("it has two fields `{name:.100}`")));
            }
            let Some(of_type) = field.remove("type") else {
                return Err(Fault::new("a field has no `type`").within(name));
            };
            let part = self.add(of_type, namespace);
            let part = part.map_err(|fault| fault.within(&name))?;
            let default = field.remove("default");
            fields.push(Field {
                name,
                part,
                default,
            });
        }
        Ok(self.fill(at, Part::Record(fields)))
    }

    fn symbols(&mut self, fields: &Fields, within: Namespace) -> Result<At, Fault> {
        let (at, _) = self.define(fields, within)?;
        let Some(Value::Array(all)) = fields.get("symbols") else {
            return Err(Fault::new("an enum has no `symbols`"));
        };
        let mut known = HashSet::new();
        let mut symbols = Vec::with_capacity(all.len());
        for symbol in all {
            let Value::String(symbol) = symbol else {
                return Err(Fault::new("a symbol of an enum is no text"));
            };
            is_name(symbol)?;
            if !known.insert(symbol) {
                let words = format!("an enum has two symbols `{symbol:.100}`");
                return Err(Fault::new(words));
            }
            symbols.push(symbol.clone());
        }
        Ok(self.fill(at, Part::Enum(symbols)))
    }

    fn push(&mut self, part: Part) -> At {
        self.parts.push(Some(part));
        self.parts.len() - 1
    }

    fn fill(&mut self, at: At, part: Part) -> At {
        self.parts[at] = Some(part);
        at
    }

    fn namespace(&mut self, text: &str) -> Namespace {
        if let Some(known) = self.namespaces.get(text) {
            return *known;
        }
        let place = self.namespaces.len();
        self.namespaces.insert(text.to_owned(), place);
        place
    }

    /// The namespace and the simple name of a name.
    fn split<'a>(&mut self, name: &'a str, within: Namespace) -> (Namespace, &'a str) {
        match name.rsplit_once('.') {
            Some((namespace, simple)) => (self.namespace(namespace), simple),
            None => (within, name),
        }
    }

    /// Where what is called so is: in the namespace around it or, as Avro for Java has it, in none.
    fn refer(&mut self, name: &str, within: Namespace) -> Result<At, Fault> {
        let simple = name.to_owned();
        let none = self.namespace("");
        if !self.names.contains_key(&(within, simple.clone()))
            && let Some(at) = self.names.get(&(none, simple))
        {
            return Ok(*at);
        }
        self.place(name, within)
    }

    /// Where whatever has this name is, or will be.
    fn place(&mut self, name: &str, within: Namespace) -> Result<At, Fault> {
        let (namespace, simple) = self.split(name, within);
        is_name(simple)?;
        let next = self.parts.len();
        let names = self.names.entry((namespace, simple.to_owned()));
        let at = *names.or_insert(next);
        if at == next {
            self.parts.push(None);
        }
        Ok(at)
    }

    /// The place of what takes its name here, and the namespace of what is in it.
    fn define(&mut self, fields: &Fields, within: Namespace) -> Result<(At, Namespace), Fault> {
        let name = name_of(fields)?;
        if primitive(name).is_some() {
            let words = format!("`{name}` is a type of Avro's own, and no name for another");
            return Err(Fault::new(words));
        }
        let within = match fields.get("namespace") {
            None | Some(Value::Null) => within,
            Some(Value::String(namespace)) => self.namespace(namespace),
            Some(_) => return Err(Fault::new("a namespace is no text")),
        };
        let (namespace, _) = self.split(name, within);
        let at = self.place(name, within)?;
        if self.parts[at].is_some() {
            return Err(Fault::new(format!("`{name:.100}` is defined twice")));
        }
        // What it is comes later; that it is something with a name is known.
        Ok((self.fill(at, Part::Record(Vec::new())), namespace))
    }
}

#[derive(PartialEq, Eq, Hash)]
enum Look {
    Named(At),
    Plain(Discriminant<Part>),
}

/// What it is without its logical type; but for those that have a name.
fn base(part: &Part) -> &Part {
    match part {
        Part::Date | Part::Time(Unit::Millis) => &Part::Int,
        Part::Time(_) | Part::Timestamp(_) | Part::LocalTimestamp(_) => &Part::Long,
        Part::Decimal(_) => &Part::Bytes,
        other => other,
    }
}

fn primitive(name: &str) -> Option<Part> {
    Some(match name {
        "null" => Part::Null,
        "boolean" => Part::Boolean,
        "int" => Part::Int,
        "long" => Part::Long,
        "float" => Part::Float,
        "double" => Part::Double,
        "bytes" => Part::Bytes,
        "string" => Part::String,
        _ => return None,
    })
}

/// What a part is by its logical type. One that is none, or not of this part, is passed over, as Avro
/// says.
fn stands_for(fields: &Fields, part: Part) -> Part {
    let logical = fields.get("logicalType").and_then(Value::as_str);
    match (logical.unwrap_or_default(), part) {
        ("date", Part::Int) => Part::Date,
        ("time-millis", Part::Int) => Part::Time(Unit::Millis),
        ("time-micros", Part::Long) => Part::Time(Unit::Micros),
        ("timestamp-millis", Part::Long) => Part::Timestamp(Unit::Millis),
        ("timestamp-micros", Part::Long) => Part::Timestamp(Unit::Micros),
        ("timestamp-nanos", Part::Long) => Part::Timestamp(Unit::Nanos),
        ("local-timestamp-millis", Part::Long) => Part::LocalTimestamp(Unit::Millis),
        ("local-timestamp-micros", Part::Long) => Part::LocalTimestamp(Unit::Micros),
        ("local-timestamp-nanos", Part::Long) => Part::LocalTimestamp(Unit::Nanos),
        ("uuid", Part::Fixed(16)) => Part::Uuid,
        ("decimal", Part::Bytes) => decimal(fields, None).map_or(Part::Bytes, Part::Decimal),
        ("decimal", Part::Fixed(size)) => {
            decimal(fields, Some(size)).map_or(Part::Fixed(size), Part::Decimal)
        }
        (_, part) => part,
    }
}

fn decimal(fields: &Fields, size: Option<usize>) -> Option<Decimal> {
    let precision = whole(fields, "precision")?;
    let scale = match fields.get("scale") {
        None => 0,
        Some(_) => whole(fields, "scale")?,
    };
    (precision > 0 && scale <= precision).then_some(Decimal {
        precision,
        scale,
        size,
    })
}

fn whole(fields: &Fields, key: &str) -> Option<usize> {
    usize::try_from(fields.get(key)?.as_u64()?).ok()
}

fn name_of(fields: &Fields) -> Result<&str, Fault> {
    let name = fields.get("name").and_then(Value::as_str);
    name.ok_or_else(|| Fault::new("a record, an enum, a fixed or a field has no `name`"))
}

/// Letters of any alphabet, as Avro for Java takes them.
fn is_name(name: &str) -> Result<(), Fault> {
    let mut letters = name.chars();
    let begins = letters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_');
    if begins && letters.all(|other| other.is_alphanumeric() || other == '_') {
        return Ok(());
    }
    Err(Fault::new(format!(
        "`{name:.100}` is no name in Avro: letters, digits and `_` make one"
    )))
}
