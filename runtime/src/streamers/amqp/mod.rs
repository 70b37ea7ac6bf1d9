//! Begun.

/// Begun.
pub struct Amqp;
