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

use std::time::Duration;

/// How long a step may take on a real broker: its disk may stand still for a while, where others write
/// much. One that hangs ends sooner, with the streamer's own reason.
const PATIENCE: Duration = Duration::from_mins(2);
