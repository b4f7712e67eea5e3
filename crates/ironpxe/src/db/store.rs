//! Executes statements on either database.
//!
//! `SQLite` has one connection for writing, which a change holds until it is complete: [`Writer`].
//! `PostgreSQL` allows concurrent writers, whose conflicts are detected by the guards of their
//! statements. An event of a node's history is stored in the transaction of its change.

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Sqlite};

use super::postgres::PostgresStore;
use super::row::{Fields, Read};
use super::sqlite::SqliteStore;
use super::statement::Statement;
use super::{Db, DbError};

/// The connections.
#[derive(Debug, Clone)]
pub(super) enum Store {
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
}

/// Permission to write.
pub(super) enum Writer<'d> {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(&'d PostgresStore),
}

impl Db {
    /// All rows.
    pub(super) async fn all<T>(
        &self,
        statement: Statement<'_>,
        read: Read<T>,
    ) -> Result<Vec<T>, DbError> {
        let rows = match &self.store {
            Store::Sqlite(store) => statement
                .for_sqlite()
                .fetch_all(&store.readers)
                .await
                .and_then(|rows| {
                    rows.iter()
                        .map(|it| read(&mut Fields::of_sqlite(it)))
                        .collect()
                }),
            Store::Postgres(store) => store.rows(&statement, read).await,
        };
        rows.map_err(|error| DbError::from_sqlx(statement.operation, error))
    }

    /// The row, of which there is at most one.
    pub(super) async fn first<T>(
        &self,
        statement: Statement<'_>,
        read: Read<T>,
    ) -> Result<Option<T>, DbError> {
        Ok(self.all(statement, read).await?.into_iter().next())
    }

    /// Executes a change; returns the number of rows.
    pub(super) async fn execute(&self, statement: Statement<'_>) -> Result<u64, DbError> {
        let done = self.writer().await?.execute(statement).await;
        self.note_write(done)
    }

    /// As [`Db::execute`] for data that boots do not depend on: [`Db::commit_version`] stays
    /// unchanged.
    pub(super) async fn execute_without_version(
        &self,
        statement: Statement<'static>,
    ) -> Result<u64, DbError> {
        match &self.store {
            Store::Sqlite(store) => {
                let operation = statement.operation;
                let done = store.execute_without_version(statement).await;
                self.note_write(done.map_err(|error| DbError::from_sqlx(operation, error)))
            }
            Store::Postgres(_) => self.execute(statement).await,
        }
    }

    /// Permission to write, until dropped.
    pub(super) async fn writer(&self) -> Result<Writer<'_>, DbError> {
        match &self.store {
            Store::Sqlite(store) => store
                .writer
                .acquire()
                .await
                .map(Writer::Sqlite)
                .map_err(|error| DbError::from_sqlx("wait for the write connection", error)),
            Store::Postgres(store) => Ok(Writer::Postgres(store)),
        }
    }
}

impl Writer<'_> {
    /// The current row, of which there is at most one.
    pub(super) async fn first<T>(
        &mut self,
        statement: Statement<'_>,
        read: Read<T>,
    ) -> Result<Option<T>, DbError> {
        let row = match self {
            Self::Sqlite(connection) => statement
                .for_sqlite()
                .fetch_optional(&mut **connection)
                .await
                .and_then(|row| row.map(|it| read(&mut Fields::of_sqlite(&it))).transpose()),
            Self::Postgres(store) => store
                .rows(&statement, read)
                .await
                .map(|rows| rows.into_iter().next()),
        };
        row.map_err(|error| DbError::from_sqlx(statement.operation, error))
    }

    /// Executes a change; returns the number of rows.
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, DbError> {
        let done = match self {
            Self::Sqlite(connection) => statement
                .for_sqlite()
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
            Self::Postgres(store) => store.execute(&statement).await,
        };
        done.map_err(|error| DbError::from_sqlx(statement.operation, error))
    }

    /// Changes one row if its guard matches; returns whether it did. A serialization failure counts
    /// as a guard that did not match.
    pub(super) async fn execute_guarded(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<bool, DbError> {
        match self.execute(statement).await {
            Err(error) if error.is_serialization_failure() => Ok(false),
            done => Ok(done? == 1),
        }
    }

    /// As [`Writer::execute_guarded`]; if the guard matches, `then` is executed in the same
    /// transaction.
    pub(super) async fn execute_guarded_then(
        &mut self,
        statement: Statement<'_>,
        then: Option<Statement<'_>>,
    ) -> Result<bool, DbError> {
        let Some(then) = then else {
            return self.execute_guarded(statement).await;
        };
        let done = match self {
            Self::Sqlite(connection) => both_in_sqlite(connection, &statement, &then).await,
            Self::Postgres(store) => store.execute_both(&statement, &then).await,
        };
        match done.map_err(|error| DbError::from_sqlx(statement.operation, error)) {
            Err(error) if error.is_serialization_failure() => Ok(false),
            done => done,
        }
    }

    /// Whether no other writer of this process can interfere.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// The clause that locks the selected rows until the commit. `SQLite` locks the whole database.
    pub(super) fn holding(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR SHARE",
        }
    }
}

/// Executes `guarded` and, if it changed one row, `then`, in one transaction. Returns whether it
/// did. Dropping the transaction rolls it back.
async fn both_in_sqlite(
    connection: &mut PoolConnection<Sqlite>,
    guarded: &Statement<'_>,
    then: &Statement<'_>,
) -> Result<bool, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let done = guarded.for_sqlite().execute(&mut *transaction).await?;
    if done.rows_affected() != 1 {
        transaction.rollback().await?;
        return Ok(false);
    }
    then.for_sqlite().execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(true)
}
