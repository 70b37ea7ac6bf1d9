//! Group commit: what is appended at the same time is written in one transaction.
//!
//! Whoever comes first is written at once; whoever comes while that is under way waits, and is
//! written with all others who do. So nobody waits for company, and the busier the store is, the
//! more share the price of a commit. A task writes while there is something to write, and ends.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::Rows;
use super::failure::{Failure, LONGEST};
use crate::store::{Appended, Entry};

/// What may wait or be under way, in bytes, of which an event counts for [`LEAST`] or more. More
/// than that waits outside, in its order.
const ROOM: u32 = 32 << 20;
const LEAST: usize = 1 << 10;

/// The most that is written in one transaction, unless a single entry is more.
const EVENTS_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 8 << 20;

/// How many transactions follow each other on one connection, before others have their turn.
const IN_A_ROW: u32 = 32;

/// How often an entry is written anew when the runtime ends whose task was about to write it.
const TRIES: usize = 3;

const BROKEN_OFF: &str = "the writing was broken off, so nothing is known to be written";

/// How a database is written to.
pub(in crate::store) trait Writer: Sized + Send + Sync + 'static {
    /// A connection whose turn it is.
    type Turn: Send;

    /// Waits for a turn. What comes meanwhile is written in it.
    fn turn(&self) -> impl Future<Output = Result<Self::Turn, Failure>> + Send;

    /// Writes all of it in one transaction, in its order, and says what became of each.
    fn write(
        turn: Self::Turn,
        entries: &[&Rows],
    ) -> impl Future<Output = Result<Done<Self>, Failure>> + Send;
}

/// What became of each entry, and the turn, if it can go on.
pub(in crate::store) type Done<W> = (Vec<Appended>, Option<<W as Writer>::Turn>);

/// Entries that are on their way to a database.
pub(in crate::store) struct Group<W>(Arc<Shared<W>>);

struct Shared<W> {
    writer: W,
    room: Arc<Semaphore>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    /// Whether there is a task that will take what waits.
    has_task: bool,
}

/// An entry that waits to be written.
struct Waiting {
    rows: Rows,
    bytes: usize,
    /// `None` is for one that nobody has begun to write, nor will.
    answer: oneshot::Sender<Option<Result<Appended, Failure>>>,
    _room: Option<OwnedSemaphorePermit>,
}

impl<W: Writer> Group<W> {
    pub(in crate::store) fn new(writer: W) -> Self {
        Group(Arc::new(Shared {
            writer,
            room: Arc::new(Semaphore::new(ROOM as usize)),
            queue: Mutex::default(),
        }))
    }

    /// Writes an entry. Dropped, it is written whole or not at all.
    pub(in crate::store) async fn append(&self, entry: &Entry) -> Result<Appended, Failure> {
        let sizes = entry.events.iter().map(|event| event.payload().len());
        let bytes: usize = sizes.map(|size| size.max(LEAST)).sum();
        let room = u32::try_from(bytes).unwrap_or(ROOM).min(ROOM);
        for _ in 0..TRIES {
            let room = Arc::clone(&self.0.room).acquire_many_owned(room).await;
            let (answer, answered) = oneshot::channel();
            self.push(Waiting {
                rows: Rows::of(entry),
                bytes,
                answer,
                // It is never closed.
                _room: room.ok(),
            });
            match answered.await {
                Ok(Some(done)) => return done,
                Ok(None) => {}
                Err(_) => break,
            }
        }
        Err(Failure::Said(BROKEN_OFF.to_owned()))
    }

    fn push(&self, waiting: Waiting) {
        let mut queue = self.0.queue();
        queue.waiting.push_back(waiting);
        let had_task = std::mem::replace(&mut queue.has_task, true);
        drop(queue);
        if !had_task {
            // Not under the lock: on a runtime that is being shut down the task ends at once.
            let task = Task {
                group: Arc::clone(&self.0),
                goes_on: true,
            };
            tokio::spawn(task.run());
        }
    }
}

impl<W> Shared<W> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// What is to be written next, in one transaction. Whoever does not wait any more is left out.
    fn take(&mut self) -> Vec<Waiting> {
        let (mut batch, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(first) = self.waiting.front() {
            events += first.rows.events.len();
            bytes += first.bytes;
            if !batch.is_empty() && (events > EVENTS_AT_ONCE || bytes > BYTES_AT_ONCE) {
                break;
            }
            batch.extend(self.waiting.pop_front().filter(Waiting::is_wanted));
        }
        batch
    }
}

impl Waiting {
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn answer(self, done: Result<Appended, Failure>) {
        // Whoever does not wait any more needs no answer.
        let _ = self.answer.send(Some(done));
    }
}

/// A batch, and what became of each in it.
#[derive(Default)]
struct Written(Vec<Waiting>, Vec<Appended>);

impl Written {
    fn answer(&mut self) {
        for (waiting, appended) in self.0.drain(..).zip(self.1.drain(..)) {
            waiting.answer(Ok(appended));
        }
    }
}

/// Whoever writes: one at a time.
struct Task<W: Writer> {
    group: Arc<Shared<W>>,
    /// False when it has come to its end.
    goes_on: bool,
}

impl<W: Writer> Task<W> {
    async fn run(mut self) {
        let (mut written, mut turn) = (Written::default(), None);
        let mut turns = 0;
        while self.goes_on {
            let waiting = self.group.queue().waiting.len();
            let next = match turn.take() {
                Some(turn) => Ok(turn),
                None => self.turn(&mut written).await,
            };
            match next {
                Ok(next) => (written, turn) = self.write(next, written).await,
                Err(failure) => {
                    // Whoever came since then may have better luck.
                    let failed = self.group.queue().waiting.drain(..waiting).collect();
                    fail(failed, failure);
                }
            }
            turns += 1;
            turn = turn.filter(|_| turns % IN_A_ROW != 0);
            let mut queue = self.group.queue();
            self.goes_on = !queue.waiting.is_empty();
            queue.has_task = self.goes_on;
        }
        drop(turn);
        written.answer();
    }

    /// Waits for a turn. Where there is nothing to wait for, the next are on their way to the
    /// database before those are woken that were written last.
    async fn turn(&self, written: &mut Written) -> Result<W::Turn, Failure> {
        let mut turn = pin!(in_time(self.group.writer.turn()));
        let at_once = turn.as_mut().now_or_never();
        if !matches!(at_once, Some(Ok(_))) {
            written.answer();
        }
        match at_once {
            Some(turn) => turn,
            None => turn.await,
        }
    }

    /// Writes what waits, and tells those before them meanwhile that they are written.
    async fn write(&self, turn: W::Turn, mut before: Written) -> (Written, Option<W::Turn>) {
        let batch = self.group.queue().take();
        if batch.is_empty() {
            return (before, Some(turn));
        }
        let entries: Vec<_> = batch.iter().map(|waiting| &waiting.rows).collect();
        let telling = async { before.answer() };
        let (written, ()) = tokio::join!(biased; in_time(W::write(turn, &entries)), telling);
        match written {
            Ok((appended, turn)) => return (Written(batch, appended), turn),
            Err(failure) if batch.len() > 1 && failure.is_of_one_entry() => {
                self.write_each(batch).await;
            }
            Err(failure) => fail(batch, failure),
        }
        (Written::default(), None)
    }

    /// Writes each by itself, so that one that cannot be written takes no other with it.
    async fn write_each(&self, batch: Vec<Waiting>) {
        for waiting in batch.into_iter().filter(Waiting::is_wanted) {
            let written = in_time(async {
                let turn = self.group.writer.turn().await?;
                W::write(turn, &[&waiting.rows]).await
            });
            let none = || Failure::Said(BROKEN_OFF.to_owned());
            let written = written.await;
            waiting.answer(written.and_then(|(it, _)| it.first().copied().ok_or_else(none)));
        }
    }
}

impl<W: Writer> Drop for Task<W> {
    fn drop(&mut self) {
        if !self.goes_on {
            return;
        }
        // Its runtime has ended, or it has panicked.
        let mut queue = self.group.queue();
        queue.has_task = false;
        let left = std::mem::take(&mut queue.waiting);
        drop(queue);
        for waiting in left {
            let _ = waiting.answer.send(None);
        }
    }
}

/// Tells all of them what went wrong.
fn fail(batch: Vec<Waiting>, failure: Failure) {
    let failure = Arc::new(failure);
    for waiting in batch {
        waiting.answer(Err(Failure::OfAll(Arc::clone(&failure))));
    }
}

/// A task is not to be held up for longer than those whom it writes for.
async fn in_time<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| {
        Failure::Said(format!(
            "it did not answer within {} seconds",
            LONGEST.as_secs()
        ))
    };
    timeout(LONGEST, work).await.map_err(late)?
}
