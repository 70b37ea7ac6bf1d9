//! `MessagePack`, by `rmp-serde`.

use std::io::Cursor;

use rmp_serde::Deserializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;

/// As deep as JSON: each level takes its share of the stack.
const DEEPEST: usize = 128;

/// Fields by their names, so that they may come and go.
pub(super) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    rmp_serde::to_vec_named(value).map_err(CodecError::new)
}

pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CodecError> {
    let mut deserializer = Deserializer::new(Cursor::new(payload));
    deserializer.set_max_depth(DEEPEST);
    let value = T::deserialize(&mut deserializer).map_err(CodecError::new)?;
    let read = usize::try_from(deserializer.position()).unwrap_or(usize::MAX);
    if read < payload.len() {
        let more = payload.len() - read;
        return Err(CodecError::new(format!(
            "{more} bytes stand behind the value"
        )));
    }
    Ok(value)
}
