//! Begun.

/// Begun.
pub struct Nats;
