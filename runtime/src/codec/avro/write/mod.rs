//! From JSON to Avro. Nothing is left out: what the schema has no place for is an error.

mod union;

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::shape::{At, Field, Part, Shape, Unit};
use super::{DEEPEST, Fault, kind, logical};

/// `length` is that of the JSON text: the longer, the more may be tried.
pub(super) fn write(
    shape: &Shape,
    value: &Value,
    length: usize,
    to: &mut Vec<u8>,
) -> Result<(), Fault> {
    let mut writer = Writer {
        shape,
        to,
        tries: TRIES.saturating_add(length),
        is_default: false,
    };
    writer.value(shape.root(), value, 0)
}

/// That all defaults of a schema are values of their types.
pub(super) fn check_defaults(shape: &Shape) -> Result<(), Fault> {
    for (field, default) in shape.defaults() {
        let mut writer = Writer {
            shape,
            to: &mut Vec::new(),
            tries: TRIES,
            is_default: false,
        };
        let written = writer.default(field.part, default, 0);
        written.map_err(|fault| Fault {
            words: format!("its default is none: {}", fault.words),
            ..fault.within(&field.name)
        })?;
    }
    Ok(())
}

/// How many branches of unions may be tried in vain for a value, beside one for each byte of it: unions in
/// unions are tried once for each branch around them. And how many defaults one default may take in.
const TRIES: usize = 10_000;

struct Writer<'a> {
    shape: &'a Shape,
    to: &'a mut Vec<u8>,
    tries: usize,
    /// Whether it is at a default, which is written otherwise than an event.
    is_default: bool,
}

impl Writer<'_> {
    fn value(&mut self, at: At, value: &Value, depth: usize) -> Result<(), Fault> {
        if depth > DEEPEST {
            return Err(Fault::new(format!(
                "the value is nested deeper than {DEEPEST}"
            )));
        }
        let shape = self.shape;
        let part = shape.part(at);
        let given = self.is_default.then(|| as_given(part, value)).flatten();
        match (part, given.as_ref().unwrap_or(value)) {
            (Part::Null, Value::Null) => {}
            (Part::Boolean, Value::Bool(truth)) => self.to.push(u8::from(*truth)),
            (Part::Int, Value::Number(number)) => {
                self.long(int(whole(number)?)?);
            }
            (Part::Long, Value::Number(number)) => self.long(whole(number)?),
            (Part::Float, Value::Number(number)) => {
                #[allow(clippy::cast_possible_truncation, reason = "looked at afterwards")]
                let short = float(number)? as f32;
                if short.is_infinite() {
                    return Err(beyond(number, "a float"));
                }
                self.to.extend(short.to_le_bytes());
            }
            (Part::Double, Value::Number(number)) => self.to.extend(float(number)?.to_le_bytes()),
            (Part::Bytes, Value::Array(numbers)) => {
                let bytes = bytes(numbers)?;
                self.counted(&bytes);
            }
            (Part::Fixed(size), Value::Array(numbers)) if numbers.len() == *size => {
                self.to.extend(bytes(numbers)?);
            }
            (Part::Fixed(size), Value::Array(numbers)) => {
                let words = format!("{size} bytes are to come, and there are {}", numbers.len());
                return Err(Fault::new(words));
            }
            (Part::String, Value::String(text)) => self.counted(text.as_bytes()),
            (Part::Enum(symbols), Value::String(text)) => {
                let nth = symbols.iter().position(|symbol| symbol == text);
                self.count(nth.ok_or_else(|| {
                    let known = symbols.join("`, `");
                    Fault::new(format!("`{text:.100}` is none of `{known}`"))
                })?);
            }
            (Part::Union(variants), value) => self.union(variants, value, depth)?,
            (Part::Array(items), Value::Array(values)) => {
                self.block(values.len());
                for (nth, value) in values.iter().enumerate() {
                    let written = self.value(*items, value, depth + 1);
                    written.map_err(|fault| fault.within(nth))?;
                }
                self.count(0);
            }
            (Part::Map(values), Value::Object(entries)) => {
                self.block(entries.len());
                for (key, value) in entries {
                    self.counted(key.as_bytes());
                    let written = self.value(*values, value, depth + 1);
                    written.map_err(|fault| fault.within(key))?;
                }
                self.count(0);
            }
            (Part::Record(fields), Value::Object(values)) => self.record(fields, values, depth)?,
            (part, value) => self.logical(part, value)?,
        }
        Ok(())
    }

    fn record(
        &mut self,
        fields: &[Field],
        values: &Map<String, Value>,
        depth: usize,
    ) -> Result<(), Fault> {
        for field in fields {
            let written = match (values.get(&field.name), &field.default) {
                (Some(value), _) => self.value(field.part, value, depth + 1),
                (None, Some(default)) => self.default(field.part, default, depth + 1),
                (None, None) if self.may_be_null(field.part) => {
                    self.value(field.part, &Value::Null, depth + 1)
                }
                (None, None) => Err(Fault::new(
                    "it is left out, and the schema has no default for it",
                )),
            };
            written.map_err(|fault| fault.within(&field.name))?;
        }
        let is_known = |name: &String| fields.iter().any(|field| field.name == *name);
        match values.keys().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => Err(Fault::new(format!("the schema has no field `{name:.100}`"))),
        }
    }

    /// A default may hold records whose own defaults hold more: each that the value leaves out may hold
    /// as many as the next.
    fn default(&mut self, at: At, default: &Value, depth: usize) -> Result<(), Fault> {
        if self.is_default {
            self.spend("the defaults of the schema hold too many others")?;
            return self.value(at, default, depth);
        }
        let tries = std::mem::replace(&mut self.tries, TRIES);
        self.is_default = true;
        let written = self.value(at, default, depth);
        self.is_default = false;
        self.tries = tries;
        written
    }

    fn may_be_null(&self, at: At) -> bool {
        match self.shape.part(at) {
            Part::Null => true,
            Part::Union(variants) => {
                let mut parts = variants.iter().map(|variant| self.shape.part(*variant));
                parts.any(|part| matches!(part, Part::Null))
            }
            _ => false,
        }
    }

    fn spend(&mut self, words: &str) -> Result<(), Fault> {
        let left = self.tries.checked_sub(1);
        self.tries = left.ok_or_else(|| Fault::new(words))?;
        Ok(())
    }

    /// What stands for something else: from texts, or from its number.
    fn logical(&mut self, part: &Part, value: &Value) -> Result<(), Fault> {
        let number = match (part, value) {
            (Part::Date, Value::String(text)) => logical::days_of(text),
            (Part::Time(unit), Value::String(text)) => logical::time_of(text, *unit),
            (Part::Timestamp(unit), Value::String(text)) => logical::timestamp_of(text, *unit),
            (Part::LocalTimestamp(unit), Value::String(text)) => {
                logical::local_timestamp_of(text, *unit)
            }
            (
                Part::Date | Part::Time(_) | Part::Timestamp(_) | Part::LocalTimestamp(_),
                Value::Number(number),
            ) => number.as_i64(),
            (Part::Decimal(_) | Part::Uuid, _) => return self.bytes_of(part, value),
            _ => None,
        };
        let number = number.ok_or_else(|| misfit(part, value))?;
        self.long(match part {
            Part::Date | Part::Time(Unit::Millis) => int(number)?,
            _ => number,
        });
        Ok(())
    }

    fn bytes_of(&mut self, part: &Part, value: &Value) -> Result<(), Fault> {
        let (bytes, is_fixed) = match (part, value) {
            (Part::Uuid, Value::String(text)) => {
                let id = Uuid::parse_str(text).map_err(|_| misfit(part, value))?;
                (id.as_bytes().to_vec(), true)
            }
            (Part::Decimal(decimal), Value::String(text)) => {
                let bytes = logical::decimal_of(text, *decimal).map_err(Fault::new)?;
                (bytes, decimal.size.is_some())
            }
            (Part::Decimal(decimal), Value::Number(number)) => {
                let bytes = logical::decimal_of(&number.to_string(), *decimal);
                (bytes.map_err(Fault::new)?, decimal.size.is_some())
            }
            _ => return Err(misfit(part, value)),
        };
        if is_fixed {
            self.to.extend(bytes);
        } else {
            self.counted(&bytes);
        }
        Ok(())
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.to.extend(bytes);
    }

    fn block(&mut self, count: usize) {
        if count > 0 {
            self.count(count);
        }
    }

    fn count(&mut self, count: usize) {
        // Nothing in memory is longer.
        self.long(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Seven bits a byte, the lowest first; signs by turns.
    fn long(&mut self, number: i64) {
        let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
        loop {
            let [byte, ..] = left.to_le_bytes();
            left >>= 7;
            if left == 0 {
                return self.to.push(byte & 0x7F);
            }
            self.to.push(byte | 0x80);
        }
    }
}

/// A default as an event would have it: bytes are a text in Avro's own, each letter one of them.
fn as_given(part: &Part, default: &Value) -> Option<Value> {
    let bytes = || {
        let letters = default.as_str()?.chars();
        let bytes = letters.map(|letter| u8::try_from(letter).ok());
        bytes.collect::<Option<Vec<u8>>>()
    };
    match part {
        Part::Bytes | Part::Fixed(_) => bytes().map(Value::from),
        Part::Decimal(decimal) => {
            let text = logical::decimal(&bytes()?, decimal.scale);
            text.ok().map(Value::from)
        }
        Part::Uuid => {
            let id = Uuid::from_slice(&bytes()?).ok()?;
            Some(id.hyphenated().to_string().into())
        }
        _ => None,
    }
}

fn whole(number: &Number) -> Result<i64, Fault> {
    number.as_i64().ok_or_else(|| beyond(number, "a long"))
}

fn int(number: i64) -> Result<i64, Fault> {
    let fits = i32::try_from(number).map(i64::from);
    fits.map_err(|_| beyond(number, "an int"))
}

fn float(number: &Number) -> Result<f64, Fault> {
    number.as_f64().ok_or_else(|| beyond(number, "a double"))
}

fn beyond(number: impl std::fmt::Display, what: &str) -> Fault {
    Fault::new(format!("{number} does not fit into {what}"))
}

fn bytes(numbers: &[Value]) -> Result<Vec<u8>, Fault> {
    let byte = |number: &Value| number.as_u64().and_then(|number| u8::try_from(number).ok());
    let bytes: Option<_> = numbers.iter().map(byte).collect();
    bytes.ok_or_else(|| Fault::new("bytes are numbers up to 255"))
}

fn misfit(part: &Part, value: &Value) -> Fault {
    let wanted = match part {
        Part::Null => "null",
        Part::Boolean => "a truth value",
        Part::Int => "an int",
        Part::Long => "a long",
        Part::Float | Part::Double => "a number",
        Part::Bytes | Part::Fixed(_) => "bytes, as a list of numbers",
        Part::String => "a text",
        Part::Enum(_) => "a symbol of an enum",
        Part::Array(_) => "a list",
        Part::Map(_) | Part::Union(_) | Part::Record(_) => "a record or a map",
        Part::Date => "a date, such as `2026-03-01`",
        Part::Time(_) => "a time, such as `12:30:00`",
        Part::Timestamp(_) => "a time by RFC 3339, such as `2026-03-01T12:30:00Z`",
        Part::LocalTimestamp(_) => "a local time, such as `2026-03-01T12:30:00`",
        Part::Decimal(_) => "a decimal, such as `12.50`",
        Part::Uuid => "a UUID",
    };
    Fault::new(format!(
        "the schema asks for {wanted}, and this is {}",
        kind(value)
    ))
}
