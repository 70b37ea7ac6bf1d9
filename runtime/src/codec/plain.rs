//! Any payload in the data model of JSON: as its JSON Schema speaks of it, and another codec writes it.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A value as JSON would have it: what is no number there is `null`, keys are texts, and bytes are
/// arrays of numbers.
#[derive(Debug)]
pub(crate) struct Plain(pub(crate) Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadPlain)
    }
}

struct ReadPlain;

impl<'de> Visitor<'de> for ReadPlain {
    type Value = Plain;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON can say")
    }

    fn visit_unit<E: Error>(self) -> Result<Plain, E> {
        Ok(Plain(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Plain, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Plain, D::Error> {
        Plain::deserialize(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<Plain, D::Error> {
        Plain::deserialize(value)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Plain, E> {
        Ok(Plain(value.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Plain, E> {
        Ok(Plain(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Plain, E> {
        Ok(Plain(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Plain, E> {
        Ok(Plain(number.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Plain, E> {
        Ok(Plain(text.into()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Plain, E> {
        Ok(Plain(text.into()))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Plain, E> {
        Ok(Plain(bytes.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Plain, A::Error> {
        // What it claims to hold may be a lie.
        let mut read = Vec::new();
        while let Some(Plain(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Plain(read.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Plain, A::Error> {
        let mut read = Map::new();
        while let Some(key) = members.next_key_seed(Key)? {
            let Plain(value) = members.next_value()?;
            read.insert(key, value);
        }
        Ok(Plain(read.into()))
    }
}

/// The name of a field, which other codecs than JSON may have as a number.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        match Plain::deserialize(deserializer)?.0 {
            Value::String(text) => Ok(text),
            key @ (Value::Bool(_) | Value::Number(_)) => Ok(key.to_string()),
            _ => Err(D::Error::custom("a key is no text")),
        }
    }
}
