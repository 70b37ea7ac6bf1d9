//! What a handler gets where it says nothing: the one place for these numbers.

use std::num::NonZeroUsize;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// How often and how fast a handler is tried, and how much it is given at a time.
///
/// | what | default |
/// |---|---|
/// | attempts | 5 |
/// | first pause | 100 ms |
/// | factor | 2 |
/// | longest pause | 30 s |
/// | jitter | up to the pause once more |
/// | deliveries in flight | 256 |
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// The most attempts at one delivery, the first among them.
    pub(crate) attempts: usize,
    /// The pause after the first failure; each next one is twice as long.
    pub(crate) shortest: Duration,
    /// The longest pause.
    pub(crate) longest: Duration,
    /// The most deliveries that are not settled: the bound on memory.
    pub(crate) in_flight: NonZeroUsize,
}

impl Policy {
    pub(crate) const DEFAULT: Policy = Policy {
        attempts: 5,
        shortest: Duration::from_millis(100),
        longest: Duration::from_secs(30),
        in_flight: NonZeroUsize::new(256).expect("not zero"),
    };

    /// The pauses between the attempts: one fewer than attempts.
    pub(crate) fn pauses(&self) -> ExponentialBackoff {
        self.growing().with_max_times(self.attempts - 1).build()
    }

    /// Pauses without an end, for what must not be given up.
    pub(crate) fn endless_pauses(&self) -> ExponentialBackoff {
        self.growing().without_max_times().build()
    }

    fn growing(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(self.shortest)
            .with_max_delay(self.longest)
            .with_jitter()
    }
}
