//! `MessagePack`, by `rmp-serde`: what the JSON Schema of an event says is a text is one here, too.

use std::io::Cursor;

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
    let mut deserializer = Deserializer::new(Cursor::new(payload)).with_human_readable();
    deserializer.set_max_depth(DEEPEST);
    let value = T::deserialize(&mut deserializer).map_err(CodecError::new)?;
    let read = usize::try_from(deserializer.get_ref().position()).unwrap_or(usize::MAX);
    if read < payload.len() {
        let more = payload.len() - read;
        return Err(CodecError::new(format!(
            "{more} bytes stand behind the value"
        )));
    }
    Ok(value)
}
