//! What a handler has published, until it succeeds.

use std::sync::{Mutex, PoisonError};

use arcstr::ArcStr;

use super::PublishError;
use super::route::Route;
use crate::event::cloudevents::extension::{CAUSATION_ID, CORRELATION_ID, TRACEPARENT};
use crate::event::{AttributeValue, Message, printable};
use crate::streamer::Origin;

/// The extension that holds the place where the first event of a chain was delivered.
const ORIGIN: &str = "origin";

/// The event that a handler is busy with: what it publishes is caused by that.
pub(super) struct Cause {
    message: Message,
    origin: Origin,
}

impl Cause {
    pub(super) fn new(message: Message, origin: Origin) -> Self {
        Cause { message, origin }
    }

    /// What everything that it causes carries.
    pub(super) fn extensions(&self) -> Vec<(ArcStr, AttributeValue)> {
        let mut extensions = Vec::with_capacity(4);
        let mut carry = |name: &'static str, value| extensions.push((ArcStr::from(name), value));
        let event = self.message.event();
        let inherited = |name| event.and_then(|event| event.extension(name)).cloned();
        if let Some(event) = event {
            let id = AttributeValue::from(event.id().to_string());
            carry(
                CORRELATION_ID,
                inherited(CORRELATION_ID).unwrap_or_else(|| id.clone()),
            );
            carry(CAUSATION_ID, id);
        }
        if let Some(trace) = inherited(TRACEPARENT) {
            carry(TRACEPARENT, trace);
        }
        let first = inherited(ORIGIN);
        carry(
            ORIGIN,
            first.unwrap_or_else(|| printable(&self.origin).into()),
        );
        extensions
    }
}

/// What a handler has published, until it succeeds.
pub(super) struct Stage {
    cause: Cause,
    /// None once the handler is over.
    kept: Mutex<Option<Vec<(usize, Message)>>>,
}

impl Stage {
    pub(super) fn new(cause: Cause) -> Self {
        Stage {
            cause,
            kept: Mutex::new(Some(Vec::new())),
        }
    }

    pub(super) fn cause(&self) -> &Cause {
        &self.cause
    }

    pub(super) fn keep(&self, route: &Route, message: Message) -> Result<(), PublishError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *kept {
            Some(kept) => {
                kept.push((route.index, message));
                Ok(())
            }
            None => Err(PublishError::HandlerEnded { event: route.event }),
        }
    }

    /// Ends the keeping, and gives what was kept.
    pub(super) fn close(&self) -> Vec<(usize, Message)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take().unwrap_or_default()
    }
}
