//! What a streamer says that cannot be used, or not once more: each of them the same.

use crate::streamer::StreamError;

pub(super) const CLOSED: &str = "the streamer is closed";

pub(super) fn closed() -> StreamError {
    StreamError::new(CLOSED)
}

pub(super) fn not_connected() -> StreamError {
    StreamError::new("the streamer is not connected")
}

pub(super) fn connected_already() -> StreamError {
    StreamError::new("the streamer is connected already")
}
