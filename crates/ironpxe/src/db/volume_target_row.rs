//! The row of a volume target.

use ironpxe_core::id::{NodeUuid, VolumeTargetUuid};
use ironpxe_core::volume::VolumeTarget;

use super::columns::columns;
use super::row::Fields;
use super::statement::Value;

columns! {
    target_columns of VolumeTarget in "volume_targets" then "volume_targets.revision", |row, target|;
    uuid: VolumeTargetUuid(row.take()?) => target.uuid.0.into();
    node_uuid ["node_id" from "nodes.uuid"]: NodeUuid(row.take()?) => target.node_uuid.0.into();
    volume_type: row.take()? => (&target.volume_type).into();
    boot_index: row.take()? => target.boot_index.into();
    volume_id: row.take()? => (&target.volume_id).into();
    properties: row.map()? => Value::json(&target.properties);
    extra: row.map()? => Value::json(&target.extra);
    created_at: row.time()? => target.created_at.into();
    updated_at: row.optional_time()? => target.updated_at.into();
}

/// Reads [`target_columns`] from a row: the target and its revision.
pub(super) fn read(fields: &mut Fields<'_>) -> Result<(VolumeTarget, i64), sqlx::Error> {
    Ok((read_fields(fields)?, fields.take()?))
}

/// The values of [`COLUMNS`].
pub(super) fn values(target: &VolumeTarget) -> Vec<Value<'_>> {
    bind_fields(target)
}
