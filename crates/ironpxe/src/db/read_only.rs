//! Read-only access beside the running service or without it: creates and changes nothing, and does
//! not migrate.
//!
//! While the service has the file open there is a write-ahead log beside it (`-wal`), and `SQLite`
//! reads both as usual. Otherwise all data is in the file itself. A normal connection would then
//! create the log and could not delete it, so the file is opened as `immutable`, and the result is
//! discarded if the file changed meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::sqlite::SqlitePool;

use super::heartbeat_clock::HeartbeatClock;
use super::sqlite::{self, SqliteStore, connect, log_of, not_opened};
use super::store::Store;
use super::{Db, DbError, Location, schema};

/// How often to retry when the service starts or stops meanwhile.
const ATTEMPTS: u32 = 5;

impl Db {
    /// Calls `look` with the database at `path`. It may be called again, and its earlier result is
    /// discarded then.
    ///
    /// # Errors
    ///
    /// [`DbError::NoDatabase`]; [`DbError::SchemaOlder`] and [`DbError::SchemaNewer`] if this
    /// release is incompatible with the schema; [`DbError::Open`] and errors of reading.
    pub(crate) async fn read_only<T>(
        path: &Path,
        look: impl AsyncFn(&Self) -> T,
    ) -> Result<T, DbError> {
        // The log is beside the target of a symbolic link.
        let path = &path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => DbError::NoDatabase(path.to_owned()),
            _ => not_opened(path, error),
        })?;
        for _ in 0..ATTEMPTS {
            let before = FileMetadata::of(path).map_err(|error| not_opened(path, error))?;
            let seen = look_once(path, before.is_some(), &look).await;
            let after = FileMetadata::of(path).map_err(|error| not_opened(path, error))?;
            if before.is_none() || before == after {
                return seen;
            }
        }
        let changing = std::io::Error::other("it is being opened and closed continually");
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
        // The liveness of conductors is not used.
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

/// Rejects an incompatible schema.
async fn check_schema(connections: &SqlitePool, path: &Path) -> Result<(), DbError> {
    let failed = |error: sqlx::Error| not_opened(path, error);
    let mut connection = connections.acquire().await.map_err(failed)?;
    let applied = schema::applied_of_sqlite(&mut connection)
        .await
        .map_err(failed)?;
    let location = Location::Sqlite(path.to_owned()).to_string();
    schema::judge(&schema::known(&schema::SQLITE), &applied).require_usable(&location)
}

/// The metadata that any change of a closed file would change.
#[derive(Debug, PartialEq, Eq)]
struct FileMetadata {
    bytes: u64,
    modified: SystemTime,
}

impl FileMetadata {
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
