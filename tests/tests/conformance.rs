//! The conformance suite on `Memory`.

use std::num::NonZeroUsize;
use std::time::Duration;

use fanfare::event::Foreign;
use fanfare::streamer::StreamError;
use fanfare::streamers::Memory;
use fanfare::testing::conformance::{Capability, Factory};

struct Memories(Memory);

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
        Capability::RawPublish,
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

    async fn publish_raw(&self, topic: &str, raw: Foreign) -> Result<(), StreamError> {
        fanfare_tests::try_publish(&self.0, topic, raw).await
    }
}

fanfare::conformance!(Memories);
