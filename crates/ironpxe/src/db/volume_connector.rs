//! Volume connectors: columns, and what is unique.

use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid};
use ironpxe_core::volume::VolumeConnector;
use time::OffsetDateTime;
use uuid::Uuid;

use super::child::{Child, Operations};
use super::columns::columns;
use super::row::Fields;
use super::statement::Value;
use super::{DbError, Duplicate};

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

impl Child for VolumeConnector {
    const TABLE: &'static str = "volume_connectors";
    const OPERATIONS: Operations = Operations {
        store: "store a volume connector",
        read: "read a volume connector",
        list: "list volume connectors",
        change: "change a volume connector",
        delete: "delete a volume connector",
    };
    const SELECT: &'static str = concat!(
        "SELECT ",
        connector_columns!(),
        " FROM volume_connectors JOIN nodes ON nodes.id = volume_connectors.node_id"
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
        DbError::VolumeConnectorMissing(VolumeConnectorUuid(uuid))
    }

    fn duplicate(&self, constraint: &str) -> Option<Duplicate> {
        match constraint {
            "volume_connectors_uuid_key" => Some(Duplicate::VolumeConnectorUuid(self.uuid)),
            "volume_connectors_type_connector_id_key" => Some(Duplicate::VolumeConnector {
                kind: self.kind.clone(),
                connector_id: self.connector_id.clone(),
            }),
            _ => None,
        }
    }
}
