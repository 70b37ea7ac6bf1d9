//! Events on the wire: the envelope, both modes of `CloudEvents` 1.0.2, and the official SDKs of
//! Rust and Python as witnesses, in both directions.

mod binary;
mod cases;
mod envelope;
mod generated;
mod python_peer;
mod python_sdk;
mod refused;
mod rust_sdk;
mod structured;
