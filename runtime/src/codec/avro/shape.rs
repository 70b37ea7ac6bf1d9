//! A schema as it is read and written by: its parts in one list, each known by its place in it.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, RecordSchema, UuidSchema};
use serde_json::Value;

use crate::codec::CodecError;

/// The place of a part.
pub(super) type At = usize;

/// A schema, resolved.
#[derive(Debug)]
pub(crate) struct Shape {
    parts: Vec<Part>,
    root: At,
    /// The full name, where it has one.
    name: Option<String>,
}

/// A part of it.
#[derive(Debug)]
pub(super) enum Part {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    Array(At),
    Map(At),
    Union(Vec<At>),
    Record(Vec<Field>),
    Date,
    Time(Unit),
    Timestamp(Unit),
    LocalTimestamp(Unit),
    Decimal(Decimal),
    /// In so many bytes if they are fixed; with their length before them if not.
    Uuid {
        is_fixed: bool,
    },
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) part: At,
    pub(super) default: Option<Value>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    pub(super) scale: usize,
    /// How many bytes, if that is fixed.
    pub(super) size: Option<usize>,
}

/// How deep a schema may be nested, with all that it refers to: each level takes its share of the stack.
const DEEPEST: usize = 256;

/// How long it may be, with all that it refers to.
const LONGEST: usize = 4 * 1024 * 1024;

impl Shape {
    /// One that others wrote, from its text and the texts of those that it refers to. It is read by
    /// without defaults, which the parser would resolve however large that makes them.
    pub(crate) fn of_others(schema: &str, others: &[String]) -> Result<Shape, CodecError> {
        let mut left = DEEPEST;
        if schema.len() + others.iter().map(String::len).sum::<usize>() > LONGEST {
            return Err(CodecError::new(format!(
                "it is longer than {LONGEST} bytes"
            )));
        }
        let mut bare = |text: &String| {
            let mut schema: Value = serde_json::from_str(text).map_err(CodecError::new)?;
            let depth = without_defaults(&mut schema);
            left = left
                .checked_sub(depth)
                .ok_or_else(|| CodecError::new(format!("it is nested deeper than {DEEPEST}")))?;
            Ok(schema.to_string())
        };
        let schema = bare(&schema.to_owned())?;
        let others: Result<Vec<_>, CodecError> = others.iter().map(bare).collect();
        Shape::parse(&schema, &others?)
    }

    /// From its text, and the texts of those that it refers to.
    pub(super) fn parse(schema: &str, others: &[String]) -> Result<Shape, CodecError> {
        let parsed = Schema::parse_str_with_list(schema, others);
        let (schema, others) = parsed.map_err(|error| CodecError::new(error.to_string()))?;
        let mut builder = Builder {
            parts: Vec::new(),
            names: HashMap::new(),
            others: &others,
        };
        let root = builder.add(&schema, None)?;
        Ok(Shape {
            parts: builder.parts,
            root,
            name: schema.name().map(ToString::to_string),
        })
    }

    pub(super) fn root(&self) -> At {
        self.root
    }

    pub(super) fn part(&self, at: At) -> &Part {
        &self.parts[at]
    }

    /// The full name of a record, an enum or a fixed.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// Takes the defaults out of a schema, and says how deep it is nested.
fn without_defaults(schema: &mut Value) -> usize {
    let within = match schema {
        Value::Object(fields) => {
            fields.remove("default");
            fields.values_mut().map(without_defaults).max()
        }
        Value::Array(parts) => parts.iter_mut().map(without_defaults).max(),
        _ => return 0,
    };
    within.unwrap_or(0) + 1
}

struct Builder<'a> {
    parts: Vec<Part>,
    /// Those with a name, by it.
    names: HashMap<String, At>,
    others: &'a [Schema],
}

impl Builder<'_> {
    /// `namespace` is that of the record around it.
    fn add(&mut self, schema: &Schema, namespace: Option<&str>) -> Result<At, CodecError> {
        let part = match schema {
            Schema::Null => Part::Null,
            Schema::Boolean => Part::Boolean,
            Schema::Int => Part::Int,
            Schema::Long => Part::Long,
            Schema::Float => Part::Float,
            Schema::Double => Part::Double,
            Schema::Bytes | Schema::BigDecimal => Part::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Part::String,
            Schema::Date => Part::Date,
            Schema::TimeMillis => Part::Time(Unit::Millis),
            Schema::TimeMicros => Part::Time(Unit::Micros),
            Schema::TimestampMillis => Part::Timestamp(Unit::Millis),
            Schema::TimestampMicros => Part::Timestamp(Unit::Micros),
            Schema::TimestampNanos => Part::Timestamp(Unit::Nanos),
            Schema::LocalTimestampMillis => Part::LocalTimestamp(Unit::Millis),
            Schema::LocalTimestampMicros => Part::LocalTimestamp(Unit::Micros),
            Schema::LocalTimestampNanos => Part::LocalTimestamp(Unit::Nanos),
            Schema::Uuid(UuidSchema::Bytes) => Part::Uuid { is_fixed: false },
            Schema::Array(array) => Part::Array(self.add(&array.items, namespace)?),
            Schema::Map(map) => Part::Map(self.add(&map.types, namespace)?),
            Schema::Union(union) => {
                let variants = union.variants().iter();
                let variants = variants.map(|variant| self.add(variant, namespace));
                Part::Union(variants.collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => return self.record(record, namespace),
            Schema::Enum(symbols) => {
                return Ok(self.named(
                    &symbols.name,
                    namespace,
                    Part::Enum(symbols.symbols.clone()),
                ));
            }
            Schema::Fixed(fixed) | Schema::Duration(fixed) => {
                return Ok(self.named(&fixed.name, namespace, Part::Fixed(fixed.size)));
            }
            Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                if fixed.size != 16 {
                    return Err(CodecError::new("a uuid that is fixed has 16 bytes"));
                }
                return Ok(self.named(&fixed.name, namespace, Part::Uuid { is_fixed: true }));
            }
            Schema::Decimal(decimal) => {
                let scale = decimal.scale;
                let InnerDecimalSchema::Fixed(fixed) = &decimal.inner else {
                    return Ok(self.push(Part::Decimal(Decimal { scale, size: None })));
                };
                let size = Some(fixed.size);
                let part = Part::Decimal(Decimal { scale, size });
                return Ok(self.named(&fixed.name, namespace, part));
            }
            Schema::Ref { name } => return self.reference(name, namespace),
        };
        Ok(self.push(part))
    }

    fn push(&mut self, part: Part) -> At {
        self.parts.push(part);
        self.parts.len() - 1
    }

    fn named(&mut self, name: &Name, namespace: Option<&str>, part: Part) -> At {
        let at = self.push(part);
        let name = name.fully_qualified_name(namespace).to_string();
        self.names.insert(name, at);
        at
    }

    /// Its place is known before its fields are, which may refer to it.
    fn record(&mut self, record: &RecordSchema, namespace: Option<&str>) -> Result<At, CodecError> {
        let at = self.named(&record.name, namespace, Part::Record(Vec::new()));
        let name = record.name.fully_qualified_name(namespace);
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            fields.push(Field {
                name: field.name.clone(),
                part: self.add(&field.schema, name.namespace())?,
                default: field.default.clone(),
            });
        }
        self.parts[at] = Part::Record(fields);
        Ok(at)
    }

    fn reference(&mut self, name: &Name, namespace: Option<&str>) -> Result<At, CodecError> {
        let full = name.fully_qualified_name(namespace).to_string();
        if let Some(at) = self.names.get(&full) {
            return Ok(*at);
        }
        let is_it = |other: &&Schema| other.name().is_some_and(|name| name.to_string() == full);
        let other = self.others.iter().find(is_it).ok_or_else(|| {
            CodecError::new(format!("the schema refers to `{full}`, which is nowhere"))
        })?;
        self.add(other, None)
    }
}
