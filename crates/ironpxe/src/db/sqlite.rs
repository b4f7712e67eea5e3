//! `SQLite`, the embedded database: opening the file, and its connections.
//!
//! One connection writes, several read: `SQLite` allows only one writer at a time, and this way no
//! connection of this process ever finds the database locked. Readers see every commit immediately
//! (write-ahead log). Commits are durable before they return (`synchronous=FULL`).

use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqliteConnection};
use tracing::error;

use super::commit_version::WalIndex;
use super::error::is_busy;
use super::private;
use super::schema::{self, Applied, Compatibility};
use super::statement::Statement;
use super::{DbError, Location};
use crate::error_chain::error_chain;

/// How long a writer waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The timeout for getting a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The connections of an open file.
#[derive(Debug, Clone)]
pub(super) struct SqliteStore {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    /// Detects commits; `None` if not supported, or not needed.
    pub(super) index: Option<WalIndex>,
}

impl SqliteStore {
    /// Opens the file, creating it if missing, and migrates the schema. If it is not writable, for
    /// example because the disk is full, it is opened for reading, so that machines still boot.
    pub(super) async fn open(path: &Path) -> Result<Self, DbError> {
        match Self::open_to_write(path).await {
            Err(error) if error.is_about_writing() && path.exists() => {
                let Ok(store) = Self::open_exclusive(path).await else {
                    return Err(error);
                };
                error!(
                    error = error_chain(&error),
                    "the database {} is not writable: machines boot with its current data, but \
                     nothing can be changed. Make it writable and restart; until then no other \
                     process can use the file",
                    path.display()
                );
                Ok(store)
            }
            done => done,
        }
    }

    /// Opens the file exclusively by a single connection, without creating other files: shared
    /// memory (`-shm`) is replaced by process memory.
    async fn open_exclusive(path: &Path) -> Result<Self, DbError> {
        let log = log_of(
            &path
                .canonicalize()
                .map_err(|error| not_opened(path, error))?,
        );
        let has_log = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
        let alone = options(path).locking_mode(SqliteLockingMode::Exclusive);
        let ways = [
            Some(alone.create_if_missing(false)),
            // On read-only media, if all data is in the file itself.
            (!has_log).then(|| options(path).read_only(true).immutable(true)),
        ];
        let mut done = Err(not_opened(
            path,
            std::io::Error::other("it cannot be opened in any mode"),
        ));
        for options in ways.into_iter().flatten() {
            done = Self::open_one(path, options).await;
            if done.is_ok() {
                break;
            }
        }
        done
    }

    async fn open_one(path: &Path, options: SqliteConnectOptions) -> Result<Self, DbError> {
        let failed = |error: sqlx::Error| not_opened(path, error);
        let connection = connect(1, options).await.map_err(failed)?;
        let mut used = connection.acquire().await.map_err(failed)?;
        let applied = schema::applied_of_sqlite(&mut used).await.map_err(failed)?;
        drop(used);
        let location = Location::Sqlite(path.to_owned()).to_string();
        schema::judge(&schema::known(&schema::SQLITE), &applied).require_usable(&location)?;
        Ok(Self {
            writer: connection.clone(),
            readers: connection,
            index: None,
        })
    }

    async fn open_to_write(path: &Path) -> Result<Self, DbError> {
        create(path).map_err(|error| not_opened(path, error))?;
        private::protect_files(path).map_err(|error| not_opened(path, error))?;
        let options = options(path);
        let writer = connect(1, options.clone().journal_mode(SqliteJournalMode::Wal))
            .await
            .map_err(|error| not_opened(path, error))?;
        migrate(&writer, path).await?;
        let readers = connect(reader_count(), options.pragma("query_only", "ON"))
            .await
            .map_err(|error| not_opened(path, error))?;
        Ok(Self {
            writer,
            readers,
            index: WalIndex::of(path),
        })
    }

    /// Executes a change that does not affect the commit version.
    pub(super) async fn execute_without_version(
        &self,
        statement: Statement<'static>,
    ) -> Result<u64, sqlx::Error> {
        let store = self.clone();
        let runtime = tokio::runtime::Handle::current();
        // On a separate thread: between the commit and `ignore_commit`, no cached content can be
        // validated, and async tasks could be delayed.
        let work = move || runtime.block_on(store.change_without_version(&statement));
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }

    async fn change_without_version(
        &self,
        statement: &Statement<'static>,
    ) -> Result<u64, sqlx::Error> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        // The write lock is held: no other commit is possible.
        let before = self.index.and_then(WalIndex::header);
        let done = statement.for_sqlite().execute(&mut *transaction).await?;
        transaction.commit().await?;
        let rows = done.rows_affected();
        if let (Some(index), Some(before)) = (self.index, before) {
            index.ignore_commit(before, rows);
        }
        Ok(rows)
    }

    /// Waits for queries in progress, and closes the file.
    pub(super) async fn close(&self) {
        // The last connection moves the write-ahead log into the file, which a reader cannot.
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The migrations applied to a file; none if it does not exist.
pub(super) async fn applied(path: &Path) -> Result<Vec<Applied>, DbError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let read = async {
        let mut connection = options(path).connect().await?;
        schema::applied_of_sqlite(&mut connection).await
    };
    read.await
        .map_err(|error: sqlx::Error| not_opened(path, error))
}

/// The error of a file that cannot be opened.
pub(super) fn not_opened(
    path: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
) -> DbError {
    DbError::Open {
        location: Location::Sqlite(path.to_owned()).to_string(),
        source: Box::new(error),
    }
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        // In KiB per connection. The system's page cache has the rest.
        .pragma("cache_size", "-6000")
        // PostgreSQL's name for bytewise order, so that both databases use the same query.
        .collation("C", |one, other| one.as_bytes().cmp(other.as_bytes()))
        .disable_statement_logging()
}

/// Opens a pool. While another process opens or closes the file, it is briefly locked in a way that
/// the busy timeout does not cover.
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

/// Connections stay open and need no test before use: they are local threads.
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

/// Creates file and directory, readable only by the owner, if missing.
///
/// An existing file is not opened here: closing another descriptor of it would release the locks
/// that this process holds on it.
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

/// Migrates in one transaction, exclusively: an interrupted migration is rolled back.
async fn migrate(writer: &SqlitePool, path: &Path) -> Result<(), DbError> {
    let location = || Location::Sqlite(path.to_owned()).to_string();
    let failed = |source| DbError::Migrate {
        location: location(),
        source,
    };
    let begun = writer.begin_with("BEGIN IMMEDIATE").await;
    let mut transaction = begun.map_err(|error| failed(error.into()))?;
    let applied = schema::applied_of_sqlite(&mut transaction)
        .await
        .map_err(|error| failed(error.into()))?;
    let known = schema::known(&schema::SQLITE);
    match schema::judge(&known, &applied) {
        Compatibility::Current => return Ok(()),
        Compatibility::Pending(_) => {}
        newer => return newer.require_usable(&location()),
    }
    let upgrade = async {
        let connection: &mut SqliteConnection = &mut transaction;
        // As `run` does; `run` itself is not `Send` with a transaction.
        schema::SQLITE.run_direct(None, connection, false).await?;
        schema::note_in_sqlite(&mut transaction, &known).await?;
        transaction.commit().await?;
        Ok(())
    };
    upgrade.await.map_err(failed)
}

/// The write-ahead log of a database file.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}
