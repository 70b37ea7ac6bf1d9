//! JSON, by `serde_json`: no deeper than 128.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;

pub(super) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    serde_json::to_vec(value).map_err(CodecError::new)
}

pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CodecError> {
    serde_json::from_slice(payload).map_err(|error| {
        if error.is_data() {
            let mut again = serde_json::Deserializer::from_slice(payload);
            CodecError::in_field::<T, _>(&error, &mut again)
        } else {
            CodecError::new(error)
        }
    })
}
