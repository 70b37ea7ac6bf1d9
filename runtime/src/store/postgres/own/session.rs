//! The connection that holds the locks.

use std::collections::BTreeMap;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, query_as, query_scalar, raw_sql};
use tokio_util::sync::CancellationToken;

use crate::store::sql::Failure;

/// So that the server, too, notices soon that nobody is there any more.
const KEEPALIVE: &str = "SET tcp_keepalives_idle = 5;
    SET tcp_keepalives_interval = 2;
    SET tcp_keepalives_count = 3";

/// Of this log: another schema of the database may have a log with a cursor of the same name.
const LOCK: &str = "SELECT pg_backend_pid(),
    pg_try_advisory_lock(hashtextextended($1, 'fanfare_cursors'::regclass::oid::bigint))";

const UNLOCK: &str =
    "SELECT pg_advisory_unlock(hashtextextended($1, 'fanfare_cursors'::regclass::oid::bigint))";

/// A connection, and what it holds, which is lost with it.
pub(super) struct Session {
    connection: PgConnection,
    /// The server's process that has the locks.
    process: i32,
    held: Held,
}

impl Session {
    /// From the pool, which knows what there is to do for a new connection, but no part of it.
    pub(super) async fn open(pool: &PgPool) -> Result<Session, Failure> {
        let mut connection = pool.acquire().await?.detach();
        raw_sql(KEEPALIVE).execute(&mut connection).await?;
        let process = query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut connection)
            .await?;
        Ok(Session {
            connection,
            process,
            held: Held::default(),
        })
    }

    /// Locks a cursor under a number that no other lock had, if nobody has it.
    pub(super) async fn lock(
        &mut self,
        cursor: &str,
        number: u64,
    ) -> Result<Option<CancellationToken>, Failure> {
        // The server would give it to the same connection again.
        if self.held.0.contains_key(cursor) {
            return Ok(None);
        }
        let asked = query_as(LOCK).bind(cursor);
        let (process, is_locked): (i32, bool) = asked.fetch_one(&mut self.connection).await?;
        self.check(process)?;
        if !is_locked {
            return Ok(None);
        }
        let lost = CancellationToken::new();
        let held = (number, lost.clone());
        self.held.0.insert(cursor.to_owned(), held);
        Ok(Some(lost))
    }

    /// Unlocks it, unless it is another lock by now.
    pub(super) async fn unlock(&mut self, cursor: &str, number: u64) -> Result<(), Failure> {
        match self.held.0.get(cursor) {
            Some((held, _)) if *held == number => {}
            _ => return Ok(()),
        }
        let asked = query_scalar(UNLOCK).bind(cursor);
        let _: bool = asked.fetch_one(&mut self.connection).await?;
        self.held.0.remove(cursor);
        Ok(())
    }

    /// Whether all is as it was.
    pub(super) async fn look(&mut self) -> Result<(), Failure> {
        let asked = query_scalar("SELECT pg_backend_pid()");
        let process = asked.fetch_one(&mut self.connection).await?;
        self.check(process)
    }

    fn check(&self, process: i32) -> Result<(), Failure> {
        if process == self.process {
            return Ok(());
        }
        Err(Failure::Said(
            "its connections go through a pooler in transaction mode, which cannot hold the right \
             to a cursor: give the store a direct connection, or a pooler in session mode"
                .to_owned(),
        ))
    }

    pub(super) fn held(&self) -> usize {
        self.held.0.len()
    }

    pub(super) async fn close(self) -> Result<(), Failure> {
        let Session {
            mut connection,
            held,
            ..
        } = self;
        drop(held);
        raw_sql("SELECT pg_advisory_unlock_all()")
            .execute(&mut connection)
            .await?;
        connection.close().await?;
        Ok(())
    }
}

/// Cursors, by name. Dropped, they are lost.
#[derive(Default)]
struct Held(BTreeMap<String, (u64, CancellationToken)>);

impl Drop for Held {
    fn drop(&mut self) {
        for (_, lost) in self.0.values() {
            lost.cancel();
        }
    }
}
