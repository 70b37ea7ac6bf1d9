//! JSON, by `serde_json`: no deeper than 128.

use std::cell::Cell;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::CodecError;

/// The most bytes that a thread keeps to write in.
const SHEET: usize = 16 * 1024;

thread_local! {
    /// What the thread writes in, so that a payload is allocated once, when its length is known.
    static PAPER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(super) fn write<T: Serialize>(value: &T) -> Result<Bytes, CodecError> {
    // Taken, for what is written may write something itself.
    let mut paper = PAPER.try_with(Cell::take).unwrap_or_default();
    paper.clear();
    serde_json::to_writer(&mut paper, value).map_err(CodecError::new)?;
    if paper.capacity() > SHEET {
        return Ok(Bytes::from(paper));
    }
    let payload = Bytes::copy_from_slice(&paper);
    // Gone with its thread, if that is ending.
    let _ = PAPER.try_with(|kept| kept.set(paper));
    Ok(payload)
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
