//! The fields of volume connectors and targets, one row each, like those of a node in
//! `node/fields.rs`.
//!
//! A stored field also has a column: `db/volume_connector.rs` and `db/volume_target.rs` of
//! the service. Unlike in Ironic, a negative boot index is rejected: such a volume could never be
//! booted.
//!
//! Source: Ironic's `api/controllers/v1/volume_connector.py` and `volume_target.py`.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Volume, VolumeConnector, VolumeTarget};
use crate::JsonMap;
use crate::error::{Fault, Result};
use crate::field::value::{self, Field};
use crate::field::{Mask, ResourceField as Row, put};
use crate::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};
use crate::timestamp;

#[rustfmt::skip]
const CONNECTOR_FIELDS: &[Row<VolumeConnector>] = &[
    connector("uuid", |c| json!(c.uuid)).sortable().creatable(),
    connector("created_at", |c| timestamp::show(Some(c.created_at))).sortable(),
    connector("updated_at", |c| timestamp::show(c.updated_at)).sortable(),
    connector("connector_id", |c| json!(c.connector_id)).sortable().written(|c, f| put(&mut c.connector_id, f.required_text())),
    connector("extra", |c| json!(c.extra)).written(|c, f| put(&mut c.extra, f.object())),
    connector("type", |c| json!(c.kind)).sortable().written(|c, f| put(&mut c.kind, f.required_text())),
    connector("node_uuid", |c| json!(c.node_uuid)).after_links().written(|c, f| put(&mut c.node_uuid, node_uuid(f))),
];

#[rustfmt::skip]
const TARGET_FIELDS: &[Row<VolumeTarget>] = &[
    target("uuid", |t| json!(t.uuid)).sortable().creatable(),
    target("created_at", |t| timestamp::show(Some(t.created_at))).sortable(),
    target("updated_at", |t| timestamp::show(t.updated_at)).sortable(),
    target("boot_index", |t| json!(t.boot_index)).sortable().written(|t, f| put(&mut t.boot_index, f.index())),
    target("extra", |t| json!(t.extra)).written(|t, f| put(&mut t.extra, f.object())),
    target("properties", |t| json!(t.properties)).masked(Mask::Secrets).written(|t, f| put(&mut t.properties, f.object())),
    target("volume_id", |t| json!(t.volume_id)).sortable().written(|t, f| put(&mut t.volume_id, f.required_text())),
    target("volume_type", |t| json!(t.volume_type)).sortable().written(|t, f| put(&mut t.volume_type, f.required_text())),
    target("node_uuid", |t| json!(t.node_uuid)).after_links().written(|t, f| put(&mut t.node_uuid, node_uuid(f))),
];

const fn connector(
    name: &'static str,
    value: fn(&VolumeConnector) -> Value,
) -> Row<VolumeConnector> {
    Row::new(name, value)
}

const fn target(name: &'static str, value: fn(&VolumeTarget) -> Value) -> Row<VolumeTarget> {
    Row::new(name, value)
}

fn node_uuid(field: &Field<'_>) -> Result<NodeUuid> {
    value::uuid("node_uuid", &field.required_text()?).map(NodeUuid)
}

impl Volume for VolumeConnector {
    type Uuid = VolumeConnectorUuid;
    const NAME: &'static str = "connector";
    const FIELDS: &'static [Row<Self>] = CONNECTOR_FIELDS;
    const REQUIRED: &'static [&'static str] = &["connector_id", "node_uuid", "type"];
    const SUMMARY: &'static [&'static str] = &["uuid", "node_uuid", "type", "connector_id"];

    fn new(uuid: Self::Uuid, created_at: OffsetDateTime) -> Self {
        Self {
            uuid,
            node_uuid: NodeUuid(uuid::Uuid::nil()),
            kind: String::new(),
            connector_id: String::new(),
            extra: JsonMap::new(),
            created_at,
            updated_at: None,
        }
    }

    fn uuid(&self) -> Self::Uuid {
        self.uuid
    }

    fn node_uuid(&self) -> NodeUuid {
        self.node_uuid
    }

    fn not_found(uuid: Self::Uuid) -> Fault {
        Fault::VolumeConnectorNotFound(uuid.to_string())
    }
}

impl Volume for VolumeTarget {
    type Uuid = VolumeTargetUuid;
    const NAME: &'static str = "target";
    const FIELDS: &'static [Row<Self>] = TARGET_FIELDS;
    const REQUIRED: &'static [&'static str] =
        &["boot_index", "node_uuid", "volume_id", "volume_type"];
    const SUMMARY: &'static [&'static str] = &[
        "uuid",
        "node_uuid",
        "volume_type",
        "boot_index",
        "volume_id",
    ];

    fn new(uuid: Self::Uuid, created_at: OffsetDateTime) -> Self {
        Self {
            uuid,
            node_uuid: NodeUuid(uuid::Uuid::nil()),
            volume_type: String::new(),
            boot_index: 0,
            volume_id: String::new(),
            properties: JsonMap::new(),
            extra: JsonMap::new(),
            created_at,
            updated_at: None,
        }
    }

    fn uuid(&self) -> Self::Uuid {
        self.uuid
    }

    fn node_uuid(&self) -> NodeUuid {
        self.node_uuid
    }

    fn not_found(uuid: Self::Uuid) -> Fault {
        Fault::VolumeTargetNotFound(uuid.to_string())
    }
}
