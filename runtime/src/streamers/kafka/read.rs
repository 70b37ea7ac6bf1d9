//! From a record to a message.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Headers, Message as _};

use crate::event::Message;
use crate::event::cloudevents::KAFKA;

/// Reads a record. One without a value has an empty payload, as has a header.
pub(super) fn read(record: &BorrowedMessage<'_>) -> Message {
    // The wrapper panics at a name that is no UTF-8, which only a broken client writes.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let headers = record.headers().into_iter().flat_map(Headers::iter);
        let headers = headers.map(|header| (header.key, header.value.unwrap_or_default()));
        KAFKA.read(headers, None, payload(record))
    }));
    let mut message = read.unwrap_or_else(|_| {
        let (partition, offset) = (record.partition(), record.offset());
        tracing::warn!(
            partition,
            offset,
            "a record has a header whose name is no text: it is read without its headers"
        );
        let none: [(&str, &[u8]); 0] = [];
        KAFKA.read(none, None, payload(record))
    });
    if let Some(key) = record.key() {
        message.adopt_key(key);
    }
    message
}

fn payload(record: &BorrowedMessage<'_>) -> Bytes {
    Bytes::copy_from_slice(record.payload().unwrap_or_default())
}
