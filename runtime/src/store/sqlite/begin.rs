//! Transactions that write.

use sqlx::sqlite::SqlitePool;
use sqlx::{Connection, Error, Sqlite, Transaction};

use super::super::sql::Failure;

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
async fn replace(pool: &SqlitePool) -> Result<(), Failure> {
    let connection = pool.acquire().await?;
    if connection.is_in_transaction() {
        connection.close().await?;
    }
    Ok(())
}
