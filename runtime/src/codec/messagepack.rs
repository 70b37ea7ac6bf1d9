//! `MessagePack`, by `rmp-serde`: what the JSON Schema of an event says is a text is one here, too.

use std::io::Cursor;

use rmp_serde::config::{DefaultConfig, HumanReadableConfig};
use rmp_serde::decode::{Error, ReadReader};
use rmp_serde::{Deserializer, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;

/// As deep as JSON: each level takes its share of the stack.
const DEEPEST: usize = 128;

/// Fields by their names, so that they may come and go.
pub(super) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut payload = Vec::with_capacity(128);
    let serializer = Serializer::new(&mut payload).with_struct_map();
    let mut serializer = serializer.with_human_readable();
    value.serialize(&mut serializer).map_err(CodecError::new)?;
    Ok(payload)
}

pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CodecError> {
    let mut deserializer = deserializer(payload);
    let value = T::deserialize(&mut deserializer).map_err(|error| refused::<T>(payload, error))?;
    let read = usize::try_from(deserializer.get_ref().position()).unwrap_or(usize::MAX);
    if read < payload.len() {
        let more = payload.len() - read;
        return Err(CodecError::new(format!(
            "{more} bytes stand behind the value"
        )));
    }
    Ok(value)
}

type Payload<'a> = Deserializer<ReadReader<Cursor<&'a [u8]>>, HumanReadableConfig<DefaultConfig>>;

fn deserializer(payload: &[u8]) -> Payload<'_> {
    let mut deserializer = Deserializer::new(Cursor::new(payload)).with_human_readable();
    deserializer.set_max_depth(DEEPEST);
    deserializer
}

#[cold]
fn refused<T: DeserializeOwned>(payload: &[u8], error: Error) -> CodecError {
    let is_of_a_field = !matches!(
        error,
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) | Error::DepthLimitExceeded
    );
    let words = words(error);
    if is_of_a_field {
        CodecError::in_field::<T, _>(&words, &mut deserializer(payload))
    } else {
        CodecError::new(words)
    }
}

/// Those of `rmp-serde` are of Rust, some of them.
fn words(error: Error) -> String {
    match error {
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) => "it ends too early".to_owned(),
        Error::TypeMismatch(_) => "something else stands there than is expected".to_owned(),
        Error::OutOfRange => "the number is too large or too small".to_owned(),
        Error::LengthMismatch(_) => "the list or map is of another length".to_owned(),
        Error::Uncategorized(words) | Error::Syntax(words) => words,
        Error::Utf8Error(_) => "a text is not in UTF-8".to_owned(),
        Error::DepthLimitExceeded => "it is nested too deeply".to_owned(),
    }
}
