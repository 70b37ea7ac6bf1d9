//! The events.

use std::time::SystemTime;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{query, query_as, query_scalar};

use super::super::sql::{EventRow, Failure, PRUNED_AT_ONCE, limit, micros, page, signed, unsigned};
use super::super::{Appended, Entry, Page, Query, Which};
use super::begin::begin;

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

pub(super) async fn append(writer: &SqlitePool, entry: &Entry) -> Result<Appended, Failure> {
    // Before anything is locked.
    let rows = rows(entry);
    let mut transaction = begin(writer).await?;
    let appended = write_rows(&mut transaction, entry, &rows).await?;
    transaction.commit().await?;
    Ok(appended)
}

/// Writes what an entry holds, into a transaction that somebody else ends.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    entry: &Entry,
) -> Result<Appended, Failure> {
    write_rows(connection, entry, &rows(entry)).await
}

fn rows(entry: &Entry) -> Vec<EventRow> {
    entry.events.iter().map(EventRow::of).collect()
}

async fn write_rows(
    connection: &mut SqliteConnection,
    entry: &Entry,
    rows: &[EventRow],
) -> Result<Appended, Failure> {
    let now = micros(SystemTime::now());
    if let Some(mark) = &entry.mark {
        let made = query("INSERT INTO fanfare_marks VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
            .bind(&mark.handler)
            .bind(&mark.source)
            .bind(&mark.id)
            .bind(now)
            .execute(&mut *connection)
            .await?;
        if made.rows_affected() == 0 {
            return Ok(Appended::Repeated);
        }
    }
    for row in rows {
        query(
            "INSERT INTO fanfare_events (name, key, id, source, appended, event)
            VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&row.name)
        .bind(&row.key)
        .bind(&row.id)
        .bind(&row.source)
        .bind(now)
        .bind(&row.event)
        .execute(&mut *connection)
        .await?;
    }
    Ok(Appended::New)
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

pub(super) async fn prune(writer: &SqlitePool, before: SystemTime) -> Result<u64, Failure> {
    let done = query(
        "DELETE FROM fanfare_events WHERE position IN (
            SELECT position FROM fanfare_events
            WHERE position <= (SELECT min(position) FROM fanfare_cursors) AND appended < ?
            ORDER BY position LIMIT ?)",
    )
    .bind(micros(before))
    .bind(PRUNED_AT_ONCE)
    .execute(writer)
    .await?;
    Ok(done.rows_affected())
}
