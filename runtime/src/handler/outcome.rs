//! How a handler ends.

use std::error::Error as StdError;

use crate::error::Error;

/// What a handler may return: `Result<(), E>` with any error that `?` makes, also `anyhow`'s.
#[diagnostic::on_unimplemented(
    message = "a handler returns `Result<()>`, and this one returns `{Self}`",
    label = "neither success nor error can be read from this",
    note = "write `-> fanfare::Result<()>` and end with `Ok(())`: an error is how an event is tried again"
)]
pub trait HandlerResult {
    /// The one form that the runtime knows.
    fn into_result(self) -> Result<(), Error>;
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> HandlerResult for Result<(), E> {
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Error::from_boxed)
    }
}
