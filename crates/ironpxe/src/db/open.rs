//! Opening and closing the database.
//!
//! One connection writes, a few read: `SQLite` lets only one write at a time anyway, and so nobody
//! in this process ever meets a locked database. Readers see every commit at once (write-ahead
//! log). A commit is on the disk before it is answered (`synchronous=FULL`).

use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::ConnectOptions;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::error::is_busy;
use super::{Db, DbError};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a writer waits for another process that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection that others use.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the database is, and what it must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The `SQLite` file. It is created, with its folder, if it is not there; only the user who
    /// runs the service may read it, because it holds secrets.
    pub path: PathBuf,
    /// A conductor that was not heard of for this long is not alive.
    pub heartbeat_timeout: Duration,
}

impl Db {
    /// Opens the database and brings its tables up to date.
    pub async fn open(settings: &Settings) -> Result<Self, DbError> {
        let path = &settings.path;
        create(path).map_err(|error| not_opened(path, error))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-20000")
            .disable_statement_logging();
        let writer = connect(1, options.clone().journal_mode(SqliteJournalMode::Wal))
            .await
            .map_err(|error| not_opened(path, error))?;
        migrate(&writer).await.map_err(|source| DbError::Migrate {
            path: path.clone(),
            source,
        })?;
        let readers = connect(reader_count(), options.pragma("query_only", "ON"))
            .await
            .map_err(|error| not_opened(path, error))?;
        Ok(Self {
            writer,
            readers,
            heartbeat_timeout: settings.heartbeat_timeout,
        })
    }

    /// Waits for what is under way, and closes the file.
    pub async fn close(&self) {
        // The last to go moves the write-ahead log into the file, which a reader may not.
        self.readers.close().await;
        self.writer.close().await;
    }
}

pub(super) fn not_opened(
    path: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> DbError {
    DbError::Open {
        path: path.to_owned(),
        source: Box::new(error),
    }
}

/// Opens a pool. While another process opens or closes the file for good, `SQLite` has it locked for
/// a moment without waiting by itself.
pub(super) async fn connect(
    connections: u32,
    options: SqliteConnectOptions,
) -> Result<SqlitePool, sqlx::Error> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match pool(connections).connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

/// Connections stay open, and are not asked whether they still live: they are threads here.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

fn reader_count() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors).unwrap_or(8).clamp(2, 8)
}

/// Creates file and folder, readable for the owner only, unless they are there.
///
/// A file that is there is left to `SQLite` alone: closing another descriptor of it would give up
/// the locks that this process holds on it.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    match OpenOptions::new()
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The schema this release works with: the number of its last migration.
pub(super) fn newest_schema() -> i64 {
    MIGRATIONS.iter().map(|it| it.version).max().unwrap_or(0)
}

/// All or nothing, and one process at a time: whoever is killed half-way leaves the old tables.
async fn migrate(writer: &SqlitePool) -> Result<(), sqlx::migrate::MigrateError> {
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    // What `run` calls; `run` itself, given a transaction, is not `Send`.
    MIGRATIONS
        .run_direct(None, &mut *transaction, false)
        .await?;
    transaction.commit().await?;
    Ok(())
}
