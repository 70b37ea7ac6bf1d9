//! CBOR, by `ciborium`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;

/// As deep as JSON: each level takes its share of the stack.
const DEEPEST: usize = 128;

/// Fields by their names, so that they may come and go.
pub(super) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut payload = Vec::new();
    ciborium::into_writer(value, &mut payload)
        .map_err(|error| CodecError::new(error.to_string()))?;
    Ok(payload)
}

pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CodecError> {
    let mut rest = payload;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEEPEST);
    let value = value.map_err(|error| CodecError::new(error.to_string()))?;
    if rest.is_empty() {
        Ok(value)
    } else {
        let more = rest.len();
        Err(CodecError::new(format!(
            "{more} bytes stand behind the value"
        )))
    }
}
