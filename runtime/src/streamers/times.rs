//! The times that all streamers have alike: in their options, and between their attempts.

use std::time::Duration;

#[cfg(any(feature = "kafka", feature = "nats", feature = "amqp"))]
use backon::ExponentialBuilder;
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// How long publishing waits, if not said.
pub(super) fn publish_timeout() -> Duration {
    Duration::from_secs(30)
}

/// A time in a configuration file: a text such as `30s`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let signed: SignedDuration = text.parse().map_err(D::Error::custom)?;
    Duration::try_from(signed).map_err(D::Error::custom)
}

#[cfg(any(feature = "kafka", feature = "nats", feature = "amqp"))]
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Pauses between attempts at what does not work.
#[cfg(any(feature = "kafka", feature = "nats", feature = "amqp"))]
pub(super) const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(LONGEST_PAUSE)
    .without_max_times()
    .with_jitter();
