//! Who works with which cursor: advisory locks of one connection.

mod session;
mod share;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::session::{Session, Signals};
use super::super::Ownership;
use super::super::sql::{Failure, LONGEST, Place};

/// How often the connection is looked at, and who waits for what it holds: its loss is noticed
/// after this and [`ANSWER`] at most.
const LOOK: Duration = Duration::from_secs(1);

/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(3);

/// More who ask at once wait for each other.
const ASKING: usize = 16;

/// What a store has for its cursors: a task with the connection, from the first that is asked for.
#[derive(Default)]
pub(super) struct Keeper(Mutex<Option<Task>>);

struct Task {
    requests: mpsc::Sender<Request>,
    end: CancellationToken,
    handle: JoinHandle<()>,
}

struct Request {
    cursor: String,
    answer: oneshot::Sender<Result<Option<Ownership>, Failure>>,
    /// While somebody holds this, the task goes on.
    alive: mpsc::Sender<Request>,
}

impl Keeper {
    pub(super) async fn own(
        &self,
        place: &Place,
        pool: &PgPool,
        cursor: &str,
    ) -> Result<Option<Ownership>, Failure> {
        let requests = self.requests(place, pool);
        let (answer, answered) = oneshot::channel();
        let request = Request {
            cursor: cursor.to_owned(),
            answer,
            alive: requests.clone(),
        };
        let closed = || Failure::from(sqlx::Error::PoolClosed);
        requests.send(request).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// To the task, which may have ended with the runtime that it was started on.
    fn requests(&self, place: &Place, pool: &PgPool) -> mpsc::Sender<Request> {
        let mut task = self.task();
        if let Some(task) = &*task
            && !task.requests.is_closed()
        {
            return task.requests.clone();
        }
        let started = Task::start(place.clone(), pool.clone());
        task.insert(started).requests.clone()
    }

    /// Gives everything back.
    pub(super) async fn end(&self) {
        let task = self.task().take();
        if let Some(task) = task {
            task.end.cancel();
            // One that panicked has ended, too.
            let _ = task.handle.await;
        }
    }

    fn task(&self) -> MutexGuard<'_, Option<Task>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    fn start(place: Place, pool: PgPool) -> Task {
        let (requests, asked) = mpsc::channel(ASKING);
        let end = CancellationToken::new();
        let keeping = Keeping {
            place,
            pool,
            session: None,
            last: 0,
            returned: Arc::default(),
        };
        let handle = tokio::spawn(keeping.run(asked, end.clone()));
        Task {
            requests,
            end,
            handle,
        }
    }
}

/// What the task works on.
struct Keeping {
    place: Place,
    pool: PgPool,
    session: Option<Session>,
    /// The number of the last lock, of any session: what is given back late is not another's.
    last: u64,
    returned: Arc<Returned>,
}

impl Keeping {
    async fn run(mut self, mut asked: mpsc::Receiver<Request>, end: CancellationToken) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = end.cancelled() => break,
                request = asked.recv() => match request {
                    Some(request) => self.answer(request).await,
                    None => break,
                },
                () = self.returned.wake.notified() => self.give_back().await,
                _ = looks.tick(), if self.session.is_some() => self.look().await,
            }
        }
        asked.close();
        if let Some(session) = self.session {
            // Whatever becomes of it, the server lets go when the connection ends.
            let _ = timeout(ANSWER, session.close()).await;
        }
    }

    async fn answer(&mut self, request: Request) {
        // What was given back before, whoever asks now may have.
        self.give_back().await;
        let owned = self.own(&request.cursor).await;
        let owned = owned.map(|lock| {
            lock.map(|Signals { lost, asked_back }| {
                let guard = Owned {
                    cursor: request.cursor,
                    number: self.last,
                    returned: self.returned.clone(),
                    _alive: request.alive,
                };
                Ownership::new(guard, lost).with_asked_back(asked_back)
            })
        });
        // Whoever does not wait any more drops it, and so gives it back.
        let _ = request.answer.send(owned);
    }

    async fn own(&mut self, cursor: &str) -> Result<Option<Signals>, Failure> {
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(open(&self.pool).await?),
        };
        self.last += 1;
        let locked = in_time(session.lock(cursor, self.last)).await;
        if let Err(failure) = &locked {
            self.lose(failure);
        }
        locked
    }

    async fn give_back(&mut self) {
        for (cursor, number) in self.returned.take() {
            let Some(session) = &mut self.session else {
                return;
            };
            if let Err(failure) = in_time(session.unlock(&cursor, number)).await {
                self.lose(&failure);
            }
        }
    }

    async fn look(&mut self) {
        let Some(session) = &mut self.session else {
            return;
        };
        if let Err(failure) = in_time(session.look()).await {
            self.lose(&failure);
        }
    }

    /// Gives the connection up, and with it all that is held; the next who asks gets another.
    fn lose(&mut self, failure: &Failure) {
        let lost = self.session.take().map_or(0, |session| session.held());
        if lost > 0 {
            let place = &self.place;
            warn!(%place, "the right to {lost} cursors is lost with its connection: {failure}");
        }
    }
}

/// A connection from the pool, which knows what there is to do for a new one, but no part of it.
async fn open(pool: &PgPool) -> Result<Session, Failure> {
    // A user's pool may wait for ever.
    let connection = timeout(LONGEST, pool.acquire()).await;
    let connection = connection.map_err(|_| Failure::from(sqlx::Error::PoolTimedOut))??;
    in_time(Session::on(connection.detach())).await
}

async fn in_time<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| Failure::Said("the connection that holds cursors does not answer".to_owned());
    timeout(ANSWER, work).await.map_err(late)?
}

/// What was given back, until the task sees to it: no more than was held.
#[derive(Default)]
struct Returned {
    cursors: Mutex<Vec<(String, u64)>>,
    wake: Notify,
}

impl Returned {
    fn take(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.cursors())
    }

    fn cursors(&self) -> MutexGuard<'_, Vec<(String, u64)>> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cursor that somebody works with.
struct Owned {
    cursor: String,
    number: u64,
    returned: Arc<Returned>,
    _alive: mpsc::Sender<Request>,
}

impl Drop for Owned {
    fn drop(&mut self) {
        let cursor = std::mem::take(&mut self.cursor);
        self.returned.cursors().push((cursor, self.number));
        self.returned.wake.notify_one();
    }
}
