//! Ports.

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::mac::MacAddress;
use ironpxe_core::port::Port;
use sqlx::{QueryBuilder, SqliteConnection};

use super::error::{contended, empty_column, taken_column};
use super::list::{Conditions, Order};
use super::port_row::{PortRow, bind, port_columns};
use super::{ATTEMPTS, Db, DbError, Duplicate, Page};
use crate::clock;

/// Which ports are wanted; every condition that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct PortFilter {
    /// By node.
    pub node_uuid: Option<NodeUuid>,
    /// By MAC address.
    pub address: Option<MacAddress>,
}

/// A port and its node, for the `WHERE` that follows.
macro_rules! select_port {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            port_columns!(),
            " FROM ports JOIN nodes ON nodes.id = ports.node_id",
            $rest
        )
    };
}

impl Db {
    /// Stores a new port.
    pub async fn port_create(&self, port: &Port) -> Result<(), DbError> {
        bind(
            sqlx::query(
                "INSERT INTO ports (uuid, node_id, address, pxe_enabled, name, description, \
                 vendor, category, physical_network, local_link_connection, is_smartnic, \
                 available_for_dynamic_portgroup, extra, internal_info, created_at, updated_at, \
                 revision) \
                 VALUES ($1, (SELECT id FROM nodes WHERE nodes.uuid = $2), $3, $4, $5, $6, $7, \
                 $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
            ),
            port,
            0,
        )
        .execute(&self.writer)
        .await
        .map(|_| ())
        .map_err(|error| not_saved("store a port", port, error))
    }

    /// The port with this UUID.
    pub async fn port_get(&self, uuid: PortUuid) -> Result<Option<Port>, DbError> {
        sqlx::query_as(select_port!(" WHERE ports.uuid = $1"))
            .bind(uuid.0)
            .fetch_optional(&self.readers)
            .await
            .map(|row| row.map(|row: PortRow| row.port))
            .map_err(|error| DbError::from_sqlx("read a port", error))
    }

    /// The port with this name.
    pub async fn port_get_by_name(&self, name: &str) -> Result<Option<Port>, DbError> {
        sqlx::query_as(select_port!(" WHERE ports.name = $1"))
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .map(|row| row.map(|row: PortRow| row.port))
            .map_err(|error| DbError::from_sqlx("read a port", error))
    }

    /// The ports that `filter` wants, in the order and of the page asked for.
    pub async fn port_list(
        &self,
        filter: &PortFilter,
        page: &Page<PortUuid>,
    ) -> Result<Vec<Port>, DbError> {
        let order = Order {
            table: "ports",
            by: sort_expression(page.sort_key)?,
            direction: page.sort_dir,
        };
        let mut sql = QueryBuilder::new(select_port!(""));
        let mut conditions = Conditions::new(&mut sql);
        conditions.equal("nodes.uuid", filter.node_uuid.map(|uuid| uuid.0));
        conditions.equal(
            "ports.address",
            filter.address.map(|address| address.to_string()),
        );
        if let Some(marker) = page.marker {
            order.after(&mut conditions, marker.0);
        }
        order.finish(&mut sql, page.limit);
        let ports: Vec<PortRow> = sql
            .build_query_as()
            .fetch_all(&self.readers)
            .await
            .map_err(|error| DbError::from_sqlx("list ports", error))?;
        if let (true, Some(marker)) = (ports.is_empty(), page.marker) {
            self.port_get(marker)
                .await?
                .ok_or(DbError::PortMissing(marker))?;
        }
        Ok(ports.into_iter().map(|row| row.port).collect())
    }

    /// Applies `change` to the port as it is, until it has been saved over what was read.
    ///
    /// Gives the port as it is saved, and what `change` gave. `change` may run several times; a
    /// fault it gives ends the matter. If it changes nothing, nothing is saved.
    pub async fn port_change<T>(
        &self,
        uuid: PortUuid,
        mut change: impl FnMut(&mut Port) -> Result<T, Fault> + Send,
    ) -> Result<(Port, T), Fault> {
        let mut writer = self.write().await?;
        for _ in 0..ATTEMPTS {
            let PortRow {
                port: before,
                revision,
            } = current(&mut writer, uuid).await?;
            let mut after = before.clone();
            let given = change(&mut after)?;
            after.uuid = before.uuid;
            after.created_at = before.created_at;
            after.updated_at = before.updated_at;
            if after == before {
                return Ok((after, given));
            }
            after.updated_at = Some(clock::now());
            if save(&mut writer, &after, revision).await? {
                return Ok((after, given));
            }
        }
        Err(contended())
    }

    /// Deletes the port.
    pub async fn port_destroy(&self, uuid: PortUuid) -> Result<(), Fault> {
        let done = sqlx::query("DELETE FROM ports WHERE uuid = $1")
            .bind(uuid.0)
            .execute(&self.writer)
            .await
            .map_err(|error| DbError::from_sqlx("delete a port", error))?;
        if done.rows_affected() == 0 {
            return Err(DbError::PortMissing(uuid).into());
        }
        Ok(())
    }
}

/// The port as the writer sees it.
async fn current(writer: &mut SqliteConnection, uuid: PortUuid) -> Result<PortRow, DbError> {
    sqlx::query_as(select_port!(" WHERE ports.uuid = $1"))
        .bind(uuid.0)
        .fetch_optional(writer)
        .await
        .map_err(|error| DbError::from_sqlx("read a port to change it", error))?
        .ok_or(DbError::PortMissing(uuid))
}

/// Saves the port if the row is still of revision `over`; tells whether it was.
async fn save(writer: &mut SqliteConnection, port: &Port, over: i64) -> Result<bool, DbError> {
    bind(
        sqlx::query(
            "UPDATE ports SET node_id = (SELECT id FROM nodes WHERE nodes.uuid = $2), \
             address = $3, pxe_enabled = $4, name = $5, description = $6, vendor = $7, \
             category = $8, physical_network = $9, local_link_connection = $10, \
             is_smartnic = $11, available_for_dynamic_portgroup = $12, extra = $13, \
             internal_info = $14, created_at = $15, updated_at = $16, revision = $17 \
             WHERE uuid = $1 AND revision = $18",
        ),
        port,
        over + 1,
    )
    .bind(over)
    .execute(writer)
    .await
    .map(|done| done.rows_affected() == 1)
    .map_err(|error| not_saved("change a port", port, error))
}

/// Which of the port's values another port has, or else what the database said.
fn not_saved(operation: &'static str, port: &Port, error: sqlx::Error) -> DbError {
    if empty_column(&error) == Some("ports.node_id") {
        return DbError::NodeMissing(port.node_uuid);
    }
    let duplicate = match (taken_column(&error), &port.name) {
        (Some("ports.uuid"), _) => Duplicate::PortUuid(port.uuid),
        (Some("ports.address"), _) => Duplicate::PortAddress(port.address),
        (Some("ports.name"), Some(name)) => Duplicate::PortName(name.clone()),
        _ => return DbError::from_sqlx(operation, error),
    };
    DbError::Duplicate(duplicate)
}

/// What to sort by, in SQL, for a field of the API.
fn sort_expression(key: Option<&'static str>) -> Result<Option<&'static str>, DbError> {
    let Some(key) = key else { return Ok(None) };
    let expression = match key {
        "id" => return Ok(None),
        "uuid" => "ports.uuid",
        "node_uuid" => "(SELECT nodes.uuid FROM nodes WHERE nodes.id = ports.node_id)",
        "address" => "ports.address",
        "pxe_enabled" => "ports.pxe_enabled",
        "name" => "ports.name",
        "description" => "ports.description",
        "vendor" => "ports.vendor",
        "category" => "ports.category",
        "physical_network" => "ports.physical_network",
        "is_smartnic" => "ports.is_smartnic",
        "available_for_dynamic_portgroup" => "ports.available_for_dynamic_portgroup",
        "created_at" => "ports.created_at",
        "updated_at" => "ports.updated_at",
        _ => return Err(DbError::SortKey(key)),
    };
    Ok(Some(expression))
}
