//! One call of a handler: within its time and its layers, and whatever panics in it is an error.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::future::FutureExt;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::inbox::Claim;
use super::layer::{Call, Called};
use super::{BatchCall, Context, Handle, Outcome, Staged, Worker};
use crate::error::{Error, Result, Verdict, words_of};
use crate::event::{ReadError, printable};
use crate::store::Appended;
use crate::streamer::BoxFuture;

/// Why an attempt failed, in words that a header and the log can take.
#[derive(Clone)]
pub(super) struct Failed {
    pub(super) reason: String,
    pub(super) verdict: Verdict,
    /// Whether the handler was not called at all, because the event cannot be read.
    pub(super) unreadable: bool,
}

impl Failed {
    fn by_panic(panic: &(dyn Any + Send)) -> Self {
        Failed {
            reason: printable(format_args!("the handler panicked: {}", words_of(panic))),
            verdict: Verdict::ByPolicy,
            unreadable: false,
        }
    }
}

/// What is made of a handler that takes one event at a time.
type HandleOne = fn(Context) -> Result<BoxFuture<'static, Outcome>, ReadError>;

/// A call that has only to be awaited.
enum Begun<'a> {
    One(BoxFuture<'a, Result<Staged>>),
    /// Of a handler that takes several, or with what cannot be read at once.
    Later(BoxFuture<'a, Result<Staged, Failed>>),
}

impl Worker {
    /// One attempt at one event: the handler, and then what it announced. Repeated is what has
    /// been handled before.
    pub(super) async fn call(
        &self,
        context: Context,
        claim: Option<&Claim>,
    ) -> Result<Appended, Failed> {
        let outcome = match self.begin(context) {
            Err(failed) => Err(failed),
            Ok(begun) => {
                let mark = claim.and_then(Claim::mark);
                let work = async {
                    let staged = match begun {
                        Begun::One(call) => call.await?,
                        Begun::Later(call) => call.await?,
                    };
                    staged
                        .publish(&self.supplies.desk, mark)
                        .await
                        .map_err(Failed::from)
                };
                self.guarded(work).await
            }
        };
        match claim {
            None => outcome,
            claim => Box::pin(self.unless_handled(outcome, claim)).await,
        }
    }

    fn begin(&self, context: Context) -> Result<Begun<'_>, Failed> {
        match self.subscription.handle {
            #[cfg(feature = "avro")]
            Handle::One(handle) if !self.is_readable(&context) => {
                Ok(Begun::Later(Box::pin(async move {
                    let context = self.readable(context).await?;
                    Ok(self.call_one(handle, context)?.await?)
                })))
            }
            Handle::One(handle) => self.call_one(handle, context).map(Begun::One),
            Handle::Batch(handle) => Ok(Begun::Later(Box::pin(async move {
                self.call_with(handle, vec![context]).await.remove(0)
            }))),
        }
    }

    /// Decodes an event, and makes the call with it.
    fn call_one(
        &self,
        handle: HandleOne,
        context: Context,
    ) -> Result<BoxFuture<'_, Result<Staged>>, Failed> {
        let about = self.called([&context]);
        let call = catch_unwind(AssertUnwindSafe(|| handle(context)));
        let call = call.map_err(|panic| Failed::by_panic(&*panic))??;
        Ok(self.layered(call, about, |_| None, Staged::default))
    }

    /// An attempt that failed comes to nothing where the store knows that the event has been
    /// handled: by another instance meanwhile, or by this attempt, before it failed.
    pub(super) async fn unless_handled(
        &self,
        outcome: Result<Appended, Failed>,
        claim: Option<&Claim>,
    ) -> Result<Appended, Failed> {
        let (Err(failed), Some(claim)) = (&outcome, claim) else {
            return outcome;
        };
        // A store that fails says nothing: the mark is made only once all the same.
        if failed.unreadable || !claim.is_marked().await.unwrap_or_default() {
            return outcome;
        }
        tracing::warn!(
            handler = self.subscription.handler,
            error = failed.reason,
            "the attempt ended with an error, but the event has been handled"
        );
        Ok(Appended::Repeated)
    }

    /// One attempt at several events: what each of them announced, or why it failed.
    pub(super) async fn call_batch(&self, contexts: Vec<Context>) -> Vec<Result<Staged, Failed>> {
        let Handle::Batch(handle) = self.subscription.handle else {
            // A batch is gathered for no other.
            return Vec::new();
        };
        let count = contexts.len();
        let called = self.guarded(async { Ok(self.call_with(handle, contexts).await) });
        match called.await {
            Ok(outcomes) => outcomes,
            Err(failed) => (0..count).map(|_| Err(failed.clone())).collect(),
        }
    }

    async fn call_with(
        &self,
        handle: fn(Vec<Context>) -> BatchCall,
        contexts: Vec<Context>,
    ) -> Vec<Result<Staged, Failed>> {
        #[cfg(feature = "avro")]
        let (contexts, failed) = self.all_readable(contexts).await;
        let mut about = self.called(&contexts);
        let BatchCall { unreadable, call } = handle(contexts);
        let mut readable = unreadable.iter().map(Option::is_none);
        about.retain(|_| readable.next().unwrap_or_default());
        let count = unreadable.iter().filter(|error| error.is_none()).count();
        let skipped = || (0..count).map(|_| Ok(Staged::default())).collect();
        let outcomes = match call {
            None => Ok(Vec::new()),
            Some(call) => {
                self.layered(call, about, |all| all_failed(all), skipped)
                    .await
            }
        };
        let mut outcomes = each_of(outcomes, count).into_iter();
        let none = || Err(Error::msg("the handler said nothing of this event"));
        let mut outcome = || outcomes.next().unwrap_or_else(none);
        let all = unreadable.into_iter().map(|unreadable| match unreadable {
            Some(error) => Err(Failed::from(error)),
            None => outcome().map_err(Failed::from),
        });
        #[cfg(feature = "avro")]
        let all = merged(failed, all);
        all.collect()
    }

    /// What the layers are told; nothing where there is none.
    fn called<'a>(&self, contexts: impl IntoIterator<Item = &'a Context>) -> Vec<Called> {
        if self.service.is_bare() {
            return Vec::new();
        }
        contexts.into_iter().map(Called::with).collect()
    }

    /// The call within its layers. `failure` is what they are told of a call that has come back;
    /// `skipped` is for a layer that does without it.
    fn layered<'a, T: Send + 'static>(
        &'a self,
        call: BoxFuture<'static, Result<T>>,
        about: Vec<Called>,
        failure: fn(&T) -> Option<Error>,
        skipped: impl FnOnce() -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        if self.service.is_bare() {
            return call;
        }
        Box::pin(self.within_layers(call, about, failure, skipped))
    }

    async fn within_layers<T: Send + 'static>(
        &self,
        call: BoxFuture<'static, Result<T>>,
        about: Vec<Called>,
        failure: fn(&T) -> Option<Error>,
        skipped: impl FnOnce() -> T,
    ) -> Result<T> {
        let (done, mut outcome) = oneshot::channel();
        let work = Box::pin(async move {
            let called = call.await?;
            let failure = failure(&called);
            // Whoever gave the call up does not hear it.
            let _ = done.send(called);
            failure.map_or(Ok(()), Err)
        });
        let call = Call::new(self.subscription.handler, about, work);
        match (self.service.start(call).await, outcome.try_recv()) {
            // Each of these has an error of its own.
            (Err(_), Ok(called)) if failure(&called).is_some() => Ok(called),
            (answer, called) => answer.map(|()| called.unwrap_or_else(|_| skipped())),
        }
    }

    /// The work within the handler's time. Whatever panics in it, or when it is dropped, is an
    /// error.
    pub(super) async fn guarded<T>(
        &self,
        work: impl Future<Output = Result<T, Failed>>,
    ) -> Result<T, Failed> {
        let ended = async {
            match self.policy().timeout {
                None => work.await,
                Some(limit) => {
                    let ended = Box::pin(timeout(limit, work)).await;
                    ended.unwrap_or_else(|_| {
                        Err(Failed {
                            reason: format!(
                                "the attempt took longer than {limit:?}, and was ended"
                            ),
                            verdict: Verdict::ByPolicy,
                            unreadable: false,
                        })
                    })
                }
            }
        };
        let ended = AssertUnwindSafe(ended).catch_unwind().await;
        ended.unwrap_or_else(|panic| Err(Failed::by_panic(&*panic)))
    }
}

/// What the layers are told of a batch: an error where none of it succeeded.
fn all_failed(outcomes: &[Outcome]) -> Option<Error> {
    let first = outcomes.first()?.as_ref().err()?;
    let all = outcomes.iter().all(Result::is_err);
    all.then(|| first.repeat())
}

/// All outcomes in their order, from those that failed before the rest was called.
#[cfg(feature = "avro")]
fn merged<T>(
    failed: Vec<Option<Failed>>,
    mut rest: impl Iterator<Item = Result<T, Failed>>,
) -> impl Iterator<Item = Result<T, Failed>> {
    failed.into_iter().filter_map(move |failed| match failed {
        Some(failed) => Some(Err(failed)),
        None => rest.next(),
    })
}

/// An error for all as one for each.
fn each_of(outcomes: Result<Vec<Outcome>>, count: usize) -> Vec<Outcome> {
    match outcomes {
        Ok(outcomes) => outcomes,
        Err(error) => (0..count).map(|_| Err(error.repeat())).collect(),
    }
}

impl From<Error> for Failed {
    /// Writes the error out and drops it: both run code of the user's, and may panic.
    fn from(error: Error) -> Self {
        let verdict = error.verdict();
        let written = catch_unwind(AssertUnwindSafe(move || printable(error)));
        let reason = written.unwrap_or_else(|panic| {
            printable(format_args!(
                "the handler failed, and its error panicked when it was written out: {}",
                words_of(&*panic)
            ))
        });
        Failed {
            reason,
            verdict,
            unreadable: false,
        }
    }
}

impl From<ReadError> for Failed {
    /// Another attempt would end the same way.
    fn from(error: ReadError) -> Self {
        Failed {
            verdict: Verdict::Reject,
            unreadable: true,
            ..Failed::from(Error::from(error))
        }
    }
}
