//! Who tells the readers of the log that there is something new.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Store;

/// How often the log is looked at for what others have written: another instance, or a
/// transaction of the user's.
const LOOK: Duration = Duration::from_millis(200);

/// How long it is remembered that a handler has handled an event.
const REMEMBERED: Duration = Duration::from_hours(30 * 24);

/// How often older marks are removed.
const PRUNING: Duration = Duration::from_hours(1);

/// Tells the readers of the log that there is something new.
#[derive(Clone, Default)]
pub(crate) struct Wake(watch::Sender<()>);

/// A reader's ear.
pub(crate) struct Waking(watch::Receiver<()>);

impl Wake {
    pub(crate) fn all(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn listen(&self) -> Waking {
        Waking(self.0.subscribe())
    }

    /// Looks at the log, and forgets old marks, until it is stopped.
    pub(crate) async fn watch(self, store: Arc<dyn Store>, stop: CancellationToken) {
        // Side by side: the marks may take long.
        let both = async { tokio::join!(self.look(&*store), forget_marks(&*store)) };
        stop.run_until_cancelled(both).await;
    }

    async fn look(&self, store: &dyn Store) {
        let mut seen = 0;
        let mut failing = false;
        loop {
            sleep(LOOK).await;
            match store.end().await {
                Ok(end) => {
                    if end != seen {
                        seen = end;
                        self.all();
                    }
                    failing = false;
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "the store cannot be read; it is tried again");
                    }
                    failing = true;
                }
            }
        }
    }
}

async fn forget_marks(store: &dyn Store) {
    sleep(LOOK).await;
    loop {
        let before = SystemTime::now() - REMEMBERED;
        if let Err(error) = store.prune_marks(before).await {
            tracing::warn!(%error, "old marks of handled events could not be removed; it is tried again later");
        }
        sleep(PRUNING).await;
    }
}

impl Waking {
    /// What is there now has been looked at, or is about to be.
    pub(crate) fn forget(&mut self) {
        self.0.mark_unchanged();
    }

    /// Until there is something that was not there at the last [`forget`](Waking::forget).
    pub(crate) async fn woken(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left to wake it.
            std::future::pending::<()>().await;
        }
    }
}
