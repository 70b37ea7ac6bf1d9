//! What a handler has published, until it succeeds.

use std::sync::{Mutex, MutexGuard, PoisonError};

use arcstr::ArcStr;

use super::route::Route;
use super::{MarkError, PublishError};
use crate::event::cloudevents::extension::{CAUSATION_ID, CORRELATION_ID, TRACEPARENT};
use crate::event::{AttributeValue, Message, printable};
use crate::store::{Appended, Entry, Mark};
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
    /// What marks call the handler; none where it does not deduplicate.
    marks_as: Option<ArcStr>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
pub(super) struct Kept {
    pub(super) events: Vec<(usize, Message)>,
    /// There when the handler has marked its event as handled, in a transaction of its own: what
    /// that said last.
    pub(super) marked: Option<Appended>,
    /// Whether the handler is over.
    is_over: bool,
}

impl Stage {
    pub(super) fn new(cause: Cause, marks_as: Option<ArcStr>) -> Self {
        Stage {
            cause,
            marks_as,
            kept: Mutex::default(),
        }
    }

    pub(super) fn cause(&self) -> &Cause {
        &self.cause
    }

    pub(super) fn keep(&self, route: &Route, message: Message) -> Result<(), PublishError> {
        let mut kept = self.kept();
        let event = route.event;
        match &*kept {
            Kept { is_over: true, .. } => Err(PublishError::HandlerEnded { event }),
            Kept {
                marked: Some(_), ..
            } => Err(PublishError::AfterMark { event }),
            _ => {
                kept.events.push((route.index, message));
                Ok(())
            }
        }
    }

    /// The mark of the event, and with it what was kept. From now on nothing more is.
    pub(super) fn mark(&self) -> Result<Entry, MarkError> {
        let handler = self.marks_as.as_deref();
        let handler = handler.ok_or(MarkError::NotDeduplicated)?;
        let event = self.cause.message.event().ok_or(MarkError::NoId)?;
        let mut kept = self.kept();
        if kept.is_over {
            return Err(MarkError::HandlerEnded);
        }
        // Before it is written: whatever comes of that, nothing is to be stored without it.
        kept.marked = Some(Appended::New);
        let events = kept.events.iter();
        Ok(Entry {
            events: events
                .filter_map(|(_, message)| message.event().cloned())
                .collect(),
            mark: Some(Mark::of(handler, event)),
        })
    }

    /// The mark was there.
    pub(super) fn is_repeated(&self) {
        self.kept().marked = Some(Appended::Repeated);
    }

    /// Ends the keeping, and gives what was kept.
    pub(super) fn close(&self) -> Kept {
        let over = Kept {
            is_over: true,
            ..Kept::default()
        };
        std::mem::replace(&mut self.kept(), over)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
