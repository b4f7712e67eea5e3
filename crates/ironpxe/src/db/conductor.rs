//! Conductors: who is there to do the work.

use ironpxe_core::conductor::Conductor;
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use std::time::Duration;
use time::OffsetDateTime;

use super::row::{Fields, Timestamp};
use super::{Db, DbError};
use crate::clock;

impl Db {
    /// Enters a conductor, or enters it again after a restart.
    pub async fn conductor_register(
        &self,
        hostname: &str,
        group: &str,
        drivers: &[String],
    ) -> Result<(), DbError> {
        sqlx::query(
            "INSERT INTO conductors (hostname, conductor_group, drivers, online, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5, $5) \
             ON CONFLICT (hostname) DO UPDATE SET conductor_group = excluded.conductor_group, \
             drivers = excluded.drivers, online = excluded.online, \
             updated_at = excluded.updated_at",
        )
        .bind(hostname)
        .bind(group)
        .bind(Json(drivers))
        .bind(true)
        .bind(Timestamp(clock::now()))
        .execute(&self.writer)
        .await
        .map(|_| ())
        .map_err(|error| DbError::from_sqlx("register a conductor", error))
    }

    /// Notes that a conductor is there.
    pub async fn conductor_touch(&self, hostname: &str) -> Result<(), DbError> {
        let done =
            sqlx::query("UPDATE conductors SET online = $2, updated_at = $3 WHERE hostname = $1")
                .bind(hostname)
                .bind(true)
                .bind(Timestamp(clock::now()))
                .execute(&self.writer)
                .await
                .map_err(|error| DbError::from_sqlx("note that a conductor is there", error))?;
        found(hostname, done.rows_affected())
    }

    /// Notes that a conductor has stopped in good order.
    pub async fn conductor_unregister(&self, hostname: &str) -> Result<(), DbError> {
        let done = sqlx::query("UPDATE conductors SET online = $2 WHERE hostname = $1")
            .bind(hostname)
            .bind(false)
            .execute(&self.writer)
            .await
            .map_err(|error| DbError::from_sqlx("note that a conductor has stopped", error))?;
        found(hostname, done.rows_affected())
    }

    /// Every conductor there ever was, in the order of their first registration.
    pub async fn conductor_list(&self) -> Result<Vec<Conductor>, DbError> {
        let rows: Vec<ConductorRow> = sqlx::query_as(
            "SELECT id, hostname, conductor_group, drivers, online, created_at, updated_at \
             FROM conductors ORDER BY id",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(|error| DbError::from_sqlx("list conductors", error))?;
        let now = clock::now();
        Ok(rows
            .into_iter()
            .map(|row| row.at(now, self.heartbeat_timeout))
            .collect())
    }

    /// The conductor with this name.
    pub async fn conductor_get(&self, hostname: &str) -> Result<Option<Conductor>, DbError> {
        let row: Option<ConductorRow> = sqlx::query_as(
            "SELECT id, hostname, conductor_group, drivers, online, created_at, updated_at \
             FROM conductors WHERE hostname = $1",
        )
        .bind(hostname)
        .fetch_optional(&self.readers)
        .await
        .map_err(|error| DbError::from_sqlx("read a conductor", error))?;
        Ok(row.map(|row| row.at(clock::now(), self.heartbeat_timeout)))
    }
}

fn found(hostname: &str, rows: u64) -> Result<(), DbError> {
    if rows == 0 {
        return Err(DbError::ConductorMissing(hostname.to_owned()));
    }
    Ok(())
}

struct ConductorRow {
    hostname: String,
    conductor_group: String,
    drivers: Vec<String>,
    online: bool,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl FromRow<'_, SqliteRow> for ConductorRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let mut fields = Fields::new(row);
        fields.id()?;
        Ok(Self {
            hostname: fields.take()?,
            conductor_group: fields.take()?,
            drivers: fields.json()?,
            online: fields.take()?,
            created_at: fields.time()?,
            updated_at: fields.time()?,
        })
    }
}

impl ConductorRow {
    /// The conductor as it looks at `now`.
    fn at(self, now: OffsetDateTime, heartbeat_timeout: Duration) -> Conductor {
        Conductor {
            alive: self.online && now - self.updated_at <= heartbeat_timeout,
            hostname: self.hostname,
            conductor_group: self.conductor_group,
            drivers: self.drivers,
            created_at: self.created_at,
            updated_at: Some(self.updated_at),
        }
    }
}
