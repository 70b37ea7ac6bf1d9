//! The events.

use std::time::SystemTime;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Postgres, query, query_as};

use super::super::sql::{
    Done, EventRow, Failure, PRUNED_AT_ONCE, Rows, Writer, limit, micros, page, signed, unsigned,
};
use super::super::{Appended, Entry, Page, Query, Which};
use super::sequence;
use super::tables::make_mark;

/// Reads of the log after `$1` and up to `$3`, no more than `$2` events; and where it ends.
macro_rules! read {
    ($events:literal) => {
        concat!(
            "SELECT last, is_waiting, NULL::bigint, NULL::text FROM ",
            sequence::state!(),
            " UNION ALL SELECT NULL, NULL, position, event FROM (",
            $events,
            ") AS found"
        )
    };
}

const ALL: &str = read!(
    "SELECT position, event FROM fanfare_events
    WHERE position > $1 AND position <= $3 ORDER BY position LIMIT $2"
);

/// A short stretch, one event after the other.
const OF_KEY_NEAR: &str = read!(
    "SELECT position, event FROM fanfare_events
    WHERE position > $1 AND position <= $3 AND key = ANY($4) ORDER BY position LIMIT $2"
);

const OF_KEY: &str = read!(
    "SELECT position, event FROM fanfare_events
    WHERE hashtextextended(key, 0) = hashtextextended(($4::text[])[1], 0)
        AND key = ($4::text[])[1] AND position > $1 AND position <= $3
    ORDER BY position LIMIT $2"
);

/// A short stretch, one event after the other.
const NAMED_NEAR: &str = read!(
    "SELECT position, event FROM fanfare_events
    WHERE position > $1 AND position <= $3 AND name = ANY($4) ORDER BY position LIMIT $2"
);

/// Each name by itself in its index, and no more of each than is asked for: so a page costs the
/// same in a log of any length.
const NAMED: &str = read!(
    "SELECT event.position, event.event
    FROM (SELECT DISTINCT unnest($4::text[]) AS name) AS wanted
    CROSS JOIN LATERAL (
        SELECT position, event FROM fanfare_events
        WHERE hashtextextended(name, 0) = hashtextextended(wanted.name, 0)
            AND name = wanted.name AND position > $1 AND position <= $3
        ORDER BY position LIMIT $2) AS event
    ORDER BY event.position LIMIT $2"
);

/// Without positions: other statements may be in the same transaction, and take their time.
const INSERT: &str = "INSERT INTO fanfare_events (name, key, id, source, event)
    SELECT name, key, id, source, event
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
        AS row (name, key, id, source, event, nth)
    ORDER BY nth";

/// What is sent at once, in events and in bytes: a message of the protocol has a greatest length.
const ROWS_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 8 << 20;

/// The shortest part of the log that is looked through at once.
const STRETCH: u64 = 500;

/// How what is appended without a mark is written.
pub(super) struct LogWriter(pub(super) PgPool);

impl Writer for LogWriter {
    type Turn = PoolConnection<Postgres>;

    async fn turn(&self) -> Result<Self::Turn, Failure> {
        Ok(self.0.acquire().await?)
    }

    async fn write(mut turn: Self::Turn, entries: &[&Rows]) -> Result<Done<Self>, Failure> {
        let batches = batches(entries.iter().flat_map(|entry| &entry.events));
        // One statement is a transaction by itself, and one way to the server and back.
        if let [batch] = &batches[..] {
            insert(&mut turn, sequence::INSERT, batch).await?;
        } else {
            let mut transaction = turn.begin_with(sequence::BEGIN).await?;
            for batch in &batches {
                insert(&mut transaction, INSERT, batch).await?;
            }
            transaction.commit().await?;
        }
        Ok((vec![Appended::New; entries.len()], Some(turn)))
    }
}

/// Writes an entry with a mark, on a connection of its own: it waits for whoever makes the same
/// mark.
pub(super) async fn append_marked(pool: &PgPool, entry: &Entry) -> Result<Appended, Failure> {
    let rows = Rows::of(entry);
    let mut transaction = sequence::begin(pool).await?;
    let appended = write_rows(&mut transaction, &rows).await?;
    transaction.commit().await?;
    Ok(appended)
}

/// Writes what an entry holds, into a transaction that somebody else ends.
pub(super) async fn write(
    connection: &mut PgConnection,
    entry: &Entry,
) -> Result<Appended, Failure> {
    write_rows(connection, &Rows::of(entry)).await
}

async fn write_rows(connection: &mut PgConnection, rows: &Rows) -> Result<Appended, Failure> {
    if let Some(mark) = &rows.mark
        && !make_mark(connection, mark).await?
    {
        return Ok(Appended::Repeated);
    }
    for batch in batches(&rows.events) {
        insert(connection, INSERT, &batch).await?;
    }
    Ok(Appended::New)
}

fn batches<'a>(rows: impl IntoIterator<Item = &'a EventRow>) -> Vec<Vec<&'a EventRow>> {
    let (mut batches, mut bytes) = (Vec::<Vec<_>>::new(), 0);
    for row in rows {
        bytes += row.event.len();
        match batches.last_mut() {
            Some(last) if last.len() < ROWS_AT_ONCE && bytes < BYTES_AT_ONCE => last.push(row),
            _ => {
                bytes = row.event.len();
                batches.push(vec![row]);
            }
        }
    }
    batches
}

/// Inserts events, in their order, by one of the statements that do.
async fn insert(
    connection: &mut PgConnection,
    sql: &'static str,
    rows: &[&EventRow],
) -> Result<(), Failure> {
    let column = |of: fn(&EventRow) -> &str| rows.iter().map(|row| of(row)).collect::<Vec<_>>();
    let keys: Vec<_> = rows.iter().map(|row| row.key.as_deref()).collect();
    query(sql)
        .bind(column(|row| &row.name))
        .bind(keys)
        .bind(column(|row| &row.id))
        .bind(column(|row| &row.source))
        .bind(column(|row| &row.event))
        .execute(connection)
        .await?;
    Ok(())
}

/// Where the log ends, and whether events wait for their positions; or an event.
type Found = (Option<i64>, Option<bool>, Option<i64>, Option<String>);

pub(super) async fn read(pool: &PgPool, asked: &Query) -> Result<Page, Failure> {
    // No text here can hold a zero, so nothing in the log is called so.
    let is_text = |text: &&String| !text.contains('\0');
    let (mut sql, further, of) = match &asked.of {
        Which::All => (ALL, ALL, None),
        Which::Keyed(key) => {
            let key = Vec::from_iter(Some(key).filter(is_text));
            (OF_KEY_NEAR, OF_KEY, Some(key))
        }
        Which::Named(names) => {
            let names = names.iter().filter(is_text).collect();
            (NAMED_NEAR, NAMED, Some(names))
        }
    };
    let (mut rows, mut after, mut last) = (Vec::new(), asked.after, asked.after);
    // A server that knows little of a fresh table may sort all that it is asked for, to give the
    // first of it: so it is asked for a stretch of the log, and for a longer one if that holds
    // too little.
    let mut stretch = (asked.max as u64).max(STRETCH);
    let mut is_placed = false;
    while rows.len() < asked.max {
        let up_to = after.saturating_add(stretch);
        let mut found = query_as(sql)
            .bind(signed(after))
            .bind(limit(asked.max - rows.len()))
            .bind(signed(up_to));
        if let Some(of) = &of {
            found = found.bind(of);
        }
        let mut is_waiting = false;
        let found: Vec<Found> = found.fetch_all(pool).await?;
        for found in found {
            match found {
                (Some(end), waiting, ..) => {
                    (last, is_waiting) = (unsigned(end), waiting.unwrap_or_default());
                }
                (.., position, event) => rows.extend(position.zip(event)),
            }
        }
        sql = further;
        if up_to < last {
            (after, stretch) = (up_to, stretch.saturating_mul(2));
        } else if is_waiting && !is_placed {
            // What comes later than this was not committed before the call.
            is_placed = true;
            after = after.max(last);
            sequence::last(pool).await?;
        } else {
            break;
        }
    }
    rows.sort_unstable_by_key(|(position, _)| *position);
    page(rows, asked.after, asked.max, last)
}

pub(super) async fn end(pool: &PgPool) -> Result<u64, Failure> {
    Ok(unsigned(sequence::last(pool).await?))
}

/// Looks at the first of the log only: what is behind one that is too young is, nearly always, too
/// young as well, and there may be much of it.
pub(super) async fn prune(pool: &PgPool, before: SystemTime) -> Result<u64, Failure> {
    let done = query(
        "DELETE FROM fanfare_events WHERE position IN (
            SELECT position FROM (
                SELECT position, appended FROM fanfare_events
                WHERE position <= (SELECT min(position) FROM fanfare_cursors)
                ORDER BY position LIMIT $2) AS first
            WHERE appended < to_timestamp(0) + $1 * interval '1 microsecond')",
    )
    .bind(micros(before))
    .bind(PRUNED_AT_ONCE)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}
