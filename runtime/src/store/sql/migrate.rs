//! The tables, made and kept up to date.

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection, SqlSafeStr};

use super::Failure;

/// The table of what was applied.
pub(in crate::store) const TABLE: &str = "fanfare_migrations";

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

/// Whether the tables are just as this program knows them, asked of a database that has
/// [`TABLE`]. Then there is nothing to write, to lock, or to be allowed.
pub(in crate::store) async fn is_current<C: Migrate>(
    migrator: &Migrator,
    connection: &mut C,
) -> Result<bool, Failure> {
    let applied = connection.list_applied_migrations(TABLE).await;
    let applied = applied.map_err(|error| explain(migrator, error, None))?;
    let applied = applied.iter().map(|it| (it.version, &it.checksum));
    Ok(applied.eq(migrator.iter().map(|it| (it.version, &it.checksum))))
}

/// Brings the tables up to the version that this program knows.
pub(in crate::store) async fn migrate<C: Migrate + Connection>(
    migrator: &Migrator,
    connection: &mut C,
) -> Result<(), Failure> {
    let Err(error) = migrator.run_direct(None, connection, false).await else {
        return Ok(());
    };
    let has = match &error {
        MigrateError::VersionMissing(_) => connection.list_applied_migrations(TABLE).await.ok(),
        _ => None,
    };
    let has = has.and_then(|applied| applied.iter().map(|it| it.version).max());
    Err(explain(migrator, error, has))
}

fn explain(migrator: &Migrator, error: MigrateError, has: Option<i64>) -> Failure {
    match error {
        MigrateError::VersionMissing(missing) => {
            let known = migrator.iter().map(|migration| migration.version).max();
            Failure::Said(format!(
                "its tables are of version {}, and this program knows them up to version {}: a \
                 newer program has opened this database, so run that one, or give this one \
                 another database",
                has.unwrap_or(missing),
                known.unwrap_or_default(),
            ))
        }
        MigrateError::VersionMismatch(version) => Failure::Said(format!(
            "version {version} of its tables was made by a program with another idea of it: use \
             the release of fanfare that made them, or another database"
        )),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => Failure::Said(format!("its tables cannot be made: {other}")),
    }
}
