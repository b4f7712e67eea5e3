//! `PostgreSQL`: connections with bounded waiting times.
//!
//! Every call returns in bounded time, even if the server is down, starting, or unresponsive. Each
//! statement has a deadline here and a timeout on the server, idle connections are tested before
//! use, and a connection whose response was not awaited is closed instead of reused. No
//! intervention is needed when the server comes back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgQueryResult, PgRow};
use sqlx::{ConnectOptions, Connection, Postgres};

use super::commit_version::snapshots::Snapshots;
use super::row::{Fields, Read};
use super::schema::{self, Applied, Compatibility};
use super::statement::Statement;
use super::{DbError, Location};

/// The timeout for getting a connection, including a new one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Connections that were idle for longer are tested before use.
const TEST_IDLE_AFTER: Duration = Duration::from_secs(1);
/// Idle connections are closed after this time.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// The server's timeout for row locks.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
/// The server's timeout for an open transaction without statements.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an upgrade waits for another upgrade and for running statements.
const UPGRADE_LOCK_TIMEOUT: Duration = Duration::from_secs(30);
/// The advisory lock of schema upgrades: "ironpxe" in ASCII.
const UPGRADE_LOCK: i64 = 0x0069_726f_6e70_7865;

/// Limits for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The maximum number of connections of this process.
    pub max_pool_size: u32,
    /// The maximum duration of one statement.
    pub statement_timeout: Duration,
}

/// The connection pool of a server.
#[derive(Debug, Clone)]
pub(super) struct PostgresStore {
    pub(super) pool: PgPool,
    /// From waiting for a connection to the last row.
    deadline: Duration,
    /// The number of connections that may be broken at the same time.
    connections: u32,
    pub(super) snapshots: Arc<Snapshots>,
}

impl PostgresStore {
    /// Connects, and checks the schema version.
    pub(super) async fn open(
        location: &Location,
        options: &PgConnectOptions,
        limits: Limits,
    ) -> Result<Self, DbError> {
        let options = session(options, limits.statement_timeout, LOCK_TIMEOUT);
        // The pool does not report why it has no connection.
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
                    if about.idle_for < TEST_IDLE_AFTER {
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
        let compatibility = schema::judge(&schema::known(&schema::POSTGRES), &applied);
        compatibility.require_usable(&location.to_string())?;
        Ok(store)
    }

    /// All rows. A broken connection is retried, because a query without side effects can be
    /// repeated.
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
        // Boxed, because it is much larger than its callers.
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

    /// Executes a change; returns the number of rows. Not retried, because its outcome is unknown
    /// if the connection breaks.
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

    /// Executes `guarded` and, if it changed one row, `then`, in one transaction. Returns whether
    /// it did. Not retried, as in [`PostgresStore::execute`].
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

    /// A connection from the pool.
    async fn lease(&self) -> Result<Lease, sqlx::Error> {
        self.pool.acquire().await.map(|it| Lease(Some(it)))
    }

    /// Waits for queries in progress, and closes all connections.
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
        // The connection is closed by the error, which rolls back the transaction.
        Err(error) if is_broken(&error) => Err(error),
        Err(error) => {
            transaction.rollback().await?;
            Err(error)
        }
    }
}

/// Migrates the schema in one transaction, exclusively. Returns the applied migrations.
pub(super) async fn upgrade(
    location: &Location,
    options: &PgConnectOptions,
) -> Result<Vec<schema::Migration>, DbError> {
    // Changing a large table has no time limit.
    let options = session(options, Duration::ZERO, UPGRADE_LOCK_TIMEOUT);
    let mut connection = connect(&options)
        .await
        .map_err(|error| not_opened(location, error))?;
    let failed = |source| DbError::Migrate {
        location: location.to_string(),
        source,
    };
    let known = schema::known(&schema::POSTGRES);
    // A session lock, held until after the commit or the end of this process.
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(UPGRADE_LOCK)
        .execute(&mut connection)
        .await
        .map_err(|error| failed(error.into()))?;
    let applied = schema::applied_of_postgres(&mut connection)
        .await
        .map_err(|error| failed(error.into()))?;
    let pending = match schema::judge(&known, &applied) {
        Compatibility::Pending(pending) => pending,
        compatibility => {
            return compatibility
                .require_usable(&location.to_string())
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

/// The migrations applied to a database.
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

/// The options with the settings of every session; zero means no limit.
fn session(options: &PgConnectOptions, statement: Duration, lock: Duration) -> PgConnectOptions {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    let options = options.clone().options([
        ("statement_timeout", milliseconds(statement)),
        ("lock_timeout", milliseconds(lock)),
        (
            "idle_in_transaction_session_timeout",
            milliseconds(IDLE_IN_TRANSACTION_TIMEOUT),
        ),
        // Guarded changes rely on it; a database may have another default.
        ("default_transaction_isolation", "read committed".to_owned()),
    ]);
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("ironpxe"),
    };
    options.disable_statement_logging()
}

/// Waits at most `limit`.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no response within {} s", limit.as_secs_f32()),
        )))
    })
}

fn not_opened(location: &Location, source: sqlx::Error) -> DbError {
    DbError::Open {
        location: location.to_string(),
        source: source.into(),
    }
}

/// A connection that is closed when dropped, unless it is returned to the pool: if waiting is
/// cancelled, a response may still arrive, which no other query must receive.
struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    fn get(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Returns it to the pool.
    fn give_back(mut self) {
        drop(self.0.take());
    }

    /// Returns it to the pool unless it is broken.
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

/// Whether the connection is unusable.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        // Shut down, crashed, or starting: all of these end the session.
        sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
        }
        _ => false,
    }
}
