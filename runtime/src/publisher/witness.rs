//! Who watches what an app publishes: a test.

use crate::event::Message;

/// Told by the publishers of an app what they have published. Must not block.
pub(crate) trait Witness: Send + Sync {
    /// Every target has confirmed the event.
    fn announced(&self, event: &Message);
}
