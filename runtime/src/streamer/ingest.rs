//! Ingesting: what somebody else pushes at us.

use super::{StreamError, Streamer};
use crate::event::{Foreign, Message};

/// A streamer whose events are pushed at the service: a webhook, a cloud provider's call.
///
/// The service's own HTTP server (or whatever takes the call) hands the request to an
/// [`Ingester`](crate::Ingester), which answers when every handler of the topic is done, so that
/// the caller repeats what was not.
pub trait Ingest: Streamer {
    /// Turns one request into the messages it holds, in order; none is a fine answer.
    ///
    /// `raw` comes from outside and may be hostile: check its signature here, if it has one. An
    /// error refuses the whole request, delivers nothing, and is shown to the caller. Must not
    /// block. Called from many tasks at once; not for what comes after a shutdown has begun.
    fn transform_events(&self, raw: Foreign, topic: &str) -> Result<Vec<Message>, StreamError>;
}

/// [`Ingest`] as an object.
pub(crate) trait IngestAny: Send + Sync {
    fn transform_events(&self, raw: Foreign, topic: &str) -> Result<Vec<Message>, StreamError>;
}

impl<S: Ingest> IngestAny for S {
    fn transform_events(&self, raw: Foreign, topic: &str) -> Result<Vec<Message>, StreamError> {
        Ingest::transform_events(self, raw, topic)
    }
}
