//! Who watches what becomes of the deliveries: a test.

use crate::event::Message;
use crate::streamer::Origin;

/// Told by the workers of an app, from their tasks, what they do. Must not block.
pub(crate) trait Observer: Send + Sync {
    /// An attempt has ended; `failed` says why it failed, if it did.
    fn attempted(&self, about: &About<'_>, attempt: u32, failed: Option<&str>);

    /// The delivery goes to the dead letters.
    fn gave_up(&self, about: &About<'_>, attempts: u32, reason: &str);

    /// A delivery is settled, whatever became of it.
    fn settled(&self);
}

/// Which delivery it is about.
pub(crate) struct About<'a> {
    pub(crate) handler: &'static str,
    pub(crate) message: &'a Message,
    pub(crate) origin: &'a Origin,
}
