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

/// Where the database is, and what it must know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is.
    pub location: Location,
    /// How a server is used.
    pub limits: Limits,
    /// A conductor that was not heard of for this long is not alive.
    pub heartbeat_timeout: Duration,
}

/// Where the database is.
#[derive(Clone)]
pub enum Location {
    /// A file of `SQLite`. It is created, with its folder, if it is not there; only the user who
    /// runs the service may read it, because it holds secrets.
    Sqlite(PathBuf),
    /// A database of a `PostgreSQL` server.
    Postgres {
        /// How to connect, password included.
        options: Box<PgConnectOptions>,
        /// Its name for people: without a password.
        name: String,
    },
}

/// Without a password.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "file {}", path.display()),
            Self::Postgres { name, .. } => f.write_str(name),
        }
    }
}

/// Without a password.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Db {
    /// Opens the database. The tables of an embedded one are brought up to date; those of a server
    /// must be, or else this is an error that says what to do (`docs/database.md`).
    pub async fn open(settings: &Settings) -> Result<Self, DbError> {
        // Boxed: much larger than what waits for it.
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

    /// Waits for what is under way, and closes the database.
    pub async fn close(&self) {
        match &self.store {
            Store::Sqlite(store) => store.close().await,
            Store::Postgres(store) => store.close().await,
        }
    }
}

/// Brings the tables up to date, and tells which migrations that took.
pub async fn upgrade(location: &Location) -> Result<Vec<Migration>, DbError> {
    match location {
        Location::Sqlite(path) => {
            let before = schema_status(location).await?;
            SqliteStore::open(path).await?.close().await;
            Ok(before.pending().to_vec())
        }
        Location::Postgres { options, .. } => postgres::upgrade(location, options).await,
    }
}

/// Of which version the tables are, here and in this program. Nothing is changed.
pub async fn schema_status(location: &Location) -> Result<SchemaStatus, DbError> {
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
        verdict: schema::judge(&known, &applied),
    })
}
