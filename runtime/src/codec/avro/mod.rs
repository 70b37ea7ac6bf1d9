//! Avro, in the data model of JSON: bytes become JSON text and back, by a schema.
//!
//! The parser and the decoder are our own, for both read what others wrote. `apache-avro`, the witness of
//! the tests, clones what a schema names wherever it is named, follows a recursive schema as deep as a
//! payload leads, reserves what a payload claims (up to 512 MB), and takes a truncated text for null.
//! Ours follow nothing, go no deeper than JSON, claim nothing, and read only what is there.

mod derive;
mod logical;
mod parse;
mod read;
mod shape;
mod write;

use std::fmt;

use serde_json::Value;

use super::CodecError;

pub(crate) use derive::NoForm;
pub(crate) use parse::LONGEST_SCHEMA;
pub(crate) use shape::Shape;

/// The schema of an event.
#[derive(Debug)]
pub(crate) struct AvroSchema {
    /// As the registry gets it.
    pub(crate) text: String,
    pub(crate) shape: Shape,
}

impl AvroSchema {
    /// As it is given.
    pub(crate) fn given(text: &str) -> Result<Self, CodecError> {
        let shape = Shape::parse(text, &[])?;
        write::check_defaults(&shape).map_err(|fault| CodecError::new(fault.to_string()))?;
        let text = text.to_owned();
        Ok(AvroSchema { text, shape })
    }

    /// Of an event of this name, from its JSON Schema.
    pub(crate) fn derived(name: &str, schema: &Value) -> Result<Self, NoForm> {
        let text = derive::derive(name, schema)?.to_string();
        let parsed = Shape::parse(&text, &[]);
        let shape = parsed.map_err(|error| NoForm {
            path: String::new(),
            words: error.to_string(),
        })?;
        Ok(AvroSchema { text, shape })
    }
}

/// As deep as JSON: each level takes its share of the stack.
const DEEPEST: usize = 127;

/// What a payload in Confluent's wire format begins with: a zero, and the id of its schema.
const MAGIC: u8 = 0;
const HEAD: usize = 5;

/// The id of the schema, and what is written by it. `None` where it is not in Confluent's wire format.
pub(crate) fn framed(payload: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = payload.split_at_checked(HEAD)?;
    let (magic, id) = head.split_first()?;
    let id = u32::from_be_bytes(id.try_into().ok()?);
    (*magic == MAGIC).then_some((id, rest))
}

/// Reads what was written by a schema: as JSON text.
pub(crate) fn to_json(shape: &Shape, datum: &[u8]) -> Result<Vec<u8>, CodecError> {
    read::read(shape, datum).map_err(|fault| CodecError::new(fault.to_string()))
}

/// Reads a whole message by the text of its schema: for a test, which asks no registry.
#[cfg(feature = "testing")]
pub(crate) fn message_to_json(schema: &str, message: &[u8]) -> Result<Vec<u8>, CodecError> {
    let (_, datum) = framed(message).ok_or_else(|| CodecError::new(NOT_FRAMED))?;
    to_json(&Shape::parse(schema, &[])?, datum)
}

/// What is wrong with a message that has no head.
pub(crate) const NOT_FRAMED: &str =
    "it is not in Confluent's wire format, which begins with a zero and the id of a schema";

/// Writes JSON text by a schema, in Confluent's wire format.
pub(crate) fn from_json(shape: &Shape, id: u32, json: &[u8]) -> Result<Vec<u8>, CodecError> {
    let value: Value = serde_json::from_slice(json).map_err(CodecError::new)?;
    let mut payload = vec![MAGIC];
    payload.extend(id.to_be_bytes());
    write::write(shape, &value, json.len(), &mut payload)
        .map_err(|fault| CodecError::new(fault.to_string()))?;
    Ok(payload)
}

/// What is wrong, and where in the value.
#[derive(Debug)]
struct Fault {
    /// From the inside out.
    path: Vec<String>,
    words: String,
}

impl Fault {
    fn new(words: impl Into<String>) -> Self {
        Fault {
            path: Vec::new(),
            words: words.into(),
        }
    }

    /// The same, within this field or item.
    fn within(mut self, place: impl fmt::Display) -> Self {
        // A hostile one may be deep.
        if self.path.len() < 16 {
            self.path.push(format!("{place:.100}"));
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            let path: Vec<_> = self.path.iter().rev().map(String::as_str).collect();
            write!(f, "`{}`: ", path.join("."))?;
        }
        f.write_str(&self.words)
    }
}

/// What a value is, for people.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
