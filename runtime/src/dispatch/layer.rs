//! tower layers around handlers.

use std::error::Error as StdError;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::Context;
use crate::error::{Error, Result};
use crate::event::Message;
use crate::streamer::{BoxFuture, Origin};

/// The call of a handler on its way through the layers of [`App::layer`](crate::App::layer): one
/// attempt at one event, or at a batch. Its payload is decoded; its extractors are still to come.
pub struct Call {
    handler: &'static str,
    events: Vec<Called>,
    work: BoxFuture<'static, Result<()>>,
}

/// An event that a handler is called with.
#[derive(Clone, Debug)]
pub struct Called {
    message: Message,
    origin: Origin,
    attempt: u32,
}

impl Call {
    pub(super) fn new(
        handler: &'static str,
        events: Vec<Called>,
        work: BoxFuture<'static, Result<()>>,
    ) -> Self {
        Call {
            handler,
            events,
            work,
        }
    }

    /// The handler's name.
    pub fn handler(&self) -> &'static str {
        self.handler
    }

    /// What it is called with: one event, or those of a batch.
    pub fn events(&self) -> &[Called] {
        &self.events
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("handler", &self.handler)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl Called {
    pub(super) fn with(context: &Context) -> Self {
        Called {
            message: context.message().clone(),
            origin: context.origin().clone(),
            attempt: context.attempt(),
        }
    }

    /// The message as it came.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Which attempt at it this is; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// What a layer wraps: the handler itself, or what another layer has made of it.
#[derive(Clone)]
pub struct HandlerService(Option<Arc<dyn Around>>);

/// A layered service as an object.
trait Around: Send + Sync {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<()>>;
}

impl HandlerService {
    /// The handler without any layer.
    pub(crate) const BARE: HandlerService = HandlerService(None);

    pub(super) fn is_bare(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn within<L>(self, layer: &L) -> Self
    where
        L: Layer<HandlerService>,
        L::Service: CallService,
    {
        HandlerService(Some(Arc::new(Layered(layer.layer(self)))))
    }

    pub(super) fn start(&self, call: Call) -> BoxFuture<'static, Result<()>> {
        match &self.0 {
            Some(layered) => layered.call(call),
            None => call.work,
        }
    }
}

impl Service<Call> for HandlerService {
    type Response = ();
    type Error = Error;
    type Future = BoxFuture<'static, Result<()>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        self.start(call)
    }
}

impl fmt::Debug for HandlerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerService").finish_non_exhaustive()
    }
}

/// What a layer has to make of a [`HandlerService`]: a service that can be cloned and shared, whose
/// response is `()`. Not implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand around handlers",
    label = "no layer for handlers",
    note = "a layer makes a `tower_service::Service<Call>` that is `Clone + Send + Sync + 'static`, answers with `()`, and whose error is a `std::error::Error`; one that is not `Clone` goes into a layer that shares it"
)]
pub trait CallService:
    Service<Call, Response = (), Error: Into<Box<dyn StdError + Send + Sync>>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

#[diagnostic::do_not_recommend]
impl<S> CallService for S where
    S: Service<Call, Response = (), Error: Into<Box<dyn StdError + Send + Sync>>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

struct Layered<S>(S);

impl<S: CallService> Around for Layered<S> {
    fn call(&self, call: Call) -> BoxFuture<'static, Result<()>> {
        let mut service = self.0.clone();
        Box::pin(async move {
            let answered = async {
                poll_fn(|cx| service.poll_ready(cx)).await?;
                service.call(call).await
            };
            answered.await.map_err(Error::from_boxed)
        })
    }
}
