//! Publishing: the service's side.

#[cfg(feature = "avro")]
mod avro;
mod desk;
mod error;
mod own;
mod recode;
mod route;
mod stage;
mod within;
mod witness;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arcstr::ArcStr;

pub use error::{MarkError, PublishError, TargetError};
pub use within::Within;

#[cfg(feature = "avro")]
pub(crate) use avro::AvroForm;
pub(crate) use desk::{Desk, Log};
pub(crate) use own::OwnEvents;
pub(crate) use recode::{Form, Recoding, WrittenIn};
pub(crate) use route::{Routes, Target};
pub(crate) use witness::Witness;

use crate::error::Error;
use crate::event::{Event, EventId, Message};
use crate::store::{Appended, Mark, Store};
use crate::streamer::Origin;
use stage::{Cause, Kept, Stage};

/// Announces events. Cheap to clone.
///
/// One comes from [`Running::publisher`](crate::Running::publisher); `publish` then returns when
/// every target has confirmed the event. A handler that takes a `Publisher` gets one of its own:
/// what it publishes there is kept, and published when the handler succeeds, before its event is
/// acknowledged. If that fails, the attempt has failed; if the handler fails or panics, what it
/// published is forgotten. It carries the event that caused it: `causationid` is the id of the
/// handled event, `correlationid` that of the first one in the chain, `origin` the place where
/// that was delivered, and `traceparent` is handed on.
///
/// An event goes to each target in `stream_to`, and to each handler of this process that hears
/// the service's own events. Without a store, the latter is best effort: it waits in memory, and is
/// gone when the process ends before the handler has it.
///
/// With a [`store`](crate::store), `publish` returns when the store has the event, and it goes out
/// afterwards; what a handler published is stored at once, when it succeeds.
///
/// ```no_run
/// # use fanfare::Publisher;
/// # use fanfare::event::Event;
/// # async fn example<PostCreated: Event>(publisher: Publisher, post: PostCreated) -> fanfare::Result<()> {
/// let id = publisher.publish(post).await?;
/// println!("announced as {id}");
/// # Ok(())
/// # }
/// ```
///
/// One that knows the store of its app, `Publisher<SqliteStore>` say, also publishes
/// [`within`](Publisher::within) a transaction of your own. A handler takes it as an argument, and
/// the app does not start without that store; elsewhere it comes from
/// [`Running::publisher_with`](crate::Running::publisher_with).
pub struct Publisher<S = ()> {
    desk: Arc<Desk>,
    /// In a handler: where its events wait for its success.
    stage: Option<Arc<Stage>>,
    store: PhantomData<fn() -> S>,
}

impl<S> Clone for Publisher<S> {
    fn clone(&self) -> Self {
        Publisher {
            desk: Arc::clone(&self.desk),
            stage: self.stage.clone(),
            store: PhantomData,
        }
    }
}

impl<S> Publisher<S> {
    /// Publishes an event, and returns the id that it got.
    ///
    /// `Ok` means that the store has it, or without a store that every target has confirmed it; in
    /// a handler, that it will be published when the handler succeeds.
    ///
    /// # Errors
    /// See [`PublishError`]. Where it has several targets, those that the error does not name
    /// have the event.
    pub async fn publish<E: Event>(&self, event: E) -> Result<EventId, PublishError> {
        let route = self.desk.route::<E>()?;
        let envelope = self.desk.envelope(route, &event, self.cause())?;
        drop(event);
        let id = envelope.id().clone();
        let message = Message::Event(envelope);
        match &self.stage {
            Some(stage) => stage.keep(route, message)?,
            None => self.desk.publish(route, message).await?,
        }
        Ok(id)
    }

    /// Publishes several events, one batch to each target, and reports each by itself, in their
    /// order. A store takes all of them or none.
    pub async fn publish_all<E: Event>(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> Vec<Result<EventId, PublishError>> {
        let (mut reports, messages) = self.envelopes(events);
        let Ok(route) = self.desk.route::<E>() else {
            return reports;
        };
        let outcomes = match &self.stage {
            Some(stage) => messages
                .into_iter()
                .map(|message| stage.keep(route, message))
                .collect(),
            None => {
                let batch = messages
                    .into_iter()
                    .map(|message| (route.index, message))
                    .collect();
                self.desk.publish_all(batch).await
            }
        };
        let made = reports.iter_mut().filter(|report| report.is_ok());
        for (report, outcome) in made.zip(outcomes) {
            if let Err(error) = outcome {
                *report = Err(error);
            }
        }
        reports
    }

    /// The ids or errors of all events, and the envelopes of those that have one.
    fn envelopes<E: Event>(
        &self,
        events: impl IntoIterator<Item = E>,
    ) -> (Vec<Result<EventId, PublishError>>, Vec<Message>) {
        let mut messages = Vec::new();
        let reports = events.into_iter().map(|event| {
            let route = self.desk.route::<E>()?;
            let envelope = self.desk.envelope(route, &event, self.cause())?;
            let id = envelope.id().clone();
            messages.push(Message::Event(envelope));
            Ok(id)
        });
        (reports.collect(), messages)
    }

    fn cause(&self) -> Option<&Cause> {
        self.stage.as_ref().map(|stage| stage.cause())
    }
}

/// What the runtime does with one.
impl Publisher {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Publisher {
            desk,
            stage: None,
            store: PhantomData,
        }
    }

    /// The same, for one who knows the store.
    pub(crate) fn knowing<S: Store>(self) -> Publisher<S> {
        Publisher {
            desk: self.desk,
            stage: self.stage,
            store: PhantomData,
        }
    }

    /// One for a handler, which keeps everything until the handler succeeds.
    pub(crate) fn staged(
        desk: Arc<Desk>,
        (message, origin): (Message, Origin),
        marks_as: Option<ArcStr>,
    ) -> Self {
        let stage = Arc::new(Stage::new(Cause::new(message, origin), marks_as));
        Publisher {
            desk,
            stage: Some(stage),
            store: PhantomData,
        }
    }

    /// Publishes what was kept. From now on this publisher takes nothing any more. With a store,
    /// all of it is written at once, and the mark with it; unless the handler has done both, in a
    /// transaction of its own. Repeated is what had its mark before.
    pub(crate) async fn publish_staged(&self, mark: Option<Mark>) -> Result<Appended, Error> {
        let kept = self.stage.as_ref().map(|stage| stage.close());
        let Kept { events, marked, .. } = kept.unwrap_or_default();
        if let Some(log) = self.desk.log() {
            let committed = match (marked, &mark) {
                (Some(marked), Some(mark)) => {
                    self.desk.confirm(log, &events, mark).await?;
                    return Ok(marked);
                }
                _ => self.desk.commit(log, events, mark).await,
            };
            return committed.map_err(|error| {
                Error::msg(format!(
                    "the handler succeeded, but what it announced was not stored: {error}"
                ))
            });
        }
        let mut failed = match events.len() {
            0 => return Ok(Appended::New),
            _ => self
                .desk
                .send_all(events)
                .await
                .into_iter()
                .filter_map(Result::err),
        };
        match (failed.next(), failed.count()) {
            (None, _) => Ok(Appended::New),
            (Some(error), 0) => Err(Error::msg(format!(
                "the handler succeeded, but what it announced was not published: {error}"
            ))),
            (Some(error), more) => Err(Error::msg(format!(
                "the handler succeeded, but what it announced was not published: {error}; and {more} more"
            ))),
        }
    }

    /// Forgets what was kept. From now on this publisher takes nothing any more.
    pub(crate) fn forget_staged(&self) {
        if let Some(stage) = &self.stage {
            stage.close();
        }
    }
}

impl<S> fmt::Debug for Publisher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
