//! Conductors: who is there to do the work.

use ironpxe_core::conductor::Conductor;
use std::time::Duration;
use time::OffsetDateTime;

use super::row::Fields;
use super::statement::{Statement, Value};
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
        let statement = Statement::new(
            "register a conductor",
            "INSERT INTO conductors (hostname, conductor_group, drivers, online, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5, $5) \
             ON CONFLICT (hostname) DO UPDATE SET conductor_group = excluded.conductor_group, \
             drivers = excluded.drivers, online = excluded.online, \
             updated_at = excluded.updated_at",
        )
        .bind(hostname)
        .bind(group)
        .bind(Value::json(&drivers))
        .bind(true)
        .bind(clock::now());
        self.execute(statement).await.map(drop)
    }

    /// Notes that a conductor is there.
    pub async fn conductor_touch(&self, hostname: &str) -> Result<(), DbError> {
        let statement = Statement::new(
            "note that a conductor is there",
            "UPDATE conductors SET online = $2, updated_at = $3 WHERE hostname = $1",
        )
        .bind(hostname)
        .bind(true)
        .bind(clock::now());
        found(hostname, self.execute(statement).await?)
    }

    /// Notes that a conductor has stopped in good order.
    pub async fn conductor_unregister(&self, hostname: &str) -> Result<(), DbError> {
        let statement = Statement::new(
            "note that a conductor has stopped",
            "UPDATE conductors SET online = $2 WHERE hostname = $1",
        )
        .bind(hostname)
        .bind(false);
        found(hostname, self.execute(statement).await?)
    }

    /// Every conductor there ever was, in the order of their first registration.
    pub async fn conductor_list(&self) -> Result<Vec<Conductor>, DbError> {
        let statement = Statement::new(
            "list conductors",
            "SELECT id, hostname, conductor_group, drivers, online, created_at, updated_at \
             FROM conductors ORDER BY id",
        );
        let rows = self.all(statement, read).await?;
        let now = clock::now();
        Ok(rows
            .into_iter()
            .map(|row| row.at(now, self.heartbeat_timeout))
            .collect())
    }

    /// The conductor with this name.
    pub async fn conductor_get(&self, hostname: &str) -> Result<Option<Conductor>, DbError> {
        let statement = Statement::new(
            "read a conductor",
            "SELECT id, hostname, conductor_group, drivers, online, created_at, updated_at \
             FROM conductors WHERE hostname = $1",
        )
        .bind(hostname);
        let row = self.first(statement, read).await?;
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

fn read(fields: &mut Fields<'_>) -> Result<ConductorRow, sqlx::Error> {
    fields.id()?;
    Ok(ConductorRow {
        hostname: fields.take()?,
        conductor_group: fields.take()?,
        drivers: fields.json()?,
        online: fields.take()?,
        created_at: fields.time()?,
        updated_at: fields.time()?,
    })
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
