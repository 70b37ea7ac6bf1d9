//! What reads what comes from outside: each takes any bytes, and panics where a promise is broken.
//!
//! The fuzz targets look for bytes that break one; the test `corpora` reads those that are known. What
//! is read and written again reads the same.

mod avro;
mod envelopes;
mod payloads;
mod texts;

pub use avro::{avro, avro_schema};
pub use envelopes::{binary, envelope, structured};
pub use payloads::{cbor, json, messagepack};
pub use texts::{schemas, topology, url};
