//! Conductors.

use ironpxe_core::conductor::{Conductor, Hardware};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

use super::row::Fields;
use super::statement::{Statement, Value};
use super::{Db, DbError};
use crate::clock;

/// The registration of a conductor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registration<'a> {
    /// Its name.
    pub hostname: &'a str,
    /// Identifies this run of the conductor.
    pub run_id: &'a str,
    /// Its group.
    pub group: &'a str,
    /// The hardware types it has enabled, by name.
    pub drivers: &'a [String],
    /// The interfaces of each hardware type.
    pub interfaces: &'a [Hardware],
    /// Its JSON-RPC endpoint; empty if it only serves its own process.
    pub endpoint: &'a str,
}

impl Db {
    /// Sets the run of this process, which counts as alive regardless of the clock.
    pub(crate) fn set_own_run(&self, run_id: &str) {
        // There is one conductor per process.
        let _ = self.own_run.set(run_id.to_owned());
    }

    /// The time to compare heartbeats with.
    pub(super) fn judging_time(&self) -> OffsetDateTime {
        self.heartbeat_clock.judge_at(clock::now(), Instant::now())
    }

    fn judged(&self, row: ConductorRow, now: OffsetDateTime) -> Conductor {
        let is_own = self.own_run.get() == Some(&row.run_id);
        row.at(now, self.heartbeat_timeout, is_own)
    }

    /// Registers a conductor, also again after a restart.
    pub(crate) async fn conductor_register(&self, entry: &Registration<'_>) -> Result<(), DbError> {
        let statement = Statement::new(
            "register a conductor",
            "INSERT INTO conductors (hostname, conductor_group, drivers, online, created_at, \
             updated_at, interfaces, endpoint, run_id) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8) \
             ON CONFLICT (hostname) DO UPDATE SET conductor_group = excluded.conductor_group, \
             drivers = excluded.drivers, online = excluded.online, \
             updated_at = excluded.updated_at, interfaces = excluded.interfaces, \
             endpoint = excluded.endpoint, run_id = excluded.run_id",
        )
        .bind(entry.hostname)
        .bind(entry.group)
        .bind(Value::json(&entry.drivers))
        .bind(true)
        .bind(clock::now())
        .bind(Value::json(&entry.interfaces))
        .bind(entry.endpoint)
        .bind(entry.run_id);
        self.execute(statement).await.map(drop)
    }

    /// Registers a conductor in the place of the run `gone` of the same name, if that is still
    /// registered and has ended or sent no heartbeat since `silent_since`. Returns whether it did.
    pub(crate) async fn conductor_take_name(
        &self,
        entry: &Registration<'_>,
        gone: &str,
        silent_since: OffsetDateTime,
    ) -> Result<bool, DbError> {
        let statement = Statement::new(
            "re-register a conductor",
            "UPDATE conductors SET conductor_group = $2, drivers = $3, online = $4, \
             updated_at = $5, interfaces = $6, endpoint = $7, run_id = $8 WHERE hostname = $1 AND \
             run_id = $9 AND (online = $10 OR updated_at < $11)",
        )
        .bind(entry.hostname)
        .bind(entry.group)
        .bind(Value::json(&entry.drivers))
        .bind(true)
        .bind(clock::now())
        .bind(Value::json(&entry.interfaces))
        .bind(entry.endpoint)
        .bind(entry.run_id)
        .bind(gone)
        .bind(false)
        .bind(silent_since);
        Ok(self.execute(statement).await? == 1)
    }

    /// Writes a heartbeat of this run: accepting new work (`online`), or only finishing its tasks.
    /// Returns whether it is still the registered run.
    pub(crate) async fn conductor_touch(
        &self,
        hostname: &str,
        run_id: &str,
        online: bool,
    ) -> Result<bool, DbError> {
        let statement = Statement::new(
            "write a conductor's heartbeat",
            "UPDATE conductors SET online = $3, updated_at = $4 WHERE hostname = $1 AND \
             run_id = $2",
        )
        .bind(hostname.to_owned())
        .bind(run_id.to_owned())
        .bind(online)
        .bind(clock::now());
        Ok(self.execute_without_version(statement).await? == 1)
    }

    /// All conductors that ever registered, in the order of their first registration.
    pub(crate) async fn conductor_list(&self) -> Result<Vec<Conductor>, DbError> {
        let statement = Statement::new(
            "list conductors",
            "SELECT id, hostname, conductor_group, drivers, online, created_at, updated_at, \
             interfaces, endpoint, run_id FROM conductors ORDER BY id",
        );
        let rows = self.all(statement, read).await?;
        let now = self.judging_time();
        let judged = rows.into_iter().map(|row| self.judged(row, now));
        Ok(judged.collect())
    }

    /// The conductor with this name.
    pub(crate) async fn conductor_get(&self, hostname: &str) -> Result<Option<Conductor>, DbError> {
        let statement = Statement::new(
            "read a conductor",
            "SELECT id, hostname, conductor_group, drivers, online, created_at, updated_at, \
             interfaces, endpoint, run_id FROM conductors WHERE hostname = $1",
        )
        .bind(hostname);
        let row = self.first(statement, read).await?;
        Ok(row.map(|row| self.judged(row, self.judging_time())))
    }
}

struct ConductorRow {
    hostname: String,
    conductor_group: String,
    drivers: Vec<String>,
    online: bool,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    interfaces: Vec<Hardware>,
    endpoint: String,
    run_id: String,
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
        interfaces: fields.json()?,
        endpoint: fields.take()?,
        run_id: fields.take()?,
    })
}

impl ConductorRow {
    /// The conductor with its liveness at `now`.
    fn at(self, now: OffsetDateTime, heartbeat_timeout: Duration, is_own: bool) -> Conductor {
        let is_heard = is_own || now - self.updated_at <= heartbeat_timeout;
        Conductor {
            online: self.online,
            alive: self.online && is_heard,
            hostname: self.hostname,
            conductor_group: self.conductor_group,
            drivers: self.drivers,
            interfaces: self.interfaces,
            endpoint: self.endpoint,
            run_id: self.run_id,
            created_at: self.created_at,
            updated_at: Some(self.updated_at),
        }
    }
}
