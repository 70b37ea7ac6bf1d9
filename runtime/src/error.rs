//! One error for all that can go wrong in a handler or in `main`.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::event::printable;

/// What fanfare's functions and a user's handlers return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, with its causes.
///
/// Made by `?` from every `std` error. `Display` and `Debug` both write it for a person, with its
/// causes, so that `fn main() -> fanfare::Result<()>` ends readably.
///
/// A handler that returns one is tried again by its policy. It can say otherwise, if it returns
/// `fanfare::Result` (or `Result<(), Box<dyn Error + Send + Sync>>`); in an `anyhow::Error` its
/// word is lost, and it is tried again:
///
/// ```
/// use std::time::Duration;
///
/// use fanfare::{Error, Result};
///
/// fn charge(cents: u64) -> Result<()> {
///     match cents {
///         0 => Err(Error::reject("nothing to charge")),
///         1_000_000.. => Err(Error::retry_after(Duration::from_secs(60))),
///         _ => Ok(()),
///     }
/// }
/// # assert!(charge(0).is_err());
/// ```
pub struct Error {
    error: Box<dyn StdError + Send + Sync>,
    verdict: Verdict,
}

/// What becomes of the event whose handler failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What the handler's policy says.
    ByPolicy,
    /// Another attempt after this time, if the policy has one left.
    RetryAfter(Duration),
    /// The dead letters, at once.
    Reject,
}

impl Error {
    /// An error from a sentence, or from another error.
    pub fn msg(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error {
            error: error.into(),
            verdict: Verdict::ByPolicy,
        }
    }

    /// Asks for the next attempt after this time, rather than after the policy's pause. It counts
    /// as an attempt: after the last one, the event goes to the dead letters all the same.
    pub fn retry_after(pause: Duration) -> Self {
        Error {
            verdict: Verdict::RetryAfter(pause),
            ..Error::msg(format!(
                "the handler asks for another attempt after {pause:?}"
            ))
        }
    }

    /// Sends the event to the dead letters at once, with this reason: another attempt would end
    /// the same.
    pub fn reject(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error {
            verdict: Verdict::Reject,
            ..Error::msg(reason)
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The same once more, as far as a text can say it.
    pub(crate) fn repeat(&self) -> Self {
        Error {
            verdict: self.verdict,
            ..Error::msg(self.to_string())
        }
    }

    /// Keeps an [`Error`] that was boxed on the way what it was.
    pub(crate) fn from_boxed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match error.into().downcast::<Boxed>() {
            Ok(boxed) => boxed.0,
            Err(error) => Error::msg(error),
        }
    }

    /// The error as it was before `?` took it, if it is of this type.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        let mut said = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Error::msg(error)
    }
}

/// An [`Error`] where a `std` error is asked for.
struct Boxed(Error);

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for Boxed {}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(Boxed(error))
    }
}

/// What was said with a panic.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    if let Some(words) = panic.downcast_ref::<&str>() {
        printable(words)
    } else if let Some(words) = panic.downcast_ref::<String>() {
        printable(words)
    } else {
        "without words".to_owned()
    }
}
