//! Volume connectors and targets as rows: the order of their columns, how they are read, and how
//! they are bound.

use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::volume::{VolumeConnector, VolumeTarget};

use super::row::Fields;
use super::statement::Value;

/// The columns that [`read_connector`] takes, of a connector joined with its node.
macro_rules! connector_columns {
    () => {
        "volume_connectors.id, volume_connectors.uuid, nodes.uuid, volume_connectors.type, \
         volume_connectors.connector_id, volume_connectors.extra, volume_connectors.created_at, \
         volume_connectors.updated_at, volume_connectors.revision"
    };
}
pub(super) use connector_columns;

/// The columns that [`read_target`] takes, of a target joined with its node.
macro_rules! target_columns {
    () => {
        "volume_targets.id, volume_targets.uuid, nodes.uuid, volume_targets.volume_type, \
         volume_targets.boot_index, volume_targets.volume_id, volume_targets.properties, \
         volume_targets.extra, volume_targets.created_at, volume_targets.updated_at, \
         volume_targets.revision"
    };
}
pub(super) use target_columns;

/// Takes [`connector_columns`] from a row: the connector, and its revision.
pub(super) fn read_connector(
    fields: &mut Fields<'_>,
) -> Result<(VolumeConnector, i64), sqlx::Error> {
    fields.id()?;
    let connector = VolumeConnector {
        uuid: VolumeConnectorUuid(fields.take()?),
        node_uuid: NodeUuid(fields.take()?),
        kind: fields.take()?,
        connector_id: fields.take()?,
        extra: fields.map()?,
        created_at: fields.time()?,
        updated_at: fields.optional_time()?,
    };
    Ok((connector, fields.take()?))
}

/// Takes [`target_columns`] from a row: the target, and its revision.
pub(super) fn read_target(fields: &mut Fields<'_>) -> Result<(VolumeTarget, i64), sqlx::Error> {
    fields.id()?;
    let target = VolumeTarget {
        uuid: VolumeTargetUuid(fields.take()?),
        node_uuid: NodeUuid(fields.take()?),
        volume_type: fields.take()?,
        boot_index: fields.take()?,
        volume_id: fields.take()?,
        properties: fields.map()?,
        extra: fields.map()?,
        created_at: fields.time()?,
        updated_at: fields.optional_time()?,
    };
    Ok((target, fields.take()?))
}

/// The values of [`connector_columns`] without `id`: `$1` is `uuid`, `$2` the node's UUID, `$8`
/// `revision`.
pub(super) fn connector_values(connector: &VolumeConnector, revision: i64) -> [Value<'_>; 8] {
    [
        connector.uuid.0.into(),
        connector.node_uuid.0.into(),
        (&connector.kind).into(),
        (&connector.connector_id).into(),
        Value::json(&connector.extra),
        connector.created_at.into(),
        connector.updated_at.into(),
        revision.into(),
    ]
}

/// The values of [`target_columns`] without `id`: `$1` is `uuid`, `$2` the node's UUID, `$10`
/// `revision`.
pub(super) fn target_values(target: &VolumeTarget, revision: i64) -> [Value<'_>; 10] {
    [
        target.uuid.0.into(),
        target.node_uuid.0.into(),
        (&target.volume_type).into(),
        target.boot_index.into(),
        (&target.volume_id).into(),
        Value::json(&target.properties),
        Value::json(&target.extra),
        target.created_at.into(),
        target.updated_at.into(),
        revision.into(),
    ]
}
