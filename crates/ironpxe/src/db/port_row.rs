//! A port as a row: the order of its columns, how they are read, and how they are bound.

use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::port::Port;

use super::row::Fields;
use super::statement::Value;

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

/// The values of [`port_columns`] without `id`: `$1` is `uuid`, `$2` the node's UUID, `$17`
/// `revision`.
pub(super) fn values(port: &Port, revision: i64) -> [Value<'_>; 17] {
    [
        port.uuid.0.into(),
        port.node_uuid.0.into(),
        port.address.to_string().into(),
        port.pxe_enabled.into(),
        (&port.name).into(),
        (&port.description).into(),
        (&port.vendor).into(),
        (&port.category).into(),
        (&port.physical_network).into(),
        Value::json(&port.local_link_connection),
        port.is_smartnic.into(),
        port.available_for_dynamic_portgroup.into(),
        Value::json(&port.extra),
        Value::json(&port.internal_info),
        port.created_at.into(),
        port.updated_at.into(),
        revision.into(),
    ]
}
