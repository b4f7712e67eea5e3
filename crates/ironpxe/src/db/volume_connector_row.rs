//! The row of a volume connector.

use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid};
use ironpxe_core::volume::VolumeConnector;

use super::columns::columns;
use super::row::Fields;
use super::statement::Value;

columns! {
    connector_columns of VolumeConnector in "volume_connectors" then "volume_connectors.revision", |row, connector|;
    uuid: VolumeConnectorUuid(row.take()?) => connector.uuid.0.into();
    node_uuid ["node_id" from "nodes.uuid"]: NodeUuid(row.take()?) => connector.node_uuid.0.into();
    kind ["type"]: row.take()? => (&connector.kind).into();
    connector_id: row.take()? => (&connector.connector_id).into();
    extra: row.map()? => Value::json(&connector.extra);
    created_at: row.time()? => connector.created_at.into();
    updated_at: row.optional_time()? => connector.updated_at.into();
}

/// Reads [`connector_columns`] from a row: the connector and its revision.
pub(super) fn read(fields: &mut Fields<'_>) -> Result<(VolumeConnector, i64), sqlx::Error> {
    Ok((read_fields(fields)?, fields.take()?))
}

/// The values of [`COLUMNS`].
pub(super) fn values(connector: &VolumeConnector) -> Vec<Value<'_>> {
    bind_fields(connector)
}
