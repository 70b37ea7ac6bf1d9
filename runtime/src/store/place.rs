//! A place in the log that this instance works at.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Ownership, Page, Query, Start, Store, StoreError, Which};

/// How often it is asked whether the other instance is gone that works with a cursor.
const ASK: Duration = Duration::from_secs(1);

/// How long nothing has to be there until the cursors are moved behind all that was read.
pub(super) const REST: Duration = Duration::from_secs(1);

/// How far a cursor may lag behind what was found to be of no concern to it.
const LAG: u64 = 1000;

/// What is asked for: a right, and the cursors that go with it.
pub(super) struct Seat {
    /// What one instance at a time has the right to.
    pub(super) right: String,
    /// The cursors and, where it is of one only, the name of its events.
    pub(super) cursors: Vec<(String, Option<String>)>,
    /// Where new cursors start.
    pub(super) start: Start,
    /// What is read.
    pub(super) of: Which,
}

/// A place in the log that this instance works at: cursors, and the right to move them.
pub(super) struct Place {
    store: Arc<dyn Store>,
    cursors: Vec<Cursor>,
    of: Which,
    /// What was read, or found to be of no concern.
    read: u64,
    pub(super) ownership: Arc<Ownership>,
}

struct Cursor {
    name: String,
    /// The name of its events; every event's, where it says nothing.
    event: Option<String>,
    /// Where it stands.
    kept: u64,
    /// The last event of its own that was read.
    last: u64,
}

impl Place {
    /// Takes the seat, when no other instance has it. `None` when it is to stop.
    pub(super) async fn take(
        store: &Arc<dyn Store>,
        seat: &Seat,
        stop: &CancellationToken,
    ) -> Option<Place> {
        let right = &seat.right;
        let mut is_said = false;
        loop {
            let owned = stop
                .run_until_cancelled(persist(right, stop, || store.own(right)))
                .await??;
            if let Some(ownership) = owned {
                return Place::at(store, seat, ownership, stop).await;
            }
            if !is_said {
                tracing::info!(
                    cursor = right,
                    "another instance works with it; this one asks for it again"
                );
                is_said = true;
            }
            stop.run_until_cancelled(sleep(ASK)).await?;
        }
    }

    async fn at(
        store: &Arc<dyn Store>,
        seat: &Seat,
        ownership: Ownership,
        stop: &CancellationToken,
    ) -> Option<Place> {
        let mut cursors = Vec::with_capacity(seat.cursors.len());
        for (name, event) in &seat.cursors {
            let kept = persist(name, stop, || store.cursor(name, seat.start)).await?;
            let (name, event) = (name.clone(), event.clone());
            cursors.push(Cursor {
                name,
                event,
                kept,
                last: kept,
            });
        }
        Some(Place {
            store: Arc::clone(store),
            of: seat.of.clone(),
            read: cursors.iter().map(|cursor| cursor.kept).min()?,
            cursors,
            ownership: Arc::new(ownership),
        })
    }

    /// The next events, at most so many; none where there is nothing new.
    pub(super) async fn next(&mut self, max: usize) -> Result<Page, StoreError> {
        loop {
            let page = self.store.read(&self.query(max)).await?;
            if let Some(page) = self.new_of(page) {
                return Ok(page);
            }
        }
    }

    fn query(&self, max: usize) -> Query {
        Query {
            after: self.read,
            of: self.of.clone(),
            max,
        }
    }

    /// What is not behind its cursor; `None` where all of it is, and more is to be read.
    fn new_of(&mut self, mut page: Page) -> Option<Page> {
        self.read = page.up_to.max(self.read);
        let is_empty = page.events.is_empty();
        let cursors = &mut self.cursors;
        page.events
            .retain(|(position, event)| is_new(cursors, *position, event.kind()));
        (is_empty || !page.events.is_empty()).then_some(page)
    }

    /// Everything up to here is done with. False where a cursor is not where it was left:
    /// somebody has set it, or works with it.
    pub(super) async fn done(&mut self, up_to: u64) -> Result<bool, StoreError> {
        done(&*self.store, &mut self.cursors, up_to).await
    }

    /// Both at once: [`done`](Place::done) with what was streamed, and the [`next`](Place::next)
    /// events. `None` where a cursor is not where it was left.
    pub(super) async fn done_and_next(
        &mut self,
        up_to: Option<u64>,
        max: usize,
    ) -> Result<Option<Page>, StoreError> {
        let query = self.query(max);
        let (store, cursors) = (&*self.store, &mut self.cursors);
        let moved = async {
            match up_to {
                Some(up_to) => done(store, cursors, up_to).await,
                None => Ok(true),
            }
        };
        let (moved, page) = tokio::join!(moved, store.read(&query));
        if !moved? {
            return Ok(None);
        }
        match self.new_of(page?) {
            Some(page) => Ok(Some(page)),
            None => self.next(max).await.map(Some),
        }
    }

    /// As [`done`](Place::done), for what was of no concern: not at once.
    pub(super) async fn passed(&mut self, up_to: u64) -> Result<bool, StoreError> {
        move_those(&*self.store, &mut self.cursors, up_to, |cursor| {
            cursor.lags(up_to)
        })
        .await
    }

    /// As [`done`](Place::done), where nothing more will be.
    pub(super) async fn left(&mut self, up_to: u64) -> Result<bool, StoreError> {
        move_those(&*self.store, &mut self.cursors, up_to, |_| true).await
    }

    /// Nothing has been there for a while: the cursors are moved behind all that was read, so that
    /// it can be pruned. False where one is not where it was left.
    pub(super) async fn rest(&mut self) -> Result<bool, StoreError> {
        for cursor in &self.cursors {
            if self.store.cursor(&cursor.name, Start::Now).await? != cursor.kept {
                return Ok(false);
            }
        }
        self.left(self.read).await
    }
}

async fn done(store: &dyn Store, cursors: &mut [Cursor], up_to: u64) -> Result<bool, StoreError> {
    move_those(store, cursors, up_to, |cursor| {
        cursor.last > cursor.kept || cursor.lags(up_to)
    })
    .await
}

async fn move_those(
    store: &dyn Store,
    cursors: &mut [Cursor],
    up_to: u64,
    is_meant: impl Fn(&Cursor) -> bool,
) -> Result<bool, StoreError> {
    for cursor in cursors {
        if cursor.kept >= up_to || !is_meant(cursor) {
            continue;
        }
        let Cursor { name, kept, .. } = cursor;
        if !store.advance(name, *kept, up_to).await? {
            return Ok(false);
        }
        *kept = up_to;
    }
    Ok(true)
}

impl Cursor {
    fn lags(&self, up_to: u64) -> bool {
        up_to.saturating_sub(self.kept) >= LAG
    }
}

/// Whether an event is not behind its cursor. It is noted there.
fn is_new(cursors: &mut [Cursor], position: u64, kind: &str) -> bool {
    let mut cursors = cursors.iter_mut();
    let of_it = cursors.find(|cursor| cursor.event.as_ref().is_none_or(|event| event == kind));
    let Some(cursor) = of_it else { return false };
    cursor.last = cursor.last.max(position);
    position > cursor.kept
}

/// Asks the store until it answers without an error, or the asking is to stop.
pub(super) async fn persist<'a, T>(
    what: &str,
    stop: &CancellationToken,
    mut ask: impl FnMut() -> super::StoreFuture<'a, T>,
) -> Option<T> {
    let mut pauses = Pauses::default();
    loop {
        match ask().await {
            Ok(answer) => return Some(answer),
            Err(error) => {
                let pause = pauses.next();
                tracing::warn!(cursor = what, %error, "the store fails; it is tried again in {pause:?}");
                stop.run_until_cancelled(sleep(pause)).await?;
            }
        }
    }
}

const LONGEST: Duration = Duration::from_secs(30);

/// Growing pauses without an end, for what must not be given up.
#[derive(Default)]
pub(super) struct Pauses {
    left: Option<ExponentialBackoff>,
    begun: Option<Instant>,
}

impl Pauses {
    /// Something begins after a pause. If it holds for longer than any pause, they grow anew.
    pub(super) fn begin(&mut self) {
        self.begun = Some(Instant::now());
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Duration {
        if self.begun.is_some_and(|begun| begun.elapsed() > LONGEST) {
            self.left = None;
        }
        let left = self.left.get_or_insert_with(|| PAUSES.build());
        left.next().unwrap_or(LONGEST)
    }
}

const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(100))
    .with_max_delay(LONGEST)
    .without_max_times()
    .with_jitter();
