//! A place in the log that this instance works at.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Ownership, Page, Query, Start, Store, StoreError, Which};

/// How often it is asked whether the other instance is gone that works with a cursor.
const ASK: Duration = Duration::from_secs(1);

/// How far a cursor may lag behind what was found to be of no concern to it.
const LAG: u64 = 1000;

/// A cursor, and the right to move it.
pub(super) struct Place {
    store: Arc<dyn Store>,
    cursor: String,
    of: Which,
    /// Where the cursor stands.
    kept: u64,
    /// What was read, or found to be of no concern.
    pub(super) read: u64,
    pub(super) ownership: Ownership,
}

impl Place {
    /// Takes the cursor, when no other instance has it. `None` when it is to stop.
    pub(super) async fn take(
        store: &Arc<dyn Store>,
        cursor: &str,
        start: Start,
        of: Which,
        stop: &CancellationToken,
    ) -> Option<Place> {
        loop {
            let owned = stop
                .run_until_cancelled(persist(cursor, stop, || store.own(cursor)))
                .await??;
            if let Some(ownership) = owned {
                let at = persist(cursor, stop, || store.cursor(cursor, start)).await?;
                return Some(Place {
                    store: Arc::clone(store),
                    cursor: cursor.to_owned(),
                    of,
                    kept: at,
                    read: at,
                    ownership,
                });
            }
            stop.run_until_cancelled(sleep(ASK)).await?;
        }
    }

    /// The next events, at most so many; none where there is nothing new.
    pub(super) async fn next(&mut self, max: usize) -> Result<Page, StoreError> {
        let query = Query {
            after: self.read,
            of: self.of.clone(),
            max,
        };
        let page = self.store.read(&query).await?;
        self.read = page.up_to.max(self.read);
        Ok(page)
    }

    /// Everything up to here is done with. False where the cursor is not where it was left:
    /// somebody has set it, or works with it.
    pub(super) async fn done(&mut self, up_to: u64) -> Result<bool, StoreError> {
        if up_to == self.kept {
            return Ok(true);
        }
        let moved = self.store.advance(&self.cursor, self.kept, up_to).await?;
        if moved {
            self.kept = up_to;
        }
        Ok(moved)
    }

    /// Both at once: [`done`](Place::done) with what was streamed, and the [`next`](Place::next)
    /// events. `None` where the cursor is not where it was left.
    pub(super) async fn done_and_next(
        &mut self,
        up_to: Option<u64>,
        max: usize,
    ) -> Result<Option<Page>, StoreError> {
        let query = Query {
            after: self.read,
            of: self.of.clone(),
            max,
        };
        let moved = async {
            match up_to {
                Some(up_to) => self.store.advance(&self.cursor, self.kept, up_to).await,
                None => Ok(true),
            }
        };
        let (moved, page) = tokio::join!(moved, self.store.read(&query));
        if !moved? {
            return Ok(None);
        }
        self.kept = up_to.unwrap_or(self.kept);
        let page = page?;
        self.read = page.up_to.max(self.read);
        Ok(Some(page))
    }

    /// As [`done`](Place::done), for what was of no concern: not at once.
    pub(super) async fn passed(&mut self, up_to: u64) -> Result<bool, StoreError> {
        if up_to.saturating_sub(self.kept) < LAG {
            return Ok(true);
        }
        self.done(up_to).await
    }
}

/// Asks the store until it answers without an error, or the asking is to stop.
pub(super) async fn persist<'a, T>(
    what: &str,
    stop: &CancellationToken,
    mut ask: impl FnMut() -> super::StoreFuture<'a, T>,
) -> Option<T> {
    let mut pauses = PAUSES.build();
    loop {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error) => {
                let pause = pauses.next().unwrap_or(LONGEST);
                tracing::warn!(cursor = what, %error, "the store fails; it is tried again in {pause:?}");
                stop.run_until_cancelled(sleep(pause)).await?;
            }
        }
    }
}

const LONGEST: Duration = Duration::from_secs(30);

/// Pauses without an end, for what must not be given up.
pub(super) const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(LONGEST)
    .without_max_times()
    .with_jitter();
