//! Who watches what becomes of the deliveries: a test.

use crate::event::Message;
use crate::publisher::Witness;
use crate::streamer::Origin;

/// Told by the workers of an app, from their tasks, what they do; and by its publishers. Must not
/// block.
pub(crate) trait Observer: Witness {
    /// An attempt begins.
    fn attempting(&self, about: &About<'_>, attempt: u32);

    /// An attempt has ended; `failed` says why it failed, if it did.
    fn attempted(&self, about: &About<'_>, attempt: u32, failed: Option<&str>);

    /// The attempt under way does not count: the event is handled again as if for the first time.
    fn took_back(&self, about: &About<'_>);

    /// The delivery goes to the dead letters.
    fn gave_up(&self, about: &About<'_>, attempts: u32, reason: &str);

    /// The delivery to this handler from there is settled, whatever became of it.
    fn settled(&self, handler: &'static str, origin: &Origin);
}

/// Which delivery it is about.
#[cfg_attr(
    not(feature = "testing"),
    allow(dead_code, reason = "only a test looks at it")
)]
pub(crate) struct About<'a> {
    pub(crate) handler: &'static str,
    pub(crate) message: &'a Message,
    pub(crate) origin: &'a Origin,
}
