//! How a store is opened.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, query_as, query_scalar};
use tokio::time::timeout;

use super::super::StoreError;
use super::super::sql::{
    Failure, Group, Place, TABLE, WAIT, bounded, is_current, migrate, migrator,
};
use super::log::LogWriter;
use super::own::Keeper;
use super::{Inner, PostgresStore};

/// The most connections of a pool that is made here.
const CONNECTIONS: u32 = 10;

/// A connection that was in use so lately is not tested before it is used again, which would take
/// as long as what it is used for.
const FRESH: Duration = Duration::from_millis(10);

/// The first with all that is used here and still alive.
const OLDEST: i32 = 12;

pub(super) async fn url(url: &str) -> Result<PostgresStore, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|error| {
        let error: sqlx::Error = error;
        StoreError::new(format!(
            "the URL of the PostgreSQL database cannot be read: write \
             postgres://user:password@host:5432/database, with %-escapes in the password ({error})"
        ))
    })?;
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("fanfare"),
    };
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(WAIT)
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > FRESH {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    self::pool(pool).await
}

pub(super) async fn pool(pool: PgPool) -> Result<PostgresStore, StoreError> {
    let place = place(&pool.connect_options());
    bounded(&place, prepare(&pool)).await?;
    let keeper = Keeper::default();
    Ok(PostgresStore(Arc::new(Inner {
        place,
        appends: Group::new(LogWriter(pool.clone())),
        pool,
        keeper,
    })))
}

fn place(options: &PgConnectOptions) -> Place {
    let server = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    Place::new(format!(
        "PostgreSQL at {server} (database {database}, user {user})"
    ))
}

async fn prepare(pool: &PgPool) -> Result<(), Failure> {
    let connection = match pool.acquire().await {
        Err(sqlx::Error::PoolTimedOut) => return Err(reason(pool).await),
        other => other?,
    };
    // It may be left with a lock, and is not for others.
    let mut connection = connection.detach();
    check(&mut connection).await?;
    make_tables(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Why there is no connection, which the pool does not tell.
async fn reason(pool: &PgPool) -> Failure {
    let options = pool.connect_options();
    let tried = timeout(Duration::from_secs(2), options.connect()).await;
    match tried {
        Ok(Err(error)) => error.into(),
        Ok(Ok(_)) | Err(_) => sqlx::Error::PoolTimedOut.into(),
    }
}

async fn check(connection: &mut PgConnection) -> Result<(), Failure> {
    let (version, encoding, isolation): (i32, String, String) = query_as(
        "SELECT current_setting('server_version_num')::int / 10000,
            current_setting('server_encoding'), current_setting('default_transaction_isolation')",
    )
    .fetch_one(connection)
    .await?;
    let fault = if version < OLDEST {
        format!("it is version {version}, and {OLDEST} is the oldest that will do")
    } else if encoding != "UTF8" {
        format!(
            "its encoding is {encoding}, in which not every event can be written: make a database \
             with ENCODING 'UTF8'"
        )
    } else if isolation != "read committed" {
        format!(
            "its transactions are {isolation} by default, and would fail where the store's are to \
             wait for each other: set default_transaction_isolation to 'read committed' for the \
             user or the pool, and begin your own as you like"
        )
    } else {
        return Ok(());
    };
    Err(Failure::Said(fault))
}

async fn make_tables(connection: &mut PgConnection) -> Result<(), Failure> {
    let migrator = migrator(&[include_str!("migrations/1_log.sql")]);
    let has_tables = query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(TABLE)
        .fetch_one(&mut *connection)
        .await?;
    if has_tables && is_current(&migrator, connection).await? {
        return Ok(());
    }
    migrate(&migrator, connection).await
}
