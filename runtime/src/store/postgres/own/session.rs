//! The connection that holds the locks.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Connection, query_as, query_scalar, raw_sql};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::share::{Board, Notice};
use crate::store::sql::Failure;

/// So that the server, too, notices soon that nobody is there any more.
const KEEPALIVE: &str = "SET tcp_keepalives_idle = 5;
    SET tcp_keepalives_interval = 2;
    SET tcp_keepalives_count = 3";

/// Of this log: another schema of the database may have a log with a cursor of the same name.
const LOCK: &str = "SELECT pg_backend_pid(), hashtext($1),
    pg_try_advisory_lock(hashtextextended($1, 'fanfare_cursors'::regclass::oid::bigint))";

const UNLOCK: &str =
    "SELECT pg_advisory_unlock(hashtextextended($1, 'fanfare_cursors'::regclass::oid::bigint))";

/// Says on the board that this instance waits for a cursor. There are two numbers to such a lock,
/// so it is none of the above; it is shared, so it stands in nobody's way.
const WAIT: &str = "SELECT pg_try_advisory_lock_shared(
    'fanfare_cursors'::regclass::oid::bigint::bit(32)::int4, $1)";

const WAIT_NO_MORE: &str = "SELECT pg_advisory_unlock_shared(
    'fanfare_cursors'::regclass::oid::bigint::bit(32)::int4, $1)";

/// The board: who waits for what, and how many cursors they have. Always at least one row.
const BOARD: &str = "SELECT pg_backend_pid(), other.held, other.waits
    FROM (SELECT 1) AS always LEFT JOIN (
        SELECT count(*) FILTER (WHERE objsubid = 1 AND mode = 'ExclusiveLock') AS held,
            array_agg(objid::bigint::bit(32)::int4) FILTER (WHERE objsubid = 2
                AND classid = 'fanfare_cursors'::regclass::oid) AS waits
        FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        GROUP BY pid) AS other ON other.waits IS NOT NULL";

/// Who has not asked again by then waits no more.
const WAITS: Duration = Duration::from_secs(5);

/// How often a free cursor is left to an instance that has fewer, and does not take it.
const PATIENCE: u32 = 5;

/// How long it is kept after that: who waited for it may hang, and would let it lie again.
const KEPT: Duration = Duration::from_mins(1);

/// A connection, and what it holds, which is lost with it.
pub(super) struct Session {
    connection: PgConnection,
    /// The server's process that has the locks.
    process: i32,
    held: Held,
    waiting: BTreeMap<String, Waiting>,
}

/// What the one who works with a cursor is told.
#[derive(Clone, Default)]
pub(super) struct Signals {
    pub(super) lost: CancellationToken,
    pub(super) asked_back: CancellationToken,
}

/// A cursor that others have, or may have.
struct Waiting {
    notice: Notice,
    asked: Instant,
    /// How often it was free, and left to another.
    left: u32,
}

impl Session {
    /// On a connection that nobody else has.
    pub(super) async fn on(mut connection: PgConnection) -> Result<Session, Failure> {
        raw_sql(KEEPALIVE).execute(&mut connection).await?;
        let process = query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut connection)
            .await?;
        Ok(Session {
            connection,
            process,
            held: Held::default(),
            waiting: BTreeMap::new(),
        })
    }

    /// Locks a cursor under a number that no other lock had, if nobody has it, and nobody who has
    /// fewer waits for it.
    pub(super) async fn lock(
        &mut self,
        cursor: &str,
        number: u64,
    ) -> Result<Option<Signals>, Failure> {
        // The server would give it to the same connection again.
        if self.held.0.contains_key(cursor) {
            return Ok(None);
        }
        let asked = query_as(LOCK).bind(cursor);
        let (process, notice, is_locked): (i32, Notice, bool) =
            asked.fetch_one(&mut self.connection).await?;
        self.check(process)?;
        if !is_locked {
            self.wait(cursor, notice, 0).await?;
            return Ok(None);
        }
        let left = self.waiting.get(cursor).map_or(0, |waiting| waiting.left);
        let is_anothers = self.board().await?.has_poorer(notice, self.held.0.len());
        if is_anothers && left < PATIENCE {
            self.let_go(cursor).await?;
            self.wait(cursor, notice, left + 1).await?;
            return Ok(None);
        }
        self.wait_no_more(cursor).await?;
        let signals = Signals::default();
        let holding = Holding {
            number,
            notice,
            kept_until: is_anothers.then(|| Instant::now() + KEPT),
            signals: signals.clone(),
        };
        self.held.0.insert(cursor.to_owned(), holding);
        Ok(Some(signals))
    }

    /// Unlocks it, unless it is another lock by now.
    pub(super) async fn unlock(&mut self, cursor: &str, number: u64) -> Result<(), Failure> {
        match self.held.0.get(cursor) {
            Some(holding) if holding.number == number => {}
            _ => return Ok(()),
        }
        self.let_go(cursor).await?;
        self.held.0.remove(cursor);
        Ok(())
    }

    async fn let_go(&mut self, cursor: &str) -> Result<(), Failure> {
        let asked = query_scalar(UNLOCK).bind(cursor);
        let _: bool = asked.fetch_one(&mut self.connection).await?;
        Ok(())
    }

    async fn wait(&mut self, cursor: &str, notice: Notice, left: u32) -> Result<(), Failure> {
        let asked = Instant::now();
        if let Some(waiting) = self.waiting.get_mut(cursor) {
            (waiting.asked, waiting.left) = (asked, left);
            return Ok(());
        }
        let said = query_scalar(WAIT).bind(notice);
        let _: bool = said.fetch_one(&mut self.connection).await?;
        let waiting = Waiting {
            notice,
            asked,
            left,
        };
        self.waiting.insert(cursor.to_owned(), waiting);
        Ok(())
    }

    async fn wait_no_more(&mut self, cursor: &str) -> Result<(), Failure> {
        if let Some(waiting) = self.waiting.remove(cursor) {
            let said = query_scalar(WAIT_NO_MORE).bind(waiting.notice);
            let _: bool = said.fetch_one(&mut self.connection).await?;
        }
        Ok(())
    }

    /// Whether all is as it was; and asks back what others are to have.
    pub(super) async fn look(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let is_over = |waiting: &Waiting| now.duration_since(waiting.asked) > WAITS;
        let over = self.waiting.iter().filter(|(_, waiting)| is_over(waiting));
        let over: Vec<_> = over.map(|(cursor, _)| cursor.clone()).collect();
        for cursor in over {
            self.wait_no_more(&cursor).await?;
        }
        let board = self.board().await?;
        let held = self.held.0.values();
        let (gone, held): (Vec<_>, Vec<_>) =
            held.partition(|holding| holding.signals.asked_back.is_cancelled());
        let can_give = held.iter();
        let can_give =
            can_give.filter(|holding| holding.kept_until.is_none_or(|until| until < now));
        let can_give = can_give.map(|holding| (holding.notice, &holding.signals));
        let asked_back = gone.iter().map(|holding| holding.notice);
        for signals in board.asks_back(self.held(), asked_back, can_give) {
            signals.asked_back.cancel();
        }
        Ok(())
    }

    async fn board(&mut self) -> Result<Board, Failure> {
        type Row = (i32, Option<i64>, Option<Vec<Notice>>);
        let rows: Vec<Row> = query_as(BOARD).fetch_all(&mut self.connection).await?;
        let mut board = Board::default();
        for (process, held, waits) in rows {
            self.check(process)?;
            if let (Some(held), Some(waits)) = (held, waits) {
                board.add(usize::try_from(held).unwrap_or_default(), waits);
            }
        }
        Ok(board)
    }

    fn check(&self, process: i32) -> Result<(), Failure> {
        if process == self.process {
            return Ok(());
        }
        Err(Failure::Said(
            "its connections go through a pooler in transaction mode, which cannot hold the right \
             to a cursor: give the store a direct connection, or a pooler in session mode"
                .to_owned(),
        ))
    }

    pub(super) fn held(&self) -> usize {
        self.held.0.len()
    }

    pub(super) async fn close(self) -> Result<(), Failure> {
        let Session {
            mut connection,
            held,
            ..
        } = self;
        drop(held);
        raw_sql("SELECT pg_advisory_unlock_all()")
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(())
    }
}

/// A cursor that this instance has.
struct Holding {
    number: u64,
    notice: Notice,
    /// There where another let it lie.
    kept_until: Option<Instant>,
    signals: Signals,
}

/// Cursors, by name. Dropped, they are lost.
#[derive(Default)]
struct Held(BTreeMap<String, Holding>);

impl Drop for Held {
    fn drop(&mut self) {
        for holding in self.0.values() {
            holding.signals.lost.cancel();
        }
    }
}
