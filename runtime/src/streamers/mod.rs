//! The streamers that come with fanfare, each behind a feature of its name.

#[cfg(any(feature = "kafka", feature = "nats", feature = "amqp"))]
mod access;
#[cfg(feature = "amqp")]
mod amqp;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "nats")]
mod nats;

#[cfg(any(feature = "kafka", feature = "nats", feature = "amqp"))]
pub use access::{Secret, Tls};
#[cfg(feature = "amqp")]
pub use amqp::{Amqp, QueueType, Unroutable};
#[cfg(feature = "kafka")]
pub use kafka::Kafka;
#[cfg(feature = "memory")]
pub use memory::Memory;
#[cfg(feature = "nats")]
pub use nats::Nats;
