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
mod guarantee;
mod ingest;
pub(crate) mod inlet;
mod needs;
mod poll;
mod publish;
pub(crate) mod queue;
mod subscribe;

use std::future::{Future, ready};

pub use delivery::{Acknowledge, Delivery, Origin, Position, Settlement};
pub use guarantee::Guarantee;
pub use ingest::Ingest;
pub use needs::{Leftover, Needs};
pub use poll::Poll;
pub use publish::{Outgoing, Publish, StreamError};
pub use subscribe::{Deliver, Deliveries, Group, Source, Subscribe, SubscriptionRequest};

#[doc(hidden)]
pub use erased::BoxFuture;

pub(crate) use erased::{ErasedStreamer, PublishAny, SubscribeAny};
pub(crate) use ingest::IngestAny;
pub(crate) use inlet::Inlet;
pub(crate) use subscribe::SourceKind;

/// A connection to something that carries events.
///
/// A value of it stands in the configuration, made without touching the network. The runtime
/// calls [`connect`](Streamer::connect) once, before anything else, and only if the linked code
/// mentions the streamer; then [`prepare`](Streamer::prepare) once, before the first publish and
/// subscription; and [`close`](Streamer::close) once, after the last publish, delivery and
/// acknowledgement. All three come from the task that starts or ends the app; everything between
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

    /// Sees to it that the topics are there that the service needs, and that nothing in the
    /// streamer's options is against it: creates what is missing where its options say so, and else
    /// gives an error that lists all that is missing. Creates nothing that is not needed, and
    /// removes nothing. An error ends the start of the app.
    fn prepare(&self, needs: &Needs) -> impl Future<Output = Result<(), StreamError>> + Send {
        let _ = needs;
        ready(Ok(()))
    }

    /// Whether it is connected as far as it knows, and if not, why: for health checks, many times
    /// a second if need be. Asks nobody and waits for nothing.
    fn health(&self) -> Result<(), StreamError> {
        Ok(())
    }

    /// Whether its options can be right, as far as that is seen without a connection, a file or a
    /// secret: before anything is connected, and wherever the app is only
    /// [checked](crate::App::check), in a unit test, say.
    fn check(&self) -> Result<(), StreamError> {
        Ok(())
    }

    /// Whether it cannot give this, of what its type promises: for one that is chosen at run time.
    /// Asked before it is connected, for each handler that needs it; yes keeps the app from starting.
    fn lacks(&self, guarantee: Guarantee) -> bool {
        let _ = guarantee;
        false
    }

    /// What the broker keeps for groups of this service that no handler has any more, by their
    /// names: those begin with the service's and a dot. Groups that were named by hand are not
    /// found. Called after [`connect`](Streamer::connect), with nothing subscribed. Changes nothing.
    fn leftovers(
        &self,
        needs: &Needs,
    ) -> impl Future<Output = Result<Vec<Leftover>, StreamError>> + Send {
        let _ = needs;
        ready(Ok(Vec::new()))
    }

    /// Removes what [`leftovers`](Streamer::leftovers) has listed, with the events that wait for it.
    /// Only ever called because an operator has asked for it. An error where somebody still
    /// subscribes to the group.
    fn remove(&self, leftover: &Leftover) -> impl Future<Output = Result<(), StreamError>> + Send {
        let error = format!("this streamer keeps nothing for {leftover}");
        ready(Err(StreamError::new(error)))
    }

    /// Sends what is still queued (acknowledgements among it) and closes. An error is logged.
    /// What was confirmed or acknowledged before must survive; after it, publishing is an error,
    /// and what was subscribed through it ends.
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
