//! Volume targets: columns, and what is unique.

use ironpxe_core::id::{NodeUuid, VolumeTargetUuid};
use ironpxe_core::volume::VolumeTarget;
use time::OffsetDateTime;
use uuid::Uuid;

use super::child::{Child, Operations};
use super::columns::columns;
use super::row::Fields;
use super::statement::Value;
use super::{DbError, Duplicate};

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

impl Child for VolumeTarget {
    const TABLE: &'static str = "volume_targets";
    const OPERATIONS: Operations = Operations {
        store: "store a volume target",
        read: "read a volume target",
        list: "list volume targets",
        change: "change a volume target",
        delete: "delete a volume target",
    };
    const SELECT: &'static str = concat!(
        "SELECT ",
        target_columns!(),
        " FROM volume_targets JOIN nodes ON nodes.id = volume_targets.node_id"
    );
    const COLUMNS: &'static [(&'static str, &'static str)] = COLUMNS;

    fn read(fields: &mut Fields<'_>) -> Result<Self, sqlx::Error> {
        read(fields)
    }

    fn values(&self) -> Vec<Value<'_>> {
        values(self)
    }

    fn node(&self) -> NodeUuid {
        self.node_uuid
    }

    fn updated_at(&mut self) -> &mut Option<OffsetDateTime> {
        &mut self.updated_at
    }

    fn keep_identity(&mut self, before: &Self) {
        self.uuid = before.uuid;
        self.created_at = before.created_at;
        self.updated_at = before.updated_at;
    }

    fn missing(uuid: Uuid) -> DbError {
        DbError::VolumeTargetMissing(VolumeTargetUuid(uuid))
    }

    fn duplicate(&self, constraint: &str) -> Option<Duplicate> {
        match constraint {
            "volume_targets_uuid_key" => Some(Duplicate::VolumeTargetUuid(self.uuid)),
            "volume_targets_node_id_boot_index_key" => {
                Some(Duplicate::VolumeBootIndex(self.boot_index))
            }
            _ => None,
        }
    }
}
