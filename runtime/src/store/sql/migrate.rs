//! The tables, made and kept up to date.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection, SqlSafeStr};

use super::Failure;

const TABLE: &str = "fanfare_migrations";

/// All versions of the tables, the first being 1.
pub(in crate::store) fn migrator(versions: &[&'static str]) -> Migrator {
    let migration = |(version, sql): (i64, &&'static str)| {
        let sql = sql.into_sql_str();
        Migration::new(version, "fanfare".into(), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations((1..).zip(versions).map(migration).collect());
    migrator.dangerous_set_table_name(TABLE);
    migrator
}

/// Brings the tables up to the version that this program knows.
pub(in crate::store) async fn migrate<C: Migrate + Connection>(
    migrator: &Migrator,
    connection: &mut C,
) -> Result<(), Failure> {
    let error = match migrator.run_direct(None, connection, false).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let known = migrator.iter().map(|migration| migration.version).max();
    let known = known.unwrap_or_default();
    Err(match error {
        MigrateError::VersionMissing(missing) => {
            let applied = connection.list_applied_migrations(TABLE).await;
            let applied = applied.unwrap_or_default().into_iter();
            let has = applied.map(|migration| migration.version).max();
            let has = has.unwrap_or(missing);
            Failure::Said(format!(
                "its tables are of version {has}, and this program knows them up to version \
                 {known}: a newer program has opened this database, so run that one, or give this \
                 one another database"
            ))
        }
        MigrateError::VersionMismatch(version) => Failure::Said(format!(
            "version {version} of its tables was made by a program with another idea of it: \
             use the release of fanfare that made them, or another database"
        )),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => Failure::Said(format!("its tables cannot be made: {other}")),
    })
}
