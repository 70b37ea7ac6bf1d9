//! What others push at the service, on its way to the handlers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arcstr::literal;
use tokio_util::sync::CancellationToken;

use crate::event::{Foreign, Topic, TopicName};
use crate::streamer::{Ingest, IngestAny, Inlet, StreamError};

/// How long the caller of [`Ingester::ingest`] waits for a handler that has no room.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes what others push at the service: the body and headers of a webhook, say. Cheap to clone.
///
/// It comes from [`Running::ingester`](crate::Running::ingester), and goes to whatever takes the
/// calls: an HTTP server of your own. So a service that ingests is not run by
/// [`App::run`](crate::App::run), which hands out nothing, but started:
///
/// ```no_run
/// # use fanfare::{App, Ingester};
/// # async fn serve(ingester: Ingester) {}
/// # async fn example(app: App, asked_to_end: impl Future<Output = ()>) -> fanfare::Result<()> {
/// let running = app.start().await?;
/// let server = tokio::spawn(serve(running.ingester()));
/// asked_to_end.await; // `tokio::signal::ctrl_c()`, say
/// running.shutdown().await?; // from here on, callers are told to repeat later
/// server.abort();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Ingester(Arc<Intake>);

struct Intake {
    ingested: Vec<Ingested>,
    /// Ends the taking.
    taking: CancellationToken,
}

impl Ingester {
    pub(super) fn new(ingested: Vec<Ingested>, taking: CancellationToken) -> Self {
        Ingester(Arc::new(Intake { ingested, taking }))
    }

    /// Hands over one request.
    ///
    /// `Ok` means that every handler of the topic is done with every message in it, so that the
    /// caller may forget it. Where the shutdown begins meanwhile, it means so still; what was not
    /// done by then is an error.
    ///
    /// # Errors
    /// [`IngestError`] tells whether the caller is to repeat it.
    pub async fn ingest<S: Ingest>(
        &self,
        topic: Topic<S>,
        raw: Foreign,
    ) -> Result<(), IngestError> {
        let topic = topic.name();
        if self.0.taking.is_cancelled() {
            return Err(IngestError::ShutDown);
        }
        let mut ingested = self.0.ingested.iter();
        let Some(ingested) = ingested.find(|ingested| ingested.topic.is(&topic)) else {
            return Err(IngestError::Unheard(topic));
        };
        let messages = ingested
            .streamer
            .transform_events(raw, topic.topic)
            .map_err(IngestError::Refused)?;
        let pushed = ingested.inlet.push(messages, PATIENCE).await;
        let acknowledged = pushed.map_err(IngestError::Busy)?.await;
        acknowledged
            .then_some(())
            .ok_or(IngestError::Unfinished(topic))
    }
}

impl fmt::Debug for Ingester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingester").finish_non_exhaustive()
    }
}

/// Why [`Ingester::ingest`] did not take something, and whether its sender is to repeat it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// No handler listens on the topic. Repeating it changes nothing.
    #[error("no handler listens on `{0}`: do not repeat it")]
    Unheard(TopicName),
    /// The streamer refuses it. Repeating it changes nothing.
    #[error("refused: {0}: do not repeat it")]
    Refused(StreamError),
    /// There is no room for it. Some of its messages may have been handled.
    #[error("{0}: repeat it later")]
    Busy(StreamError),
    /// Not every handler finished, because one of them has ended. Some may have.
    #[error("not every handler of `{0}` finished: repeat it later")]
    Unfinished(TopicName),
    /// The app is shut down. Nobody has seen it.
    #[error("the service is shut down: repeat it later")]
    ShutDown,
}

impl IngestError {
    /// Whether the sender is to repeat it: an HTTP server answers 503, else 400.
    pub fn is_worth_repeating(&self) -> bool {
        match self {
            IngestError::Busy(_) | IngestError::Unfinished(_) | IngestError::ShutDown => true,
            IngestError::Unheard(_) | IngestError::Refused(_) => false,
        }
    }
}

/// A topic that others push at.
pub(super) struct Ingested {
    pub(super) topic: TopicName,
    pub(super) inlet: Inlet,
    streamer: Arc<dyn IngestAny>,
}

impl Ingested {
    pub(super) fn new(topic: TopicName, streamer: Arc<dyn IngestAny>) -> Self {
        Ingested {
            topic,
            inlet: Inlet::new(literal!("ingest")),
            streamer,
        }
    }
}
