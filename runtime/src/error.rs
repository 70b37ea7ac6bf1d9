//! One error for all that can go wrong in a handler or in `main`.

use std::error::Error as StdError;
use std::fmt;

/// What fanfare's functions and a user's handlers return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error, with its causes.
///
/// Made by `?` from every `std` error. `Display` and `Debug` both write it for a person, with its
/// causes, so that `fn main() -> fanfare::Result<()>` ends readably.
pub struct Error(Box<dyn StdError + Send + Sync>);

impl Error {
    /// An error from a sentence, or from another error.
    pub fn msg(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error(error.into())
    }

    /// Keeps an [`Error`] that was boxed on the way what it was.
    pub(crate) fn from_boxed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        match error.into().downcast::<Boxed>() {
            Ok(boxed) => boxed.0,
            Err(error) => Error(error),
        }
    }

    /// The error as it was before `?` took it, if it is of this type.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut said = self.0.to_string();
        let mut cause = self.0.source();
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
        Error(Box::new(error))
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
