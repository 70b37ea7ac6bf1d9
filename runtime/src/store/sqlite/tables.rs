//! Cursors, marks and dead letters.

use std::time::SystemTime;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{query, query_as, query_scalar};

use super::super::sql::{
    Failure, PRUNED_AT_ONCE, limit, micros, read_letter, signed, unsigned, write_letter,
};
use super::super::{DeadLetter, Mark, Start};
use super::begin::begin;
use super::log::LAST;

pub(super) async fn cursor(writer: &SqlitePool, name: &str, start: Start) -> Result<u64, Failure> {
    const AT: &str = "SELECT position FROM fanfare_cursors WHERE name = ?";
    let at: Option<i64> = query_scalar(AT).bind(name).fetch_optional(writer).await?;
    if let Some(at) = at {
        return Ok(unsigned(at));
    }
    let mut transaction = begin(writer).await?;
    let start: i64 = match start {
        Start::Beginning => 0,
        Start::Now => query_scalar(LAST).fetch_one(&mut *transaction).await?,
    };
    query("INSERT INTO fanfare_cursors VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(name)
        .bind(start)
        .execute(&mut *transaction)
        .await?;
    let at: i64 = query_scalar(AT)
        .bind(name)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(unsigned(at))
}

pub(super) async fn advance(
    writer: &SqlitePool,
    name: &str,
    from: u64,
    to: u64,
) -> Result<bool, Failure> {
    let moved = query("UPDATE fanfare_cursors SET position = ? WHERE name = ? AND position = ?")
        .bind(signed(to))
        .bind(name)
        .bind(signed(from))
        .execute(writer)
        .await?;
    Ok(moved.rows_affected() > 0)
}

pub(super) async fn rewind(writer: &SqlitePool, name: &str, to: u64) -> Result<bool, Failure> {
    let moved = query("UPDATE fanfare_cursors SET position = ? WHERE name = ?")
        .bind(signed(to))
        .bind(name)
        .execute(writer)
        .await?;
    Ok(moved.rows_affected() > 0)
}

pub(super) async fn cursors(pool: &SqlitePool) -> Result<Vec<(String, u64)>, Failure> {
    let rows: Vec<(String, i64)> =
        query_as("SELECT name, position FROM fanfare_cursors ORDER BY name")
            .fetch_all(pool)
            .await?;
    let cursor = |(name, position)| (name, unsigned(position));
    Ok(rows.into_iter().map(cursor).collect())
}

pub(super) async fn forget_cursor(writer: &SqlitePool, name: &str) -> Result<bool, Failure> {
    let gone = query("DELETE FROM fanfare_cursors WHERE name = ?")
        .bind(name)
        .execute(writer)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// Makes a mark; false where it is there.
pub(super) async fn make_mark(
    connection: &mut SqliteConnection,
    mark: &Mark,
    now: i64,
) -> Result<bool, Failure> {
    let made = query("INSERT INTO fanfare_marks VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(&mark.handler)
        .bind(&mark.source)
        .bind(&mark.id)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(made.rows_affected() > 0)
}

pub(super) async fn is_handled(pool: &SqlitePool, mark: &Mark) -> Result<bool, Failure> {
    let found: i64 = query_scalar(
        "SELECT EXISTS (SELECT 1 FROM fanfare_marks WHERE handler = ? AND source = ? AND id = ?)",
    )
    .bind(&mark.handler)
    .bind(&mark.source)
    .bind(&mark.id)
    .fetch_one(pool)
    .await?;
    Ok(found != 0)
}

pub(super) async fn prune_marks(writer: &SqlitePool, before: SystemTime) -> Result<u64, Failure> {
    let done = query(
        "DELETE FROM fanfare_marks WHERE (handler, source, id) IN (
            SELECT handler, source, id FROM fanfare_marks
            WHERE made < ? ORDER BY made LIMIT ?)",
    )
    .bind(micros(before))
    .bind(PRUNED_AT_ONCE)
    .execute(writer)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn bury(writer: &SqlitePool, letter: &DeadLetter) -> Result<u64, Failure> {
    let (json, payload) = write_letter(letter)?;
    let buried = query("INSERT INTO fanfare_dead_letters (letter, payload) VALUES (?, ?)")
        .bind(json)
        .bind(payload)
        .execute(writer)
        .await?;
    Ok(unsigned(buried.last_insert_rowid()))
}

pub(super) async fn dead_letters(
    pool: &SqlitePool,
    after: u64,
    max: usize,
) -> Result<Vec<(u64, DeadLetter)>, Failure> {
    let rows = query_as(
        "SELECT number, letter, payload FROM fanfare_dead_letters
        WHERE number > ? ORDER BY number LIMIT ?",
    )
    .bind(signed(after))
    .bind(limit(max))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(read_letter).collect()
}

pub(super) async fn dead_letter(
    pool: &SqlitePool,
    number: u64,
) -> Result<Option<DeadLetter>, Failure> {
    let row = query_as("SELECT number, letter, payload FROM fanfare_dead_letters WHERE number = ?")
        .bind(signed(number))
        .fetch_optional(pool)
        .await?;
    let letter = row.map(read_letter).transpose()?;
    Ok(letter.map(|(_, letter)| letter))
}

pub(super) async fn drop_dead_letter(writer: &SqlitePool, number: u64) -> Result<bool, Failure> {
    let gone = query("DELETE FROM fanfare_dead_letters WHERE number = ?")
        .bind(signed(number))
        .execute(writer)
        .await?;
    Ok(gone.rows_affected() > 0)
}
