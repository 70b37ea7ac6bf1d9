//! Transactions that write.

use std::iter;
use std::time::Duration;

use sqlx::sqlite::SqlitePool;
use sqlx::{Connection, Error, Sqlite, Transaction};
use tokio::time::sleep;

use super::super::sql::Failure;

const PAUSE: Duration = Duration::from_millis(10);

/// Begins one. Nobody else writes until it ends.
pub(super) async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, Failure> {
    loop {
        match pool.begin_with("BEGIN IMMEDIATE").await {
            Err(Error::InvalidSavePointStatement) => replace(pool).await?,
            begun => return Ok(begun?),
        }
    }
}

/// Where the disk is full, or fails, `SQLite` rolls back by itself, and the connection is not told:
/// for it the transaction goes on, and it would never begin another. So it makes room for a new one.
///
/// A pool of the user's may have several: it is looked for among all that nobody has.
async fn replace(pool: &SqlitePool) -> Result<(), Failure> {
    // It is on its way back to the pool.
    sleep(PAUSE).await;
    let free = iter::from_fn(|| pool.try_acquire());
    let (broken, others): (Vec<_>, Vec<_>) = free.partition(|free| free.is_in_transaction());
    drop(others);
    for connection in broken {
        connection.close().await?;
    }
    Ok(())
}
