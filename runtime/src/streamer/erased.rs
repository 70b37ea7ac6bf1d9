//! The contracts as objects: what the runtime holds once types are proven.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

#[cfg(feature = "cli")]
use super::Leftover;
use super::{
    Deliveries, Guarantee, Needs, Outgoing, Publish, StreamError, Streamer, Subscribe,
    SubscriptionRequest,
};

/// A future behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Streamer`] as an object.
pub(crate) trait ErasedStreamer: Send + Sync {
    fn connect(&self) -> BoxFuture<'_, Result<(), StreamError>>;
    fn prepare<'a>(&'a self, needs: &'a Needs) -> BoxFuture<'a, Result<(), StreamError>>;
    fn health(&self) -> Result<(), StreamError>;
    fn check(&self) -> Result<(), StreamError>;
    fn lacks(&self, guarantee: Guarantee) -> bool;
    #[cfg(feature = "cli")]
    fn leftovers<'a>(
        &'a self,
        needs: &'a Needs,
    ) -> BoxFuture<'a, Result<Vec<Leftover>, StreamError>>;
    #[cfg(feature = "cli")]
    fn remove<'a>(&'a self, leftover: &'a Leftover) -> BoxFuture<'a, Result<(), StreamError>>;
    fn close(&self) -> BoxFuture<'_, Result<(), StreamError>>;
    fn dead_letter_topic(&self, topic: &str) -> String;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<S: Streamer> ErasedStreamer for S {
    fn connect(&self) -> BoxFuture<'_, Result<(), StreamError>> {
        Box::pin(Streamer::connect(self))
    }

    fn prepare<'a>(&'a self, needs: &'a Needs) -> BoxFuture<'a, Result<(), StreamError>> {
        Box::pin(Streamer::prepare(self, needs))
    }

    fn health(&self) -> Result<(), StreamError> {
        Streamer::health(self)
    }

    fn check(&self) -> Result<(), StreamError> {
        Streamer::check(self)
    }

    fn lacks(&self, guarantee: Guarantee) -> bool {
        Streamer::lacks(self, guarantee)
    }

    #[cfg(feature = "cli")]
    fn leftovers<'a>(
        &'a self,
        needs: &'a Needs,
    ) -> BoxFuture<'a, Result<Vec<Leftover>, StreamError>> {
        Box::pin(Streamer::leftovers(self, needs))
    }

    #[cfg(feature = "cli")]
    fn remove<'a>(&'a self, leftover: &'a Leftover) -> BoxFuture<'a, Result<(), StreamError>> {
        Box::pin(Streamer::remove(self, leftover))
    }

    fn close(&self) -> BoxFuture<'_, Result<(), StreamError>> {
        Box::pin(Streamer::close(self))
    }

    fn dead_letter_topic(&self, topic: &str) -> String {
        Streamer::dead_letter_topic(self, topic)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// [`Publish`] as an object.
pub(crate) trait PublishAny: Send + Sync {
    fn publish<'a>(&'a self, topic: &'a str, batch: &'a mut [Outgoing]) -> BoxFuture<'a, ()>;

    fn publish_at_once(&self, topic: &str, outgoing: &mut Outgoing) -> bool {
        let _ = (topic, outgoing);
        false
    }
}

impl<S: Publish> PublishAny for S {
    fn publish<'a>(&'a self, topic: &'a str, batch: &'a mut [Outgoing]) -> BoxFuture<'a, ()> {
        Box::pin(Publish::publish(self, topic, batch))
    }

    fn publish_at_once(&self, topic: &str, outgoing: &mut Outgoing) -> bool {
        Publish::publish_at_once(self, topic, outgoing)
    }
}

/// [`Subscribe`] as an object.
pub(crate) trait SubscribeAny: Send + Sync {
    fn subscribe(
        &self,
        request: SubscriptionRequest,
    ) -> BoxFuture<'_, Result<Deliveries, StreamError>>;
}

impl<S: Subscribe> SubscribeAny for S {
    fn subscribe(
        &self,
        request: SubscriptionRequest,
    ) -> BoxFuture<'_, Result<Deliveries, StreamError>> {
        Box::pin(Subscribe::subscribe(self, request))
    }
}
