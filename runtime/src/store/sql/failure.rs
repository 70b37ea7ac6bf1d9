//! What goes wrong, in words for an operator.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::store::{StoreError, StoreFuture};

/// No call of a store takes longer.
pub(in crate::store) const LONGEST: Duration = Duration::from_secs(30);

/// A database, as an operator knows it: without the password.
#[derive(Clone, Debug)]
pub(in crate::store) struct Place(Arc<str>);

impl Place {
    pub(in crate::store) fn new(name: impl Into<Arc<str>>) -> Self {
        Place(name.into())
    }

    pub(in crate::store) fn error(&self, failure: &Failure) -> StoreError {
        let error = match failure {
            Failure::Said(sentence) => return StoreError::new(format!("{self}: {sentence}")),
            Failure::OfAll(failure) => return self.error(failure),
            Failure::Sql(error) => error,
        };
        StoreError::new(match error {
            sqlx::Error::PoolTimedOut => format!(
                "{self} gave no connection in time: it cannot be reached, or every connection of \
                 the pool is taken; on SQLite, a transaction that writes is the only one until it \
                 ends (publish `within` it, or after it)"
            ),
            sqlx::Error::PoolClosed => format!("{self}: the store is closed"),
            sqlx::Error::Io(error) => format!("{self} cannot be reached: {error}"),
            sqlx::Error::Database(error) => match explained(&**error) {
                Some(explained) => format!("{self} {explained} ({})", error.message()),
                None => format!("{self} refused: {}", error.message()),
            },
            other => format!("{self}: {other}"),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What went wrong.
#[derive(Debug)]
pub(in crate::store) enum Failure {
    Sql(sqlx::Error),
    /// In a sentence that follows the name of the place.
    Said(String),
    /// Of several calls at once.
    OfAll(Arc<Failure>),
}

#[cfg(feature = "postgres")]
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Sql(error) => error.fmt(f),
            Failure::Said(sentence) => sentence.fmt(f),
            Failure::OfAll(failure) => failure.fmt(f),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Failure::Sql(error)
    }
}

/// A call that ends in bounded time, and fails in words.
pub(in crate::store) fn bounded<'a, T: Send + 'a>(
    place: &'a Place,
    work: impl Future<Output = Result<T, Failure>> + Send + 'a,
) -> StoreFuture<'a, T> {
    Box::pin(async move {
        match timeout(LONGEST, work).await {
            Ok(done) => done.map_err(|failure| place.error(&failure)),
            Err(_) => Err(StoreError::new(format!(
                "{place} did not answer within {} seconds",
                LONGEST.as_secs()
            ))),
        }
    })
}

const NO_TABLES: &str = "has no tables of fanfare: open the store on this same database before \
                         its transactions are used";

/// What an error of the database means for whoever has to mend it.
fn explained(error: &dyn sqlx::error::DatabaseError) -> Option<&'static str> {
    #[cfg(feature = "postgres")]
    if error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .is_some()
    {
        return of_postgres(error);
    }
    #[cfg(feature = "sqlite")]
    if error
        .try_downcast_ref::<sqlx::sqlite::SqliteError>()
        .is_some()
    {
        return of_sqlite(error);
    }
    None
}

#[cfg(feature = "postgres")]
fn of_postgres(error: &dyn sqlx::error::DatabaseError) -> Option<&'static str> {
    let is_ours = error.message().contains("fanfare_");
    Some(match &*error.code()? {
        "42P01" if is_ours => NO_TABLES,
        "55P03" => "is locked: another transaction holds, for too long, what is to be written",
        "28P01" | "28000" => "does not let us in: look at the user, the password and pg_hba.conf",
        "3D000" => "is not there: create the database, or correct the URL",
        "42501" => "does not allow this: give the user the right to it",
        "53300" => "has no connection left: raise max_connections, or make the pools smaller",
        "53100" => "is full: make room on its disk",
        "25006" => "is read-only: this is a standby, and the store needs the primary",
        "57P01" | "57P02" | "57P03" => "is being started or shut down",
        _ => return None,
    })
}

#[cfg(feature = "sqlite")]
fn of_sqlite(error: &dyn sqlx::error::DatabaseError) -> Option<&'static str> {
    const SNAPSHOT: i32 = 517;
    let code: i32 = error.code()?.parse().ok()?;
    // The lower byte is what the rest tells more of.
    Some(match code & 0xFF {
        1 if error.message().starts_with("no such table: fanfare_") => NO_TABLES,
        5 | 6 if code == SNAPSHOT => {
            "was written to since this transaction first read: begin transactions that write \
             with `begin` of the store, or with BEGIN IMMEDIATE"
        }
        5 | 6 => "is locked: another transaction has been writing for too long",
        8 => "is read-only: make the file and its folder writable",
        10 => "cannot be read or written: look at its disk",
        11 | 26 => "is damaged, or is no SQLite database: restore it from a backup",
        13 => "is full: make room on its disk",
        14 => "cannot be opened: its folder must be there, and be writable",
        _ => return None,
    })
}

impl Failure {
    /// Whether it may be for what one entry holds, and not for the state of the database: then
    /// nothing was written, and another entry may have better luck.
    pub(super) fn is_of_one_entry(&self) -> bool {
        let Failure::Sql(sqlx::Error::Database(error)) = self else {
            return false;
        };
        #[cfg(feature = "sqlite")]
        if error
            .try_downcast_ref::<sqlx::sqlite::SqliteError>()
            .is_some()
        {
            // Of a table, too big, a constraint, a type.
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            return code.is_some_and(|code| matches!(code & 0xFF, 1 | 18 | 19 | 20));
        }
        // Not for a server that is out of something, locked, shut down, or broken.
        let code = error.code().unwrap_or_default();
        !["08", "53", "55", "57", "58", "XX"].contains(&code.get(..2).unwrap_or_default())
    }
}

#[cfg(feature = "sqlite")]
impl Failure {
    /// Whether another connection was in the way.
    pub(in crate::store) fn is_busy(&self) -> bool {
        let Failure::Sql(sqlx::Error::Database(error)) = self else {
            return false;
        };
        let code = error.code().and_then(|code| code.parse::<i32>().ok());
        code.is_some_and(|code| matches!(code & 0xFF, 5 | 6))
    }
}
