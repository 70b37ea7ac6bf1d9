//! The conformance suite on `Memory`, which survives nothing that could restart, and to which no
//! stranger has a way.

use std::num::NonZeroUsize;
use std::time::Duration;

use fanfare::streamer::StreamError;
use fanfare::streamers::Memory;
use fanfare::testing::conformance::{Capability, Factory};

pub(crate) struct Memories(Memory);

impl Factory for Memories {
    type Streamer = Memory;

    const CAPABILITIES: &'static [Capability] = &[
        Capability::Groups,
        Capability::OrderedByKey,
        Capability::EachInstance,
        Capability::Backlog,
        Capability::DelayedRelease,
        Capability::Headers,
        Capability::BinaryHeaders,
        Capability::Key,
        Capability::Attempts,
    ];

    // It delivers as soon as it publishes.
    const QUIET: Duration = Duration::from_millis(20);

    async fn open() -> Result<Self, StreamError> {
        let capacity = const { NonZeroUsize::new(5_000).expect("not zero") };
        Ok(Memories(Memory::new().with_capacity(capacity)))
    }

    fn streamer(&self) -> Memory {
        self.0.clone()
    }
}

fanfare::conformance!(Memories);
