//! The streamers that come with fanfare, each behind a feature of its name.

#[cfg(feature = "amqp")]
mod amqp;
#[cfg(any(
    feature = "memory",
    feature = "kafka",
    feature = "nats",
    feature = "amqp"
))]
mod any;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "nats")]
mod nats;
#[cfg(any(feature = "kafka", feature = "nats", feature = "amqp"))]
mod state;
#[cfg(any(feature = "kafka", feature = "amqp"))]
mod texts;
#[cfg(any(
    feature = "memory",
    feature = "kafka",
    feature = "nats",
    feature = "amqp"
))]
mod times;

#[cfg(any(
    feature = "kafka",
    feature = "nats",
    feature = "amqp",
    feature = "avro"
))]
pub use crate::access::{Secret, Tls};
#[cfg(feature = "amqp")]
pub use amqp::{Amqp, QueueType, Unroutable};
#[cfg(any(
    feature = "memory",
    feature = "kafka",
    feature = "nats",
    feature = "amqp"
))]
pub use any::AnyStreamer;
#[cfg(feature = "kafka")]
pub use kafka::{Kafka, Sasl};
#[cfg(feature = "memory")]
pub use memory::Memory;
#[cfg(feature = "nats")]
pub use nats::Nats;
