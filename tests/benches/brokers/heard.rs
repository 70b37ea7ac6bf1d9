//! What handlers do in these benches: they count.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::sample::Sample;

/// How many were heard. Whoever waits is woken once, by the last one that is waited for: a thread
/// that is woken by each would cost more than what is measured.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Count>);

#[derive(Default)]
struct Count {
    heard: AtomicU64,
    awaited: AtomicU64,
    is_there: Notify,
}

impl Heard {
    /// One more.
    pub(super) fn count(&self, sample: &Sample) {
        black_box(sample);
        let heard = self.0.heard.fetch_add(1, Ordering::SeqCst) + 1;
        if heard == self.0.awaited.load(Ordering::SeqCst) {
            self.0.is_there.notify_one();
        }
    }

    /// Until so many are heard beyond those that were waited for before.
    pub(super) async fn wait_for(&self, more: u64) {
        let awaited = self.0.awaited.fetch_add(more, Ordering::SeqCst) + more;
        while self.0.heard.load(Ordering::SeqCst) < awaited {
            self.0.is_there.notified().await;
        }
    }
}
