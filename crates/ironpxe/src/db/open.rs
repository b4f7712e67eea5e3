//! Opening and closing the database.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::heartbeat_clock::HeartbeatClock;
use super::postgres::{self, Limits, PostgresStore};
use super::schema::{self, Migration, SchemaStatus};
use super::sqlite::{self, SqliteStore};
use super::store::Store;
use super::{Db, DbError};

/// How to open the database.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The database's location.
    pub location: Location,
    /// Limits for a server.
    pub limits: Limits,
    /// The heartbeat timeout of conductors.
    pub heartbeat_timeout: Duration,
}

/// The database's location.
#[derive(Clone)]
pub(crate) enum Location {
    /// A `SQLite` file. Created with its directory if missing, readable only by the service's user,
    /// because it has secrets.
    Sqlite(PathBuf),
    /// A database on a `PostgreSQL` server.
    Postgres {
        /// The connection options, including the password.
        options: Box<PgConnectOptions>,
        /// Its name for people, without the password.
        name: String,
    },
}

/// Omits the password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "file {}", path.display()),
            Self::Postgres { name, .. } => f.write_str(name),
        }
    }
}

/// Omits the password.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Db {
    /// Opens the database. An embedded one is migrated; the schema of a server must be current,
    /// otherwise the error says what to do (`docs/database.md`).
    pub(crate) async fn open(settings: &Settings) -> Result<Self, DbError> {
        // Boxed, because it is much larger than its callers.
        let store = match &settings.location {
            Location::Sqlite(path) => Store::Sqlite(Box::pin(SqliteStore::open(path)).await?),
            location @ Location::Postgres { options, .. } => {
                let opening = PostgresStore::open(location, options, settings.limits);
                Store::Postgres(Box::pin(opening).await?)
            }
        };
        Ok(Self {
            store,
            heartbeat_timeout: settings.heartbeat_timeout,
            heartbeat_clock: Arc::new(HeartbeatClock::new(settings.heartbeat_timeout)),
            own_run: Arc::default(),
            write_health: Arc::default(),
        })
    }

    /// Waits for queries in progress, and closes the database.
    pub(crate) async fn close(&self) {
        match &self.store {
            Store::Sqlite(store) => store.close().await,
            Store::Postgres(store) => store.close().await,
        }
    }
}

/// Migrates the schema; returns the applied migrations.
pub(crate) async fn upgrade(location: &Location) -> Result<Vec<Migration>, DbError> {
    match location {
        Location::Sqlite(path) => {
            let before = schema_status(location).await?;
            SqliteStore::open(path).await?.close().await;
            Ok(before.pending().to_vec())
        }
        Location::Postgres { options, .. } => postgres::upgrade(location, options).await,
    }
}

/// The schema versions of the database and of this program. Read-only.
pub(crate) async fn schema_status(location: &Location) -> Result<SchemaStatus, DbError> {
    let (backend, migrator, applied) = match location {
        Location::Sqlite(path) => ("SQLite", &schema::SQLITE, sqlite::applied(path).await?),
        Location::Postgres { options, .. } => {
            let applied = postgres::applied(location, options).await?;
            ("PostgreSQL", &schema::POSTGRES, applied)
        }
    };
    let known = schema::known(migrator);
    Ok(SchemaStatus {
        backend,
        location: location.to_string(),
        here: applied.iter().map(|it| it.version).max(),
        executable: known.iter().map(|it| it.version).max().unwrap_or(0),
        compatibility: schema::judge(&known, &applied),
    })
}
