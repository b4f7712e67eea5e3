//! The versions of the tables: which there are here, which this program knows, and whether the two
//! go together.
//!
//! Each migration says in its first lines `-- compatible-with: N`: a program whose newest migration
//! is N, or a later one, can still work on the tables after it. That is kept in the database, so
//! that an older program knows what a newer one has done (`docs/adr/0006-expand-and-contract.md`).

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{PgConnection, SqliteConnection};

use super::DbError;

pub(super) static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
pub(super) static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// What stands in a migration before the version it is compatible with.
const MARK: &str = "-- compatible-with:";

/// A migration that this program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number, and so the version of the tables after it.
    pub version: i64,
    /// What it does.
    pub description: String,
    /// The oldest version whose program can work on the tables after it.
    pub compatible_with: i64,
    checksum: Vec<u8>,
}

/// A migration that was applied to a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) version: i64,
    checksum: Vec<u8>,
    /// As [`Migration::compatible_with`], if it was noted.
    compatible_with: Option<i64>,
}

/// How the tables and this program go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are the same.
    Current,
    /// The tables are older: these migrations are missing. Never empty.
    Pending(Vec<Migration>),
    /// The tables are newer.
    Newer {
        /// Their version.
        here: i64,
        /// This program's.
        executable: i64,
        /// Whether this program can work on them all the same.
        compatible: bool,
    },
    /// A migration was applied that is not the one of that number here.
    Altered(i64),
}

/// Of which version the tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStatus {
    /// Which database.
    pub backend: &'static str,
    /// Where it is, without a password.
    pub location: String,
    /// The version of the tables; `None` if there are none yet.
    pub here: Option<i64>,
    /// The version this program works with.
    pub executable: i64,
    /// Whether the two go together.
    pub verdict: Verdict,
}

impl SchemaStatus {
    /// The migrations that are missing in the database.
    pub fn pending(&self) -> &[Migration] {
        match &self.verdict {
            Verdict::Pending(pending) => pending,
            _ => &[],
        }
    }
}

impl Verdict {
    /// Whether this program works on these tables; why not, if not.
    pub(super) fn work_with(self, location: &str) -> Result<(), DbError> {
        let location = location.to_owned();
        match self {
            Self::Current => Ok(()),
            Self::Newer {
                here,
                executable,
                compatible: true,
            } => {
                tracing::warn!(
                    "the tables of {location} are of version {here}, which is newer than this \
                     program ({executable}) and compatible with it: upgrade ironpxe here too"
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

/// What this program knows, oldest first.
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

/// The version in a migration's mark. A migration without one is compatible with nothing older.
pub(super) fn mark(text: &str) -> Option<i64> {
    text.lines()
        .take_while(|line| line.starts_with("--"))
        .find_map(|line| line.strip_prefix(MARK)?.trim().parse().ok())
}

/// Whether what this program knows and what was applied go together.
pub(super) fn judge(known: &[Migration], applied: &[Applied]) -> Verdict {
    let same = |applied: &Applied| known.iter().find(|it| it.version == applied.version);
    if let Some(altered) = applied
        .iter()
        .find(|it| same(it).is_some_and(|known| known.checksum != it.checksum))
    {
        return Verdict::Altered(altered.version);
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
        return Verdict::Newer {
            here,
            executable,
            compatible: compatible && pending.is_empty(),
        };
    }
    if pending.is_empty() {
        Verdict::Current
    } else {
        Verdict::Pending(pending)
    }
}

/// The same words for two kinds of connection that have nothing in common.
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

/// The migrations that were applied.
pub(super) async fn applied_of_sqlite(
    connection: &mut SqliteConnection,
) -> Result<Vec<Applied>, sqlx::Error> {
    applied!(
        connection,
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1)"
    )
}

/// The migrations that were applied.
pub(super) async fn applied_of_postgres(
    connection: &mut PgConnection,
) -> Result<Vec<Applied>, sqlx::Error> {
    applied!(connection, "SELECT to_regclass($1) IS NOT NULL")
}

/// As [`applied!`].
macro_rules! note {
    ($connection:expr, $known:expr) => {{
        // Not by a migration: files from before it was kept must get it too.
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

/// Notes what the migrations are compatible with.
pub(super) async fn note_in_sqlite(
    connection: &mut SqliteConnection,
    known: &[Migration],
) -> Result<(), MigrateError> {
    note!(connection, known)
}

/// Notes what the migrations are compatible with.
pub(super) async fn note_in_postgres(
    connection: &mut PgConnection,
    known: &[Migration],
) -> Result<(), MigrateError> {
    note!(connection, known)
}
