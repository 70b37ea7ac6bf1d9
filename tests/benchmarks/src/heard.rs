//! What handlers do in these benchmarks: they count.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How many were heard. Whoever waits is woken once, by the last one that is waited for.
#[derive(Clone, Debug)]
pub struct Heard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    heard: AtomicU64,
    awaited: AtomicU64,
    is_there: Notify,
    begun: Instant,
    /// How long each took, where that is asked for.
    took: Option<Mutex<Vec<Duration>>>,
}

/// What a time begins with, so that all have as many digits.
const TIMES: u64 = 1_000_000_000_000;

impl Heard {
    /// Nothing yet; it keeps how long each took, if it is asked to.
    pub fn new(keeps_times: bool) -> Self {
        Heard(Arc::new(Inner {
            heard: AtomicU64::new(0),
            awaited: AtomicU64::new(0),
            is_there: Notify::new(),
            begun: Instant::now(),
            took: keeps_times.then(Mutex::default),
        }))
    }

    /// When it is, for [`Sample::time`](crate::Sample::time), if anybody keeps it.
    pub fn now(&self) -> u64 {
        let since = self.0.took.as_ref().map(|_| self.0.begun.elapsed());
        TIMES + since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0))
    }

    /// One more, announced at this time.
    pub fn count<E>(&self, event: &E, time: u64) {
        black_box(event);
        if let Some(took) = &self.0.took {
            let took_it = Duration::from_nanos(self.now().saturating_sub(time));
            took.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(took_it);
        }
        let heard = self.0.heard.fetch_add(1, Ordering::SeqCst) + 1;
        if heard == self.0.awaited.load(Ordering::SeqCst) {
            self.0.is_there.notify_one();
        }
    }

    /// From now on, so many more are waited for.
    pub fn expect(&self, more: u64) -> u64 {
        self.0.awaited.fetch_add(more, Ordering::SeqCst) + more
    }

    /// Until there are so many.
    pub async fn wait_for(&self, awaited: u64) {
        while self.0.heard.load(Ordering::SeqCst) < awaited {
            self.0.is_there.notified().await;
        }
    }

    /// What was kept, the shortest first.
    pub fn took(&self) -> Vec<Duration> {
        let Some(took) = &self.0.took else {
            return Vec::new();
        };
        let mut took = took.lock().unwrap_or_else(PoisonError::into_inner).clone();
        took.sort_unstable();
        took
    }

    /// Forgets what was kept.
    pub fn forget(&self) {
        if let Some(took) = &self.0.took {
            took.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
