//! Begun.

/// Begun.
pub struct Kafka;
