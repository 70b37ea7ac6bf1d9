//! What is known of an event beside its payload.

use std::time::SystemTime;

use super::Extract;
use crate::dispatch::Context;
use crate::error::Result;
use crate::event::cloudevents::extension::{CAUSATION_ID, CORRELATION_ID, TRACEPARENT};
use crate::event::{AttributeValue, Envelope, EventId, Message};

/// What is known of an event beside its payload: an extractor.
///
/// Everything but the attempt is `None` for a message that is no CloudEvent.
#[derive(Clone, Debug)]
pub struct Metadata {
    envelope: Option<Envelope>,
    attempt: u32,
}

impl Metadata {
    /// The event's id, unique within its source.
    pub fn id(&self) -> Option<&EventId> {
        Some(self.envelope.as_ref()?.id())
    }

    /// Who announced it: the service's name, where it is one of fanfare's.
    pub fn source(&self) -> Option<&str> {
        Some(self.envelope.as_ref()?.source())
    }

    /// The event's name.
    pub fn name(&self) -> Option<&str> {
        Some(self.envelope.as_ref()?.kind())
    }

    /// When it was announced.
    pub fn time(&self) -> Option<SystemTime> {
        self.envelope.as_ref()?.time()
    }

    /// The key that orders it among its like.
    pub fn key(&self) -> Option<&str> {
        self.envelope.as_ref()?.key()
    }

    /// The id that everything caused by one first event shares.
    pub fn correlation_id(&self) -> Option<&AttributeValue> {
        self.extension(CORRELATION_ID)
    }

    /// The id of the event whose handler published this one.
    pub fn causation_id(&self) -> Option<&AttributeValue> {
        self.extension(CAUSATION_ID)
    }

    /// The W3C trace context that it travels in.
    pub fn trace_parent(&self) -> Option<&AttributeValue> {
        self.extension(TRACEPARENT)
    }

    /// Any other CloudEvents extension.
    pub fn extension(&self, name: &str) -> Option<&AttributeValue> {
        self.envelope.as_ref()?.extension(name)
    }

    /// Which attempt at handling it this is; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

impl Extract for Metadata {
    async fn extract(context: &Context) -> Result<Self> {
        let envelope = match context.message() {
            Message::Event(envelope) => Some(envelope.clone()),
            Message::Foreign(_) => None,
        };
        Ok(Metadata {
            envelope,
            attempt: context.attempt(),
        })
    }
}
