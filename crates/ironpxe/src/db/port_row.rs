//! A port as a row: the order of its columns, how they are read, and how they are bound.

use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::port::Port;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::types::Json;
use sqlx::{FromRow, Sqlite};

use super::row::{Fields, Timestamp};

/// The columns that [`read`] takes, of a port joined with its node.
macro_rules! port_columns {
    () => {
        "ports.id, ports.uuid, nodes.uuid, ports.address, ports.pxe_enabled, ports.name, \
         ports.description, ports.vendor, ports.category, ports.physical_network, \
         ports.local_link_connection, ports.is_smartnic, \
         ports.available_for_dynamic_portgroup, ports.extra, ports.internal_info, \
         ports.created_at, ports.updated_at, ports.revision"
    };
}
pub(super) use port_columns;

/// Takes [`port_columns`] from a row: the port, and its revision.
pub(super) fn read(fields: &mut Fields<'_>) -> Result<(Port, i64), sqlx::Error> {
    fields.id()?;
    let port = Port {
        uuid: PortUuid(fields.take()?),
        node_uuid: NodeUuid(fields.take()?),
        address: fields.parse(|text| text.parse().ok())?,
        pxe_enabled: fields.take()?,
        name: fields.take()?,
        description: fields.take()?,
        vendor: fields.take()?,
        category: fields.take()?,
        physical_network: fields.take()?,
        local_link_connection: fields.map()?,
        is_smartnic: fields.take()?,
        available_for_dynamic_portgroup: fields.take()?,
        extra: fields.map()?,
        internal_info: fields.map()?,
        created_at: fields.time()?,
        updated_at: fields.optional_time()?,
    };
    Ok((port, fields.take()?))
}

/// Binds [`port_columns`] without `id`: `$1` is `uuid`, `$2` the node's UUID, `$17` `revision`.
pub(super) fn bind<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    port: &'q Port,
    revision: i64,
) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(port.uuid.0)
        .bind(port.node_uuid.0)
        .bind(port.address.to_string())
        .bind(port.pxe_enabled)
        .bind(&port.name)
        .bind(&port.description)
        .bind(&port.vendor)
        .bind(&port.category)
        .bind(&port.physical_network)
        .bind(Json(&port.local_link_connection))
        .bind(port.is_smartnic)
        .bind(port.available_for_dynamic_portgroup)
        .bind(Json(&port.extra))
        .bind(Json(&port.internal_info))
        .bind(Timestamp(port.created_at))
        .bind(port.updated_at.map(Timestamp))
        .bind(revision)
}

/// A row of [`port_columns`].
pub(super) struct PortRow {
    pub(super) port: Port,
    pub(super) revision: i64,
}

impl FromRow<'_, SqliteRow> for PortRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let (port, revision) = read(&mut Fields::new(row))?;
        Ok(Self { port, revision })
    }
}
