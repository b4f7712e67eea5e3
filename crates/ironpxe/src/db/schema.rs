//! Schema versions: those of the database and of this program, and their compatibility.
//!
//! Each migration declares in its first lines `-- compatible-with: N`: a program whose newest
//! migration is N or later can use the schema after it. This is stored in the database, so that
//! older programs can check it (`docs/adr/0006-expand-and-contract.md`).

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{PgConnection, SqliteConnection};

use super::DbError;

pub(super) static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
pub(super) static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// The prefix of the compatible version in a migration.
const MARK: &str = "-- compatible-with:";

/// A migration of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Migration {
    /// Its number, the schema version after it.
    pub version: i64,
    /// Its description.
    pub description: String,
    /// The oldest version whose program can use the schema after it.
    pub compatible_with: i64,
    checksum: Vec<u8>,
}

/// A migration applied to a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) version: i64,
    checksum: Vec<u8>,
    /// As [`Migration::compatible_with`], if recorded.
    compatible_with: Option<i64>,
}

/// The compatibility of the schema with this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compatibility {
    /// The versions are equal.
    Current,
    /// The schema is older: the missing migrations, never empty.
    Pending(Vec<Migration>),
    /// The schema is newer.
    Newer {
        /// The schema's version.
        here: i64,
        /// The program's version.
        executable: i64,
        /// Whether this program is compatible with it.
        compatible: bool,
    },
    /// An applied migration differs from this program's.
    Altered(i64),
}

/// The schema versions of a database and of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SchemaStatus {
    /// The kind of database.
    pub backend: &'static str,
    /// The location, without a password.
    pub location: String,
    /// The schema's version; `None` if there is none yet.
    pub here: Option<i64>,
    /// The program's version.
    pub executable: i64,
    /// Their compatibility.
    pub compatibility: Compatibility,
}

impl SchemaStatus {
    /// The missing migrations.
    pub(crate) fn pending(&self) -> &[Migration] {
        match &self.compatibility {
            Compatibility::Pending(pending) => pending,
            _ => &[],
        }
    }
}

impl Compatibility {
    /// Returns an error if this program cannot use the schema.
    pub(super) fn require_usable(self, location: &str) -> Result<(), DbError> {
        let location = location.to_owned();
        match self {
            Self::Current => Ok(()),
            Self::Newer {
                here,
                executable,
                compatible: true,
            } => {
                tracing::warn!(
                    "the schema of {location} has version {here}, newer than this \
                     program ({executable}) but compatible with it: upgrade this ironpxe too"
                );
                Ok(())
            }
            Self::Newer {
                here, executable, ..
            } => Err(DbError::SchemaNewer {
                location,
                here,
                executable,
            }),
            Self::Pending(pending) => Err(DbError::SchemaOlder {
                location,
                pending: pending.len(),
            }),
            Self::Altered(version) => Err(DbError::SchemaAltered { location, version }),
        }
    }
}

/// The migrations of this program, oldest first.
pub(super) fn known(migrator: &Migrator) -> Vec<Migration> {
    migrator
        .iter()
        .map(|migration| Migration {
            version: migration.version,
            description: migration.description.to_string(),
            compatible_with: mark(migration.sql.as_str()).unwrap_or(migration.version),
            checksum: migration.checksum.to_vec(),
        })
        .collect()
}

/// The compatible version declared by a migration. Without it, a migration is incompatible with
/// anything older.
pub(super) fn mark(text: &str) -> Option<i64> {
    text.lines()
        .take_while(|line| line.starts_with("--"))
        .find_map(|line| line.strip_prefix(MARK)?.trim().parse().ok())
}

/// Compares this program's migrations with the applied ones.
pub(super) fn judge(known: &[Migration], applied: &[Applied]) -> Compatibility {
    let same = |applied: &Applied| known.iter().find(|it| it.version == applied.version);
    if let Some(altered) = applied
        .iter()
        .find(|it| same(it).is_some_and(|known| known.checksum != it.checksum))
    {
        return Compatibility::Altered(altered.version);
    }
    let executable = known.iter().map(|it| it.version).max().unwrap_or(0);
    let pending: Vec<Migration> = known
        .iter()
        .filter(|known| applied.iter().all(|it| it.version != known.version))
        .cloned()
        .collect();
    let newer: Vec<&Applied> = applied.iter().filter(|it| same(it).is_none()).collect();
    if let Some(here) = newer.iter().map(|it| it.version).max() {
        let compatible = newer
            .iter()
            .all(|it| it.compatible_with.unwrap_or(it.version) <= executable);
        return Compatibility::Newer {
            here,
            executable,
            compatible: compatible && pending.is_empty(),
        };
    }
    if pending.is_empty() {
        Compatibility::Current
    } else {
        Compatibility::Pending(pending)
    }
}

/// The same queries for both connection types, which share no trait.
macro_rules! applied {
    ($connection:expr, $exists:literal) => {{
        let mut applied = Vec::new();
        let there: bool = sqlx::query_scalar($exists)
            .bind("_sqlx_migrations")
            .fetch_one(&mut *$connection)
            .await?;
        if there {
            let rows: Vec<(i64, Vec<u8>)> = sqlx::query_as(
                "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version",
            )
            .fetch_all(&mut *$connection)
            .await?;
            applied.extend(rows.into_iter().map(|(version, checksum)| Applied {
                version,
                checksum,
                compatible_with: None,
            }));
        }
        let there: bool = sqlx::query_scalar($exists)
            .bind("schema_compat")
            .fetch_one(&mut *$connection)
            .await?;
        if there {
            let rows: Vec<(i64, i64)> =
                sqlx::query_as("SELECT version, compatible_with FROM schema_compat")
                    .fetch_all(&mut *$connection)
                    .await?;
            for (version, compatible_with) in rows {
                if let Some(applied) = applied.iter_mut().find(|it| it.version == version) {
                    applied.compatible_with = Some(compatible_with);
                }
            }
        }
        Ok(applied)
    }};
}

/// The applied migrations.
pub(super) async fn applied_of_sqlite(
    connection: &mut SqliteConnection,
) -> Result<Vec<Applied>, sqlx::Error> {
    applied!(
        connection,
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1)"
    )
}

/// The applied migrations.
pub(super) async fn applied_of_postgres(
    connection: &mut PgConnection,
) -> Result<Vec<Applied>, sqlx::Error> {
    applied!(connection, "SELECT to_regclass($1) IS NOT NULL")
}

/// As [`applied!`].
macro_rules! note {
    ($connection:expr, $known:expr) => {{
        // Not created by a migration: older files need it too.
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS schema_compat (version BIGINT NOT NULL PRIMARY KEY, \
             compatible_with BIGINT NOT NULL)",
        )
        .execute(&mut *$connection)
        .await?;
        for migration in $known {
            sqlx::query(
                "INSERT INTO schema_compat (version, compatible_with) VALUES ($1, $2) \
                 ON CONFLICT (version) DO NOTHING",
            )
            .bind(migration.version)
            .bind(migration.compatible_with)
            .execute(&mut *$connection)
            .await?;
        }
        Ok(())
    }};
}

/// Records the compatible versions of the migrations.
pub(super) async fn note_in_sqlite(
    connection: &mut SqliteConnection,
    known: &[Migration],
) -> Result<(), MigrateError> {
    note!(connection, known)
}

/// Records the compatible versions of the migrations.
pub(super) async fn note_in_postgres(
    connection: &mut PgConnection,
    known: &[Migration],
) -> Result<(), MigrateError> {
    note!(connection, known)
}
