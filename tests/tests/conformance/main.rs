//! The conformance suite on every streamer, each against the real thing.

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(all(feature = "amqp", feature = "kafka", feature = "nats"))]
mod table;
