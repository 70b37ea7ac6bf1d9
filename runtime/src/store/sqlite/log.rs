//! The events.

use std::time::SystemTime;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Sqlite, Transaction, query, query_as, query_scalar};

use super::super::sql::{
    Done, EventRow, Failure, PRUNED_AT_ONCE, Rows, Writer, limit, micros, page, signed, unsigned,
};
use super::super::{Appended, Entry, Page, Query, Which};
use super::begin::begin;
use super::tables::make_mark;

const ALL: &str = "SELECT position, event FROM fanfare_events
    WHERE position > ?1 ORDER BY position LIMIT ?2";

const OF_KEY: &str = "SELECT position, event FROM fanfare_events
    WHERE key = ?3 AND position > ?1 ORDER BY position LIMIT ?2";

/// Each name by itself in its index, and no more of each than is asked for: so a page costs the
/// same in a log of any length.
const NAMED: &str = "SELECT position, event FROM fanfare_events WHERE position IN (
        SELECT found.position
        FROM (SELECT DISTINCT value FROM json_each(?3)) AS wanted
        CROSS JOIN fanfare_events AS found ON found.position IN (
            SELECT position FROM fanfare_events
            WHERE name = wanted.value AND position > ?1 ORDER BY position LIMIT ?2)
        ORDER BY found.position LIMIT ?2)
    ORDER BY position";

/// Positions are never given twice, also when the last events are pruned.
pub(super) const LAST: &str =
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'fanfare_events'), 0)";

/// The most rows of one statement: each is a way to the thread of the connection and back, and each
/// number of rows is a statement to prepare, and to keep.
const ROWS_AT_ONCE: usize = 64;

/// How what is appended is written.
pub(super) struct LogWriter(pub(super) SqlitePool);

impl Writer for LogWriter {
    type Turn = Transaction<'static, Sqlite>;

    async fn turn(&self) -> Result<Self::Turn, Failure> {
        begin(&self.0).await
    }

    async fn write(mut turn: Self::Turn, entries: &[&Rows]) -> Result<Done<Self>, Failure> {
        let appended = write_rows(&mut turn, entries).await?;
        turn.commit().await?;
        Ok((appended, None))
    }
}

/// Writes what an entry holds, into a transaction that somebody else ends.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    entry: &Entry,
) -> Result<Appended, Failure> {
    let appended = write_rows(connection, &[&Rows::of(entry)]).await?;
    Ok(appended[0])
}

/// Writes entries, and says of each what became of it.
async fn write_rows(
    connection: &mut SqliteConnection,
    entries: &[&Rows],
) -> Result<Vec<Appended>, Failure> {
    let now = micros(SystemTime::now());
    let mut appended = Vec::with_capacity(entries.len());
    let mut events = Vec::with_capacity(entries.len());
    for entry in entries {
        let is_new = match &entry.mark {
            Some(mark) => make_mark(connection, mark, now).await?,
            None => true,
        };
        if is_new {
            appended.push(Appended::New);
            events.extend(&entry.events);
        } else {
            appended.push(Appended::Repeated);
        }
    }
    for some in events.chunks(ROWS_AT_ONCE) {
        insert(connection, some, now).await?;
    }
    Ok(appended)
}

/// Writes events, in their order.
async fn insert(
    connection: &mut SqliteConnection,
    rows: &[&EventRow],
    now: i64,
) -> Result<(), Failure> {
    const INSERT: &str =
        "INSERT INTO fanfare_events (name, key, id, source, appended, event) VALUES ";
    let values = vec!["(?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
    let mut inserted = query(AssertSqlSafe(format!("{INSERT}{values}")));
    for row in rows {
        inserted = inserted
            .bind(&row.name)
            .bind(&row.key)
            .bind(&row.id)
            .bind(&row.source)
            .bind(now)
            .bind(&row.event);
    }
    inserted.execute(connection).await?;
    Ok(())
}

pub(super) async fn read(pool: &SqlitePool, asked: &Query) -> Result<Page, Failure> {
    let mut connection = pool.acquire().await?;
    // Before the events are: then none up to there is missing.
    let last: i64 = query_scalar(LAST).fetch_one(&mut *connection).await?;
    let (sql, of) = match &asked.of {
        Which::All => (ALL, None),
        Which::Keyed(key) => (OF_KEY, Some(key.clone())),
        Which::Named(names) => (
            NAMED,
            Some(serde_json::Value::from(names.clone()).to_string()),
        ),
    };
    let mut found = query_as(sql)
        .bind(signed(asked.after))
        .bind(limit(asked.max));
    if let Some(of) = of {
        found = found.bind(of);
    }
    let rows = found.fetch_all(&mut *connection).await?;
    page(rows, asked.after, asked.max, unsigned(last))
}

pub(super) async fn end(pool: &SqlitePool) -> Result<u64, Failure> {
    let last: i64 = query_scalar(LAST).fetch_one(pool).await?;
    Ok(unsigned(last))
}

/// Looks at the first of the log only: what is behind one that is too young is, nearly always, too
/// young as well, and there may be much of it.
pub(super) async fn prune(writer: &SqlitePool, before: SystemTime) -> Result<u64, Failure> {
    let done = query(
        "DELETE FROM fanfare_events WHERE position IN (
            SELECT position FROM (
                SELECT position, appended FROM fanfare_events
                WHERE position <= (SELECT min(position) FROM fanfare_cursors)
                ORDER BY position LIMIT ?)
            WHERE appended < ?)",
    )
    .bind(PRUNED_AT_ONCE)
    .bind(micros(before))
    .execute(writer)
    .await?;
    Ok(done.rows_affected())
}
