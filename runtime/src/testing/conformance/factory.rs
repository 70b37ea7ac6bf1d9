//! What the suite has to know of a streamer.

use std::fmt;
use std::future::{Future, ready};
use std::time::Duration;

use crate::event::{Foreign, Message};
use crate::streamer::{Deliver, Publish, StreamError};

/// Makes the streamers that the suite tests.
///
/// Each test makes a factory of its own with [`open`](Factory::open), and as many connections to
/// the same broker as it needs with [`streamer`](Factory::streamer). Tests run side by side, so
/// what one publishes must not reach another: by topics of its own, or by a broker of its own.
pub trait Factory: Send + Sync + Sized + 'static {
    /// What is tested. One that delivers by [`Ingest`](crate::streamer::Ingest) alone has no
    /// subscription that could be tested, and fails at the first.
    type Streamer: Publish + Deliver;

    /// What it promises beyond the contract. A behaviour that needs more than this is not tested,
    /// and the test says so in its output.
    const CAPABILITIES: &'static [Capability];

    /// How long one step may take before it has failed. A test that passes never waits so long:
    /// be generous on a real broker.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// How long the suite listens for what must not come. A longer time finds more, and is spent
    /// on each test that passes.
    const QUIET: Duration = Duration::from_millis(250);

    /// The size of the largest payload that must travel: 1 MiB, unless the protocol has a lower
    /// limit.
    const LARGE_PAYLOAD: usize = 1 << 20;

    /// Gets ready what one test needs: a broker, or a part of one that is shared.
    fn open() -> impl Future<Output = Result<Self, StreamError>> + Send;

    /// A connection to the broker, as the configuration of a service would hold it: the suite
    /// connects and closes it. It must be able to hold 5,000 events of a topic that nobody has
    /// acknowledged.
    fn streamer(&self) -> Self::Streamer;

    /// Gets a topic ready, and says what it is called. `name` is one that no test has used before;
    /// another name has to be as different from all others as this one is. With
    /// [`Capability::Groups`] a topic has at least two streams, so that two can share it.
    ///
    /// Where a test has dead letters, it asks for their topic too, by the name that the streamer
    /// has for it ([`dead_letter_topic`](crate::streamer::Streamer::dead_letter_topic)): what it is
    /// called then is not looked at.
    fn topic(&self, name: String) -> impl Future<Output = Result<String, StreamError>> + Send {
        ready(Ok(name))
    }

    /// Stops the broker and starts it again, for [`Capability::Restart`]; done when it is there
    /// again.
    fn restart(&self) -> impl Future<Output = Result<(), StreamError>> + Send {
        ready(Err(StreamError::new("no restart is written")))
    }

    /// Publishes as a stranger does who knows nothing of fanfare: with the broker's own client, and
    /// with the payload, the headers and the media type as they are. For
    /// [`Capability::RawPublish`].
    fn publish_raw(
        &self,
        topic: &str,
        raw: Foreign,
    ) -> impl Future<Output = Result<(), StreamError>> + Send {
        let _ = (topic, raw);
        ready(Err(StreamError::new("no raw publish is written")))
    }

    /// A message that the streamer refuses to publish, for [`Capability::Refusal`]: too large,
    /// say.
    fn refused(&self) -> Option<Message> {
        None
    }
}

/// What a streamer promises beyond what every streamer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// [`Groups`](crate::streamer::Groups): subscribers of a group share the events.
    Groups,
    /// [`OrderedByKey`](crate::streamer::OrderedByKey): events of one key come in order.
    OrderedByKey,
    /// [`Durable`](crate::streamer::Durable): what is confirmed survives a crash of the broker.
    Durable,
    /// It takes [`Group::EachInstance`](crate::streamer::Group::EachInstance).
    EachInstance,
    /// A shared group keeps what it has not acknowledged, and gets what is published, while it
    /// has no subscriber.
    Backlog,
    /// A release with a delay holds the delivery back.
    DelayedRelease,
    /// How many attempts at a delivery were made comes back with it when it was released.
    Attempts,
    /// The headers of a message that is no event travel with it, and its media type.
    Headers,
    /// The value of a header may be any bytes, and its name may repeat.
    BinaryHeaders,
    /// The key of a message that is no event travels with it.
    Key,
    /// The factory can [restart](Factory::restart) the broker.
    Restart,
    /// Strangers publish to the broker, and the factory [can](Factory::publish_raw).
    RawPublish,
    /// The factory knows a message that is [refused](Factory::refused).
    Refusal,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
