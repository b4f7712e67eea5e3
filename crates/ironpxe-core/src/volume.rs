//! Remote volumes: what a node attaches (targets), and its identities for storage (connectors).
//!
//! Source: Ironic's `objects/volume_target.py` and `objects/volume_connector.py`.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::JsonMap;
use crate::error::Fault;
use crate::field::ResourceField;
use crate::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};

mod fields;

/// What volume connectors and volume targets have in common.
pub trait Volume: Clone + PartialEq + fmt::Debug + Send + Sync + 'static {
    /// Its typed UUID.
    type Uuid: Copy + fmt::Display + From<Uuid> + Into<Uuid> + Send + Sync;
    /// Its name in errors; with an `s`, in URLs.
    const NAME: &'static str;
    /// Its fields in the API, in Ironic's order.
    const FIELDS: &'static [ResourceField<Self>];
    /// The fields that it must be created with.
    const REQUIRED: &'static [&'static str];
    /// The fields of a short list.
    const SUMMARY: &'static [&'static str];

    /// One without values.
    fn new(uuid: Self::Uuid, created_at: OffsetDateTime) -> Self;
    /// Identifies it.
    fn uuid(&self) -> Self::Uuid;
    /// The node it belongs to.
    fn node_uuid(&self) -> NodeUuid;
    /// The error about a UUID that none has.
    fn not_found(uuid: Self::Uuid) -> Fault;
}

/// An identity of a node for storage, such as its iSCSI initiator name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeConnector {
    /// Identifies the connector.
    pub uuid: VolumeConnectorUuid,
    /// The node it belongs to.
    pub node_uuid: NodeUuid,
    /// `type` in the API, the type of identity: `iqn`, `ip`, `mac`, `wwnn`, `wwpn`, `port` or `portgroup`. No two
    /// connectors have the same type and connector ID.
    pub kind: String,
    /// The identity itself.
    pub connector_id: String,
    /// Free-form data of operators.
    pub extra: JsonMap,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

/// A volume that a node attaches when it boots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeTarget {
    /// Identifies the target.
    pub uuid: VolumeTargetUuid,
    /// The node it belongs to.
    pub node_uuid: NodeUuid,
    /// The protocol; machines can boot from `iscsi`.
    pub volume_type: String,
    /// 0 is the boot volume; the others follow in order. Unique within a node.
    pub boot_index: i64,
    /// The volume's ID in the storage system.
    pub volume_id: String,
    /// `target_iqn`, `target_portal`, `target_lun`, `auth_username`, `auth_password` and others.
    /// The password is in clear text; the API masks it.
    pub properties: JsonMap,
    /// Free-form data of operators.
    pub extra: JsonMap,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

/// All volumes of one node, targets by boot index.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Volumes {
    /// The node's identities.
    pub connectors: Vec<VolumeConnector>,
    /// The volumes it attaches.
    pub targets: Vec<VolumeTarget>,
}
