//! The row of a port.

use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::port::Port;

use super::columns::columns;
use super::row::Fields;
use super::statement::Value;

columns! {
    port_columns of Port in "ports" then "ports.revision" for db, |row, port|;
    uuid: PortUuid(row.take()?) => port.uuid.0.into();
    node_uuid ["node_id" from "nodes.uuid"]: NodeUuid(row.take()?) => port.node_uuid.0.into();
    address: row.parse(|text| text.parse().ok())? => port.address.to_string().into();
    pxe_enabled: row.take()? => port.pxe_enabled.into();
    name: row.take()? => (&port.name).into();
    description: row.take()? => (&port.description).into();
    vendor: row.take()? => (&port.vendor).into();
    category: row.take()? => (&port.category).into();
    physical_network: row.take()? => (&port.physical_network).into();
    local_link_connection: row.map()? => Value::json(&port.local_link_connection);
    is_smartnic: row.take()? => port.is_smartnic.into();
    available_for_dynamic_portgroup: row.take()? => port.available_for_dynamic_portgroup.into();
    extra: row.map()? => Value::json(&port.extra);
    internal_info: row.map()? => Value::json(&port.internal_info);
    created_at: row.time()? => port.created_at.into();
    updated_at: row.optional_time()? => port.updated_at.into();
}
