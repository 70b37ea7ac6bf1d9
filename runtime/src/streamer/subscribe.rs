//! Subscribing: a streamer that pushes; and how a streamer says which way it delivers.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;

use super::erased::SubscribeAny;
use super::ingest::{Ingest, IngestAny};
use super::poll::{Poll, Polled};
use super::{Delivery, StreamError, Streamer};

/// A streamer that handlers can be streamed from.
///
/// One line: `fn source(self: Arc<Self>) -> Source { Source::subscribe(self) }`, or `poll`, or
/// `ingest`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` delivers nothing, so no handler can be streamed from it",
    label = "streamed from one that only publishes",
    note = "name a streamer in `streamed_from` that implements `fanfare::streamer::Deliver`"
)]
pub trait Deliver: Streamer {
    /// Which way this streamer delivers. Called once for each subscription.
    fn source(self: Arc<Self>) -> Source;
}

/// The way in which a streamer delivers.
pub struct Source(pub(crate) SourceKind);

pub(crate) enum SourceKind {
    Subscribe(Arc<dyn SubscribeAny>),
    Ingest(Arc<dyn IngestAny>),
}

impl Source {
    /// By a subscription: the streamer pushes.
    pub fn subscribe<S: Subscribe>(streamer: Arc<S>) -> Self {
        Source(SourceKind::Subscribe(streamer))
    }

    /// By being asked.
    pub fn poll<S: Poll>(streamer: Arc<S>) -> Self {
        Source(SourceKind::Subscribe(Arc::new(Polled::new(streamer))))
    }

    /// By what somebody else pushes at us.
    pub fn ingest<S: Ingest>(streamer: Arc<S>) -> Self {
        Source(SourceKind::Ingest(streamer))
    }
}

/// A streamer that delivers by itself, as a stream with acknowledgements.
pub trait Subscribe: Streamer {
    /// Subscribes a group to a topic. Called once for each handler and topic, from the task that
    /// starts the app, after [`connect`](Streamer::connect).
    ///
    /// When it returns, the subscription stands: what is published from then on is delivered.
    /// An error ends the start of the app.
    ///
    /// The stream yields no more than `max_in_flight` deliveries that are not settled. While it
    /// is not polled, nothing piles up without bound. It reconnects by itself; an `Err` it yields
    /// is logged and it is polled again; its end means that no delivery will come any more.
    /// Dropping it ends the subscription: what it had fetched and not yielded goes to the group's
    /// other subscribers, and what it had yielded may still be settled.
    ///
    /// Deliveries of one stream come in order. One that is released comes again before any later
    /// one of its key that has not been yielded yet.
    fn subscribe(
        &self,
        request: SubscriptionRequest,
    ) -> impl Future<Output = Result<Deliveries, StreamError>> + Send;
}

/// The deliveries of one subscription, as they come.
pub type Deliveries = Pin<Box<dyn Stream<Item = Result<Delivery, StreamError>> + Send>>;

/// What the runtime asks of a streamer for one handler and topic.
#[derive(Clone, Debug)]
pub struct SubscriptionRequest {
    /// The topic.
    pub topic: String,
    /// Who shares the events.
    pub group: Group,
    /// The most deliveries that may be unsettled at a time: the bound on memory.
    pub max_in_flight: NonZeroUsize,
}

/// Who shares the events of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// All subscribers of this name share: each event goes to one of them. A group that the
    /// streamer does not know yet gets what is published from then on, unless the streamer's
    /// options say otherwise. What the group has not acknowledged stays its own while it has no
    /// subscriber, as long as the streamer keeps anything.
    Shared(String),
    /// This subscriber alone; it gets every event from now on, and leaves nothing behind.
    EachInstance,
}
