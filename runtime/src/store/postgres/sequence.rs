//! The order of the log.
//!
//! An event gets its number when it is inserted, and is seen when its transaction commits, which
//! may be after that of a later number: who reads by number skips it. So events are read by
//! position, which is given here: in one short transaction at a time, to what is committed by
//! then. An event that was inserted after the commit of another has the higher number, and whoever
//! sees it sees the other; so it comes later in the log, too.
//!
//! What is written by one statement that is a transaction by itself has no need to wait for that:
//! it takes its positions as it is inserted, where nothing that it sees waits for some, and
//! nobody else is giving any.

use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::{Postgres, Transaction, query, query_as, query_scalar};
use tokio::time::Instant;

use super::super::sql::Failure;

/// How long a caller gives positions to what others have left, before it goes on with those.
const LONGEST: Duration = Duration::from_secs(10);

/// A transaction of our own, whatever is the default of the database or of the pool.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL lock_timeout = '10s'";

/// The last position of the log, and whether events wait for theirs. None is given twice, also when
/// the last events are pruned. What waits is asked for in its order, which leaves the planner no
/// better way than the index of what waits.
macro_rules! state {
    () => {
        "(SELECT last, (SELECT number FROM fanfare_events
            WHERE position IS NULL ORDER BY number LIMIT 1) IS NOT NULL AS is_waiting
        FROM fanfare_log) AS log"
    };
}
pub(super) use state;

const LAST: &str = concat!("SELECT last, is_waiting FROM ", state!());

/// Inserts events, with positions if it can take them without waiting: it waits for nobody, and so
/// nobody waits long for it. A position that was read must not be another's after a crash of the
/// server, so there is none without its disk.
pub(super) const INSERT: &str = concat!(
    "WITH free AS (
        SELECT FROM fanfare_log
        WHERE current_setting('synchronous_commit') <> 'off'
            AND NOT (SELECT is_waiting FROM ",
    state!(),
    ")
        FOR UPDATE SKIP LOCKED),
    given AS (
        UPDATE fanfare_log SET last = last + cardinality($1::text[])
        WHERE EXISTS (SELECT FROM free)
        RETURNING last - cardinality($1::text[]) AS before)
    INSERT INTO fanfare_events (name, key, id, source, event, position)
    SELECT name, key, id, source, event, (SELECT before FROM given) + nth
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
        AS row (name, key, id, source, event, nth)
    ORDER BY nth"
);

/// The greatest number of events is written out, so that it is planned for so few.
const GIVE: &str = "WITH fresh AS (
        SELECT number, row_number() OVER (ORDER BY number) AS nth
        FROM fanfare_events WHERE position IS NULL ORDER BY number LIMIT 2000),
    given AS (
        UPDATE fanfare_events AS event SET position = fresh.nth + $1
        FROM fresh WHERE event.number = fresh.number
        RETURNING event.number)
    UPDATE fanfare_log SET last = last + (SELECT count(*) FROM given) RETURNING last";

/// How many events are given positions at once.
const AT_ONCE: i64 = 2_000;

pub(super) async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, Failure> {
    Ok(pool.begin_with(BEGIN).await?)
}

/// The last position of the log, when everything has one that was committed before the call.
pub(super) async fn last(pool: &PgPool) -> Result<i64, Failure> {
    let deadline = Instant::now() + LONGEST;
    let (mut last, is_waiting): (i64, bool) = query_as(LAST).fetch_one(pool).await?;
    let mut is_left = is_waiting;
    while is_left && Instant::now() < deadline {
        // Fewer than it could give, and so all that there were: more may have come since then.
        let given;
        (last, given) = give(pool).await?;
        is_left = given == AT_ONCE;
    }
    Ok(last)
}

/// Gives positions to events that have none: the last position then, and to how many.
async fn give(pool: &PgPool) -> Result<(i64, i64), Failure> {
    let mut transaction = begin(pool).await?;
    // A position that was read must not be another's after a crash of the server.
    query(
        "SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') = 'off'",
    )
    .execute(&mut *transaction)
    .await?;
    // The statement after this one sees what the one before us gave.
    let before: i64 = query_scalar("SELECT last FROM fanfare_log FOR UPDATE")
        .fetch_one(&mut *transaction)
        .await?;
    let last: i64 = query_scalar(GIVE)
        .bind(before)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok((last, last - before))
}
