//! The contracts between fanfare and what carries events.
//!
//! A [`Streamer`] is a connection. It implements [`Publish`], and one of [`Subscribe`], [`Poll`]
//! and [`Ingest`], and says which in [`Deliver`]. The runtime turns all three into one stream of
//! [`Delivery`]s, so that the rest of fanfare knows one.
//!
//! | trait | who has the initiative | for |
//! |---|---|---|
//! | [`Subscribe`] | the streamer pushes | brokers |
//! | [`Poll`] | the runtime asks | logs, tables, feeds |
//! | [`Ingest`] | a stranger calls | webhooks, what a cloud provider pushes |
//!
//! A streamer of your own is proven by the suite that fanfare's own pass: one factory and
//! `fanfare::conformance!`, with the feature `conformance`.
//!
//! What a streamer can promise is said by marker traits ([`Durable`], [`OrderedByKey`],
//! [`Groups`]): `guarantee(durable)` on a handler does not compile on a streamer that is not.

mod delivery;
mod erased;
mod ingest;
pub(crate) mod inlet;
mod poll;
mod publish;
pub(crate) mod queue;
mod subscribe;

use std::future::{Future, ready};

pub use delivery::{Acknowledge, Delivery, Origin, Position, Settlement};
pub use ingest::Ingest;
pub use poll::Poll;
pub use publish::{Outgoing, Publish, StreamError};
pub use subscribe::{Deliver, Deliveries, Group, Source, Subscribe, SubscriptionRequest};

#[doc(hidden)]
pub use erased::BoxFuture;

pub(crate) use erased::{AnyStreamer, PublishAny, SubscribeAny};
pub(crate) use ingest::IngestAny;
pub(crate) use inlet::Inlet;
pub(crate) use subscribe::SourceKind;

/// A connection to something that carries events.
///
/// A value of it stands in the configuration, made without touching the network. The runtime
/// calls [`connect`](Streamer::connect) once, before anything else, and only if the linked code
/// mentions the streamer; and [`close`](Streamer::close) once, after the last publish, delivery
/// and acknowledgement. Both come from the task that starts or ends the app; everything between
/// comes from many tasks at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no streamer",
    label = "no streamer",
    note = "a field of a `#[derive(Streamers)]` struct is a connection such as `Memory`, or a type of your own that implements `fanfare::streamer::Streamer`"
)]
pub trait Streamer: Send + Sync + 'static {
    /// Opens the connection. An error ends the start of the app and is shown to its operator:
    /// say what could not be reached, and hold back secrets. Must be safe to drop half way.
    fn connect(&self) -> impl Future<Output = Result<(), StreamError>> + Send {
        ready(Ok(()))
    }

    /// Sends what is still queued (acknowledgements among it) and closes. An error is logged.
    /// What was confirmed or acknowledged before must survive; after it, publishing is an error.
    fn close(&self) -> impl Future<Output = Result<(), StreamError>> + Send {
        ready(Ok(()))
    }

    /// The topic that takes what a handler could not handle, where the handler names none.
    /// `topic` is where the event came from.
    fn dead_letter_topic(&self, topic: &str) -> String {
        format!("{topic}.dead-letters")
    }
}

/// The streamer keeps what it has confirmed across a crash of any process, its own included.
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps nothing across a crash, so it cannot give `guarantee(durable)`",
    label = "asks for a guarantee that this streamer cannot give",
    note = "take `durable` out of `guarantee(...)`, or stream from one that keeps events"
)]
pub trait Durable: Streamer {}

/// The streamer delivers events of one key in the order in which they were published.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not keep the order of events of one key, so it cannot give `guarantee(ordered)`",
    label = "asks for a guarantee that this streamer cannot give",
    note = "take `ordered` out of `guarantee(...)`, or stream from one that orders by key"
)]
pub trait OrderedByKey: Streamer {}

/// Subscribers of one group share the events of a topic; each group gets all of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no groups: every subscriber hears every event",
    label = "asks to share the events within a group",
    note = "write `group = each_instance`, or stream from one that has groups"
)]
pub trait Groups: Streamer {}
