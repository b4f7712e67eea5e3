//! `PostgreSQL`, the database of its own: connecting, and never waiting for it forever.
//!
//! Whoever asks is answered in bounded time, whatever has become of the server: it may have gone,
//! be starting, or hold the connection open and say nothing. So each statement has a deadline here
//! and a timeout there, connections that were idle are asked whether they still live, and one on
//! which an answer was not waited for is closed instead of used again. Nobody has to do anything
//! when the server comes back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgQueryResult, PgRow};
use sqlx::{ConnectOptions, Connection, Postgres};

use super::commit_version::snapshots::Snapshots;
use super::row::{Fields, Read};
use super::schema::{self, Applied, Verdict};
use super::statement::Statement;
use super::{DbError, Location};

/// How long a caller waits for a connection, also for a new one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is asked whether it still lives.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Connections that nobody used for so long are closed.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// The longest that a statement waits for a row that somebody else changes.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// A transaction whose statements stop coming ends.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an upgrade waits for another upgrade, and for statements that use the tables.
const UPGRADE_LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// The advisory lock of whoever upgrades the tables: "ironpxe" in letters.
const UPGRADE_LOCK: i64 = 0x0069_726f_6e70_7865;

/// How the server is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most connections this process opens.
    pub max_pool_size: u32,
    /// The longest that one statement may take.
    pub statement_timeout: Duration,
}

/// The connections to a server.
#[derive(Debug, Clone)]
pub(super) struct PostgresStore {
    pub(super) pool: PgPool,
    /// From the wait for a connection to the last row.
    deadline: Duration,
    /// As many connections as may be broken at once.
    connections: u32,
    pub(super) snapshots: Arc<Snapshots>,
}

impl PostgresStore {
    /// Connects, and looks whether the tables are what this program knows.
    pub(super) async fn open(
        location: &Location,
        options: &PgConnectOptions,
        limits: Limits,
    ) -> Result<Self, DbError> {
        let options = session(options, limits.statement_timeout, LOCK_TIMEOUT);
        // A pool does not tell why it has no connection.
        let first = connect(&options).await;
        let first = first.map_err(|error| not_opened(location, error))?;
        drop(first.close().await);
        let snapshots = Arc::new(Snapshots::default());
        let connected = Arc::clone(&snapshots);
        let pool = PgPoolOptions::new()
            .max_connections(limits.max_pool_size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(move |_, _| {
                connected.connected();
                Box::pin(std::future::ready(Ok(())))
            })
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for < TRUSTED_FOR {
                        return Ok(true);
                    }
                    Ok(connection.ping().await.is_ok())
                })
            })
            .connect_lazy_with(options);
        let store = Self {
            pool,
            deadline: limits.statement_timeout,
            connections: limits.max_pool_size,
            snapshots,
        };
        let look = async {
            let mut lease = store.lease().await?;
            let applied = schema::applied_of_postgres(lease.get()?).await;
            lease.give_back_after(applied)
        };
        let applied = within(store.deadline, look).await;
        let applied = applied.map_err(|error| not_opened(location, error))?;
        let verdict = schema::judge(&schema::known(&schema::POSTGRES), &applied);
        verdict.work_with(&location.to_string())?;
        Ok(store)
    }

    /// Every row. A connection that turns out to be broken costs another try: a query that changes
    /// nothing can be sent twice.
    pub(super) async fn rows<T>(
        &self,
        statement: &Statement<'_>,
        read: Read<T>,
    ) -> Result<Vec<T>, sqlx::Error> {
        let fetch = async {
            let mut tries = 0;
            loop {
                tries += 1;
                match self.fetch(statement).await {
                    Err(error) if is_broken(&error) && tries <= self.connections => {}
                    rows => return rows,
                }
            }
        };
        // Boxed: much larger than what waits for it.
        let rows = within(self.deadline, Box::pin(fetch)).await?;
        rows.iter()
            .map(|row| read(&mut Fields::of_postgres(row)))
            .collect()
    }

    async fn fetch(&self, statement: &Statement<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut lease = self.lease().await?;
        let rows = statement.for_postgres().fetch_all(lease.get()?).await;
        lease.give_back_after(rows)
    }

    /// Changes something; how many rows. What became of it is not known if the connection breaks
    /// meanwhile, so it is sent once.
    pub(super) async fn execute(&self, statement: &Statement<'_>) -> Result<u64, sqlx::Error> {
        let execute = async {
            let mut lease = self.lease().await?;
            let done = statement.for_postgres().execute(lease.get()?).await;
            lease.give_back_after(done)
        };
        within(self.deadline, Box::pin(execute))
            .await
            .map(|done: PgQueryResult| done.rows_affected())
    }

    /// Executes `guarded` and, if it changed one row, `then`: both or neither. Whether it did. Sent
    /// once, as [`PostgresStore::execute`] does.
    pub(super) async fn execute_both(
        &self,
        guarded: &Statement<'_>,
        then: &Statement<'_>,
    ) -> Result<bool, sqlx::Error> {
        let execute = async {
            let mut lease = self.lease().await?;
            let done = both(lease.get()?, guarded, then).await;
            lease.give_back_after(done)
        };
        within(self.deadline, Box::pin(execute)).await
    }

    /// A connection.
    async fn lease(&self) -> Result<Lease, sqlx::Error> {
        self.pool.acquire().await.map(|it| Lease(Some(it)))
    }

    /// Waits for what is under way, and closes every connection.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

async fn both(
    connection: &mut PgConnection,
    guarded: &Statement<'_>,
    then: &Statement<'_>,
) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let work = async {
        let done = guarded.for_postgres().execute(&mut *transaction).await?;
        if done.rows_affected() != 1 {
            return Ok(false);
        }
        then.for_postgres().execute(&mut *transaction).await?;
        Ok(true)
    };
    match work.await {
        Ok(true) => transaction.commit().await.map(|()| true),
        Ok(false) => transaction.rollback().await.map(|()| false),
        // What broke the connection closes it, and the server gives up the rest.
        Err(error) if is_broken(&error) => Err(error),
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}

/// Brings the tables up to date: all or nothing, and one process at a time. What was pending.
pub(super) async fn upgrade(
    location: &Location,
    options: &PgConnectOptions,
) -> Result<Vec<schema::Migration>, DbError> {
    // Changing a large table takes as long as it takes.
    let options = session(options, Duration::ZERO, UPGRADE_LOCK_TIMEOUT);
    let mut connection = connect(&options)
        .await
        .map_err(|error| not_opened(location, error))?;
    let failed = |source| DbError::Migrate {
        location: location.to_string(),
        source,
    };
    let known = schema::known(&schema::POSTGRES);
    // Of the session, and so until the commit below is done, or this process is.
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(UPGRADE_LOCK)
        .execute(&mut connection)
        .await
        .map_err(|error| failed(error.into()))?;
    let applied = schema::applied_of_postgres(&mut connection)
        .await
        .map_err(|error| failed(error.into()))?;
    let pending = match schema::judge(&known, &applied) {
        Verdict::Pending(pending) => pending,
        verdict => {
            return verdict
                .work_with(&location.to_string())
                .map(|()| Vec::new());
        }
    };
    let upgrade = async {
        let mut transaction = connection.begin().await?;
        let inside: &mut PgConnection = &mut transaction;
        schema::POSTGRES.run_direct(None, inside, false).await?;
        schema::note_in_postgres(&mut transaction, &known).await?;
        transaction.commit().await?;
        Ok(())
    };
    upgrade.await.map_err(failed)?;
    Ok(pending)
}

/// The migrations that were applied to a database.
pub(super) async fn applied(
    location: &Location,
    options: &PgConnectOptions,
) -> Result<Vec<Applied>, DbError> {
    let read = async {
        let options = session(options, ACQUIRE_TIMEOUT, LOCK_TIMEOUT);
        let mut connection = connect(&options).await?;
        within(
            ACQUIRE_TIMEOUT,
            schema::applied_of_postgres(&mut connection),
        )
        .await
    };
    read.await.map_err(|error| not_opened(location, error))
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    within(ACQUIRE_TIMEOUT, PgConnection::connect_with(options)).await
}

/// The options with what this program asks of each of its sessions; zero is no limit.
fn session(options: &PgConnectOptions, statement: Duration, lock: Duration) -> PgConnectOptions {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    let options = options.clone().options([
        ("statement_timeout", milliseconds(statement)),
        ("lock_timeout", milliseconds(lock)),
        (
            "idle_in_transaction_session_timeout",
            milliseconds(IDLE_IN_TRANSACTION_TIMEOUT),
        ),
        // Both ends of a guarded change rely on it; a database may have another default.
        ("default_transaction_isolation", "read committed".to_owned()),
    ]);
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("ironpxe"),
    };
    options.disable_statement_logging()
}

/// Waits no longer than `limit`.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it did not answer within {} s", limit.as_secs_f32()),
        )))
    })
}

fn not_opened(location: &Location, source: sqlx::Error) -> DbError {
    DbError::Open {
        location: location.to_string(),
        source: source.into(),
    }
}

/// A connection that is closed when it is dropped, unless it was given back: whoever stops waiting
/// for an answer leaves one on the way, which nobody else must take for theirs.
struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    fn get(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Others may use it.
    fn give_back(mut self) {
        drop(self.0.take());
    }

    /// Others may use it if that is how it still is.
    fn give_back_after<T>(self, done: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        match &done {
            Err(error) if is_broken(error) => drop(self),
            _ => self.give_back(),
        }
        done
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

/// Whether the connection can be of no use any more.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        // Shut down, crashed, or not yet started: each ends the session.
        sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}
