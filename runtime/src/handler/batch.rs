//! Handlers that take several events at a time.

use std::error::Error as StdError;
use std::future::Future;

use super::{Extract, Input, Needs, State};
use crate::dispatch::{BatchCall, Context, Outcome, Staged};
use crate::error::{Error, Result};
use crate::event::{Message, ReadError};
use crate::streamer::BoxFuture;

/// Something that a handler with `batch(...)` can take as an argument after its events.
///
/// That is [`State<T>`](State), and of every other extractor a `Vec`: one for each event, in their
/// order. So `Vec<Metadata>`, `Vec<Origin>` and `Vec<Publisher>`; what an event's publisher was
/// given is published when that event succeeds.
#[diagnostic::on_unimplemented(
    message = "a handler with `batch(...)` cannot take `{Self}` as an argument",
    label = "not for several events at once",
    note = "take `State<T>`, or a `Vec` of what is each event's own: `Vec<Metadata>`, `Vec<Origin>`, `Vec<Publisher>`"
)]
pub trait ExtractBatch: Sized + Send {
    /// Makes the argument, anew for each attempt. An error counts as the handler's own, for all
    /// events. There is at least one.
    fn extract_batch(events: &[Context]) -> impl Future<Output = Result<Self>> + Send;

    /// As [`Extract::needs`].
    fn needs(needs: &mut Needs) {
        let _ = needs;
    }
}

#[diagnostic::do_not_recommend]
impl<T: Extract> ExtractBatch for Vec<T> {
    async fn extract_batch(events: &[Context]) -> Result<Self> {
        let mut extracted = Vec::with_capacity(events.len());
        for event in events {
            extracted.push(T::extract(event).await?);
        }
        Ok(extracted)
    }

    fn needs(needs: &mut Needs) {
        T::needs(needs);
    }
}

impl<T: Clone + Send + Sync + 'static> ExtractBatch for State<T> {
    async fn extract_batch(events: &[Context]) -> Result<Self> {
        match events {
            [first, ..] => State::extract(first).await,
            [] => Err(Error::msg("a batch without events")),
        }
    }

    fn needs(needs: &mut Needs) {
        needs.state::<T>();
    }
}

/// What a handler with `batch(...)` may return: `Result<()>` for all of its events, or
/// `Vec<Result<()>>` with an outcome for each in their order; also within a `Result`, so that `?`
/// fails them all.
#[diagnostic::on_unimplemented(
    message = "a handler with `batch(...)` returns `Result<()>` or `Vec<Result<()>>`, and this one returns `{Self}`",
    label = "neither success nor error can be read from this",
    note = "write `-> fanfare::Result<()>` for one outcome of all, or `-> Vec<fanfare::Result<()>>` for one of each"
)]
pub trait BatchResult {
    /// The one form that the runtime knows: one for each event, or an error for all.
    fn into_results(self, events: usize) -> Result<Vec<Result<()>>>;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn StdError + Send + Sync>>> BatchResult for Vec<Result<(), E>> {
    fn into_results(self, _: usize) -> Result<Vec<Result<()>>> {
        let each = self.into_iter();
        Ok(each
            .map(|result| result.map_err(Error::from_boxed))
            .collect())
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn StdError + Send + Sync>>> BatchResult for Result<(), E> {
    fn into_results(self, events: usize) -> Result<Vec<Result<()>>> {
        self.map_err(Error::from_boxed)?;
        Ok((0..events).map(|_| Ok(())).collect())
    }
}

#[diagnostic::do_not_recommend]
impl<E, F> BatchResult for Result<Vec<Result<(), F>>, E>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
    F: Into<Box<dyn StdError + Send + Sync>>,
{
    fn into_results(self, events: usize) -> Result<Vec<Result<()>>> {
        self.map_err(Error::from_boxed)?.into_results(events)
    }
}

/// The events of a batch, and why some of it are none.
#[derive(Debug)]
pub struct Batch<E> {
    events: Vec<E>,
    contexts: Vec<Context>,
    unreadable: Vec<Option<ReadError>>,
}

/// A handler of batches, called.
type Calling = BoxFuture<'static, Result<Vec<Outcome>>>;

/// Reads each event of a batch, and checks it.
pub fn read_batch<E: Input>(
    contexts: Vec<Context>,
    check: fn(&Message, &E) -> Result<(), ReadError>,
) -> Batch<E> {
    let mut batch = Batch {
        events: Vec::with_capacity(contexts.len()),
        contexts: Vec::with_capacity(contexts.len()),
        unreadable: Vec::with_capacity(contexts.len()),
    };
    for context in contexts {
        let read = E::read(context.readable());
        match read.and_then(|event| check(context.readable(), &event).map(|()| event)) {
            Ok(event) => {
                batch.events.push(event);
                batch.contexts.push(context);
                batch.unreadable.push(None);
            }
            Err(error) => batch.unreadable.push(Some(error)),
        }
    }
    batch
}

impl<E> Batch<E> {
    /// Calls the handler with those that could be read, unless there is none.
    pub fn call(self, handler: fn(Vec<E>, Vec<Context>) -> Calling) -> BatchCall {
        let is_empty = self.events.is_empty();
        BatchCall {
            call: (!is_empty).then(|| handler(self.events, self.contexts)),
            unreadable: self.unreadable,
        }
    }
}

/// How each event of a batch ended.
pub fn outcomes(results: Result<Vec<Result<()>>>, contexts: Vec<Context>) -> Result<Vec<Outcome>> {
    let results = results?;
    if results.len() != contexts.len() {
        return Err(Error::msg(format!(
            "the handler returned {} outcomes for {} events: return one for each, in their order",
            results.len(),
            contexts.len()
        )));
    }
    let staged = contexts.into_iter().map(Context::into_staged);
    let each = results.into_iter().zip(staged);
    Ok(each
        .map(|(result, staged): (_, Staged)| result.map(|()| staged))
        .collect())
}
