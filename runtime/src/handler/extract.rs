//! Extractors: the arguments of a handler after the event.

use std::any::{Any, TypeId, type_name};
use std::future::Future;

use crate::dispatch::Context;
use crate::error::{Error, Result};
use crate::publisher::Publisher;
use crate::store::Store;
use crate::streamer::Origin;

/// Something that a handler can take as an argument after the event.
///
/// fanfare has [`State`], [`Metadata`](super::Metadata), [`Origin`], [`Publisher`] and
/// [`RawEvent`](super::RawEvent). Write your own for what your handlers share:
///
/// ```
/// use fanfare::handler::{Context, Extract, Needs, State};
/// use fanfare::prelude::*;
///
/// #[derive(Clone)]
/// struct Pool;
/// impl Pool {
///     async fn get(&self) -> Result<Connection> { Ok(Connection) }
/// }
///
/// /// A connection of its own for each event.
/// struct Connection;
///
/// impl Extract for Connection {
///     async fn extract(context: &Context) -> Result<Self> {
///         let State(pool) = State::<Pool>::extract(context).await?;
///         pool.get().await
///     }
///
///     fn needs(needs: &mut Needs) {
///         State::<Pool>::needs(needs);
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no extractor, so a handler cannot take it as an argument",
    label = "no extractor",
    note = "take `State<T>`, `Metadata`, `Origin`, `Publisher` or `RawEvent`, or implement `fanfare::handler::Extract` for it"
)]
pub trait Extract: Sized + Send {
    /// Makes the argument, anew for each attempt. An error counts as the handler's own: it is
    /// logged and retried.
    fn extract(context: &Context) -> impl Future<Output = Result<Self>> + Send;

    /// Says what the app must provide, so that [`App::check`](crate::App::check) finds it missing
    /// before the first event does. The default asks for nothing.
    fn needs(needs: &mut Needs) {
        let _ = needs;
    }
}

/// What the extractors of a handler need of the app.
#[derive(Debug, Default)]
pub struct Needs {
    pub(crate) states: Vec<(TypeId, &'static str)>,
    /// The store that it publishes within transactions of.
    pub(crate) store: Option<(TypeId, &'static str)>,
}

impl Needs {
    /// Asks for a state of this type.
    pub fn state<T: Any>(&mut self) {
        self.states.push((TypeId::of::<T>(), type_name::<T>()));
    }
}

/// A state that the app was given with [`App::state`](crate::App::state), cloned for each call.
///
/// Give it an `Arc`, a pool, a handle: what is cheap to clone. That an app lacks it is found at
/// its start, with all that is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct State<T>(pub T);

impl<T: Clone + Send + Sync + 'static> Extract for State<T> {
    async fn extract(context: &Context) -> Result<Self> {
        match context.state::<T>() {
            Some(state) => Ok(State(state.clone())),
            None => Err(Error::msg(format!(
                "the app has no state of type `{}`: add `.state(...)`",
                type_name::<T>()
            ))),
        }
    }

    fn needs(needs: &mut Needs) {
        needs.state::<T>();
    }
}

impl Extract for Origin {
    async fn extract(context: &Context) -> Result<Self> {
        Ok(context.origin().clone())
    }
}

impl Extract for Publisher {
    async fn extract(context: &Context) -> Result<Self> {
        Ok(context.publisher().clone())
    }
}

impl<S: Store> Extract for Publisher<S> {
    async fn extract(context: &Context) -> Result<Self> {
        Ok(context.publisher().clone().knowing())
    }

    fn needs(needs: &mut Needs) {
        needs.store = Some((TypeId::of::<S>(), type_name::<S>()));
    }
}
