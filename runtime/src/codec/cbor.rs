//! CBOR, by `ciborium`, in the data model of JSON: what the JSON Schema of an event says is a text is
//! one here, too (an id, an address), which `ciborium` alone would write as bytes. So bytes are
//! arrays of numbers, and there is no NaN and no infinity.

use std::io;

use ciborium::de::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CodecError;

/// As deep as JSON: each level takes its share of the stack.
const DEEPEST: usize = 128;

/// Fields by their names, so that they may come and go.
pub(super) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let value = serde_json::to_value(value).map_err(CodecError::new)?;
    let mut payload = Vec::new();
    ciborium::into_writer(&value, &mut payload)
        .map_err(|error| CodecError::new(error.to_string()))?;
    Ok(payload)
}

pub(super) fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CodecError> {
    serde_json::from_value(value(payload)?).map_err(|error| match value(payload) {
        Ok(again) => CodecError::in_field::<T, _>(&error, again),
        Err(_) => CodecError::new(error),
    })
}

fn value(payload: &[u8]) -> Result<Value, CodecError> {
    let mut rest = payload;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEEPEST);
    let value = value.map_err(|error| CodecError::new(words(error)))?;
    if !rest.is_empty() {
        let more = rest.len();
        return Err(CodecError::new(format!(
            "{more} bytes stand behind the value"
        )));
    }
    Ok(value)
}

/// `ciborium` has none of its own.
fn words(error: Error<io::Error>) -> String {
    match error {
        Error::Io(_) => "it ends too early".to_owned(),
        Error::Syntax(at) => format!("what stands at byte {at} is no CBOR"),
        Error::Semantic(_, words) => words,
        Error::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    }
}
