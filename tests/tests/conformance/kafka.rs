//! The conformance suite on a real broker.
