//! What dispatch hands to a handler, and what it gets back.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arcstr::ArcStr;

use crate::error::Error;
use crate::event::{Message, ReadError};
use crate::publisher::{Desk, Publisher};
use crate::store::{Appended, Mark};
use crate::streamer::{BoxFuture, Origin};

/// One event on its way into a handler: what extractors take their values from.
pub struct Context {
    message: Message,
    /// The same in a codec that is read at once, where the message is in another.
    #[cfg(feature = "avro")]
    readable: Option<Message>,
    origin: Origin,
    attempt: u32,
    supplies: Arc<Supplies>,
    staged: Staged,
}

/// What every call of a handler is given beside the event.
pub(crate) struct Supplies {
    pub(crate) states: Arc<States>,
    pub(crate) desk: Arc<Desk>,
    /// What marks call the handler; none where it does not deduplicate.
    pub(crate) marks_as: Option<ArcStr>,
}

impl Context {
    pub(crate) fn new(
        message: Message,
        origin: Origin,
        attempt: u32,
        supplies: &Arc<Supplies>,
    ) -> Self {
        Context {
            message,
            #[cfg(feature = "avro")]
            readable: None,
            origin,
            attempt,
            supplies: Arc::clone(supplies),
            staged: Staged::default(),
        }
    }

    /// The message as it came.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The message as its event is read from it.
    #[doc(hidden)]
    pub fn readable(&self) -> &Message {
        #[cfg(feature = "avro")]
        if let Some(readable) = &self.readable {
            return readable;
        }
        &self.message
    }

    /// The same, whose event is read from another form of the message.
    #[cfg(feature = "avro")]
    pub(crate) fn readable_as(self, message: Message) -> Self {
        Context {
            readable: Some(message),
            ..self
        }
    }

    /// Where it came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Which attempt this is; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The state of this type that the app was given.
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.supplies.states.get()
    }

    /// Publishes what the handler publishes: visible when it succeeds, and not otherwise.
    pub fn publisher(&self) -> &Publisher {
        self.staged.0.get_or_init(|| {
            Publisher::staged(
                Arc::clone(&self.supplies.desk),
                (self.message.clone(), self.origin.clone()),
                self.supplies.marks_as.clone(),
            )
        })
    }

    /// What the handler has published, when it has succeeded.
    #[doc(hidden)]
    pub fn into_staged(self) -> Staged {
        self.staged
    }
}

/// What a handler has published, until it is decided whether it succeeded.
///
/// Dropped undecided, also by a panic or an abort, it is forgotten, and a publisher that was kept
/// says so.
#[derive(Debug, Default)]
pub struct Staged(
    /// Made when it is first asked for: most handlers publish nothing.
    OnceLock<Publisher>,
);

impl Staged {
    /// Publishes it, now that the handler has succeeded; with the mark, where there is one.
    /// Repeated is what had its mark before.
    pub(crate) async fn publish(
        self,
        desk: &Arc<Desk>,
        mark: Option<Mark>,
    ) -> Result<Appended, Error> {
        match (self.0.get(), mark) {
            (None, None) => Ok(Appended::New),
            (Some(publisher), mark) => Box::pin(publisher.publish_staged(mark)).await,
            (None, mark) => {
                let publisher = Publisher::new(Arc::clone(desk));
                Box::pin(publisher.publish_staged(mark)).await
            }
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(publisher) = self.0.get() {
            publisher.forget_staged();
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("message", &self.message)
            .field("origin", &self.origin)
            .field("attempt", &self.attempt)
            .field("states", &self.supplies.states)
            .finish_non_exhaustive()
    }
}

/// The states that an app was given, by type.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, (&'static str, Box<dyn Any + Send + Sync>)>);

impl States {
    /// Whether there was none of this type yet.
    pub(crate) fn insert<T: Any + Send + Sync>(&mut self, state: T) -> bool {
        self.0
            .insert(TypeId::of::<T>(), (type_name::<T>(), Box::new(state)))
            .is_none()
    }

    pub(crate) fn get<T: Any>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.1.downcast_ref()
    }

    pub(crate) fn has(&self, type_id: TypeId) -> bool {
        self.0.contains_key(&type_id)
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.values().map(|(name, _)| name))
            .finish()
    }
}

/// What `#[event_handler]` makes of a function: decode at once, then a future that extracts and
/// calls.
#[derive(Clone, Copy, Debug)]
pub enum Handle {
    /// One event at a time.
    One(fn(Context) -> Result<BoxFuture<'static, Outcome>, ReadError>),
    /// Several at a time.
    Batch(fn(Vec<Context>) -> BatchCall),
}

/// How an attempt at one event ended.
pub type Outcome = Result<Staged, Error>;

/// A batch on its way into its handler.
pub struct BatchCall {
    /// For each event, why it cannot be given to the handler, if it cannot.
    pub unreadable: Vec<Option<ReadError>>,
    /// The call with all the others, if there are any: how each of them ended, or an error for
    /// all.
    pub call: Option<BoxFuture<'static, Result<Vec<Outcome>, Error>>>,
}

impl fmt::Debug for BatchCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchCall")
            .field("unreadable", &self.unreadable)
            .finish_non_exhaustive()
    }
}
