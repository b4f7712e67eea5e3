//! Reading the database beside the service, or without it: nothing is created, changed or left
//! behind, and no tables are brought up to date.
//!
//! While the service has the file open there is a write-ahead log beside it (`-wal`), and `SQLite`
//! reads both, like any other of its readers. When there is none, all is in the file itself. Then a
//! reader of the ordinary kind would create the log, and could not remove it again; so the file is
//! read as if it could not change (`immutable`), and what was read counts only if it did not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::sqlite::SqlitePool;

use super::heartbeat_clock::HeartbeatClock;
use super::sqlite::{self, SqliteStore, connect, not_opened};
use super::store::Store;
use super::{Db, DbError, Location, schema};

/// How often it is read again because the service was just being started or stopped.
const ATTEMPTS: u32 = 5;

impl Db {
    /// Lets `look` read the database at `path`. It may be called again, and what it gave before is
    /// forgotten then.
    ///
    /// # Errors
    ///
    /// [`DbError::NoDatabase`]; [`DbError::SchemaOlder`] and [`DbError::SchemaNewer`] if this release
    /// cannot work with its tables;
    /// [`DbError::Open`] and what reading can come to.
    pub async fn read_only<T>(path: &Path, look: impl AsyncFn(&Self) -> T) -> Result<T, DbError> {
        // The log stands beside the file itself, whatever leads to it.
        let path = &path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => DbError::NoDatabase(path.to_owned()),
            _ => not_opened(path, error),
        })?;
        for _ in 0..ATTEMPTS {
            let before = Rest::of(path).map_err(|error| not_opened(path, error))?;
            let seen = look_once(path, before.is_some(), &look).await;
            let after = Rest::of(path).map_err(|error| not_opened(path, error))?;
            if before.is_none() || before == after {
                return seen;
            }
        }
        let changing = std::io::Error::other("it is opened and closed all the time");
        Err(not_opened(path, changing))
    }
}

async fn look_once<T>(
    path: &Path,
    at_rest: bool,
    look: &impl AsyncFn(&Db) -> T,
) -> Result<T, DbError> {
    let options = sqlite::options(path).read_only(true).immutable(at_rest);
    let connections = connect(1, options)
        .await
        .map_err(|error| not_opened(path, error))?;
    let db = Db {
        store: Store::Sqlite(SqliteStore {
            writer: connections.clone(),
            readers: connections.clone(),
            index: None,
        }),
        // Nobody is asked whether a conductor is alive.
        heartbeat_timeout: Duration::MAX,
        heartbeat_clock: Arc::new(HeartbeatClock::new(Duration::MAX)),
        own_run: Arc::default(),
        write_health: Arc::default(),
    };
    let seen = match check_schema(&connections, path).await {
        Ok(()) => Ok(look(&db).await),
        Err(error) => Err(error),
    };
    db.close().await;
    seen
}

/// Refuses tables that this release cannot work with: what they mean is not known here.
async fn check_schema(connections: &SqlitePool, path: &Path) -> Result<(), DbError> {
    let failed = |error: sqlx::Error| not_opened(path, error);
    let mut connection = connections.acquire().await.map_err(failed)?;
    let applied = schema::applied_of_sqlite(&mut connection)
        .await
        .map_err(failed)?;
    let location = Location::Sqlite(path.to_owned()).to_string();
    schema::judge(&schema::known(&schema::SQLITE), &applied).work_with(&location)
}

/// A file that nobody has open, by what every change of it would change.
#[derive(Debug, PartialEq, Eq)]
struct Rest {
    bytes: u64,
    modified: SystemTime,
}

impl Rest {
    /// `None` while there is a log.
    fn of(path: &Path) -> std::io::Result<Option<Self>> {
        if log_of(path).try_exists()? {
            return Ok(None);
        }
        let file = std::fs::metadata(path)?;
        Ok(Some(Self {
            bytes: file.len(),
            modified: file.modified()?,
        }))
    }
}

pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}
