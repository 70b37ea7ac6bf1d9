//! Cursors, marks and dead letters.

use std::time::SystemTime;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{query, query_as, query_scalar};

use super::super::sql::{
    Failure, PRUNED_AT_ONCE, limit, micros, read_letter, signed, unsigned, write_letter,
};
use super::super::{DeadLetter, Mark, Start};
use super::sequence;

pub(super) async fn cursor(pool: &PgPool, name: &str, start: Start) -> Result<u64, Failure> {
    const AT: &str = "SELECT position FROM fanfare_cursors WHERE name = $1";
    let at: Option<i64> = query_scalar(AT).bind(name).fetch_optional(pool).await?;
    if let Some(at) = at {
        return Ok(unsigned(at));
    }
    let start = match start {
        Start::Beginning => 0,
        Start::Now => sequence::last(pool).await?,
    };
    query("INSERT INTO fanfare_cursors VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(name)
        .bind(start)
        .execute(pool)
        .await?;
    let at: i64 = query_scalar(AT).bind(name).fetch_one(pool).await?;
    Ok(unsigned(at))
}

pub(super) async fn advance(
    pool: &PgPool,
    name: &str,
    from: u64,
    to: u64,
) -> Result<bool, Failure> {
    let moved = query("UPDATE fanfare_cursors SET position = $1 WHERE name = $2 AND position = $3")
        .bind(signed(to))
        .bind(name)
        .bind(signed(from))
        .execute(pool)
        .await?;
    Ok(moved.rows_affected() > 0)
}

pub(super) async fn rewind(pool: &PgPool, name: &str, to: u64) -> Result<bool, Failure> {
    let moved = query("UPDATE fanfare_cursors SET position = $1 WHERE name = $2")
        .bind(signed(to))
        .bind(name)
        .execute(pool)
        .await?;
    Ok(moved.rows_affected() > 0)
}

pub(super) async fn cursors(pool: &PgPool) -> Result<Vec<(String, u64)>, Failure> {
    let rows: Vec<(String, i64)> =
        query_as("SELECT name, position FROM fanfare_cursors ORDER BY name")
            .fetch_all(pool)
            .await?;
    let cursor = |(name, position)| (name, unsigned(position));
    Ok(rows.into_iter().map(cursor).collect())
}

pub(super) async fn forget_cursor(pool: &PgPool, name: &str) -> Result<bool, Failure> {
    let gone = query("DELETE FROM fanfare_cursors WHERE name = $1")
        .bind(name)
        .execute(pool)
        .await?;
    Ok(gone.rows_affected() > 0)
}

/// What tells a mark from every other: its three parts, each after its length.
fn identity(mark: &Mark) -> Vec<u8> {
    let mut identity = Vec::new();
    for part in [&mark.handler, &mark.source, &mark.id] {
        identity.extend((part.len() as u64).to_be_bytes());
        identity.extend(part.as_bytes());
    }
    identity
}

/// Makes a mark; false where it is there.
pub(super) async fn make_mark(connection: &mut PgConnection, mark: &Mark) -> Result<bool, Failure> {
    // The texts are for people, and no text here can hold a zero.
    let shown = |text: &str| text.replace('\0', "\u{FFFD}");
    let made = query(
        "INSERT INTO fanfare_marks (digest, handler, source, id) VALUES (sha256($1), $2, $3, $4)
        ON CONFLICT DO NOTHING",
    )
    .bind(identity(mark))
    .bind(shown(&mark.handler))
    .bind(shown(&mark.source))
    .bind(shown(&mark.id))
    .execute(connection)
    .await?;
    Ok(made.rows_affected() > 0)
}

pub(super) async fn is_handled(pool: &PgPool, mark: &Mark) -> Result<bool, Failure> {
    let found =
        query_scalar("SELECT EXISTS (SELECT 1 FROM fanfare_marks WHERE digest = sha256($1))");
    Ok(found.bind(identity(mark)).fetch_one(pool).await?)
}

pub(super) async fn prune_marks(pool: &PgPool, before: SystemTime) -> Result<u64, Failure> {
    let done = query(
        "DELETE FROM fanfare_marks WHERE digest IN (
            SELECT digest FROM fanfare_marks
            WHERE made < to_timestamp(0) + $1 * interval '1 microsecond' ORDER BY made LIMIT $2)",
    )
    .bind(micros(before))
    .bind(PRUNED_AT_ONCE)
    .execute(pool)
    .await?;
    Ok(done.rows_affected())
}

pub(super) async fn bury(pool: &PgPool, letter: &DeadLetter) -> Result<u64, Failure> {
    let (json, payload) = write_letter(letter)?;
    let number: i64 = query_scalar(
        "INSERT INTO fanfare_dead_letters (letter, payload) VALUES ($1, $2) RETURNING number",
    )
    .bind(json)
    .bind(payload)
    .fetch_one(pool)
    .await?;
    Ok(unsigned(number))
}

pub(super) async fn dead_letters(
    pool: &PgPool,
    after: u64,
    max: usize,
) -> Result<Vec<(u64, DeadLetter)>, Failure> {
    let rows = query_as(
        "SELECT number, letter, payload FROM fanfare_dead_letters
        WHERE number > $1 ORDER BY number LIMIT $2",
    )
    .bind(signed(after))
    .bind(limit(max))
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(read_letter).collect()
}

pub(super) async fn dead_letter(pool: &PgPool, number: u64) -> Result<Option<DeadLetter>, Failure> {
    let row =
        query_as("SELECT number, letter, payload FROM fanfare_dead_letters WHERE number = $1")
            .bind(signed(number))
            .fetch_optional(pool)
            .await?;
    let letter = row.map(read_letter).transpose()?;
    Ok(letter.map(|(_, letter)| letter))
}

pub(super) async fn drop_dead_letter(pool: &PgPool, number: u64) -> Result<bool, Failure> {
    let gone = query("DELETE FROM fanfare_dead_letters WHERE number = $1")
        .bind(signed(number))
        .execute(pool)
        .await?;
    Ok(gone.rows_affected() > 0)
}
