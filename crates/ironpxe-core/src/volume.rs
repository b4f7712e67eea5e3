//! Remote volumes: what a node may attach (targets), and who it is to them (connectors).
//!
//! Source: Ironic's `objects/volume_target.py` and `objects/volume_connector.py`.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::JsonMap;
use crate::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};

/// A name under which a node is known to storage, such as its iSCSI initiator name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeConnector {
    /// Identifies the connector.
    pub uuid: VolumeConnectorUuid,
    /// The node it belongs to.
    pub node_uuid: NodeUuid,
    /// What kind of name: `iqn`, `ip`, `mac`, `wwnn`, `wwpn`, `port` or `portgroup`. No two
    /// connectors share both kind and name.
    pub kind: String,
    /// The name.
    pub connector_id: String,
    /// Free for operators.
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
    /// How it is reached: `iscsi` is what a machine can boot from here.
    pub volume_type: String,
    /// 0 is the volume the node boots from; the others follow in order. No two targets of a node
    /// share one.
    pub boot_index: i64,
    /// What the storage calls it.
    pub volume_id: String,
    /// `target_iqn`, `target_portal`, `target_lun`, `auth_username`, `auth_password` and others.
    /// The password stands here in clear; the API masks it.
    pub properties: JsonMap,
    /// Free for operators.
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
    /// Who the node is.
    pub connectors: Vec<VolumeConnector>,
    /// What it attaches.
    pub targets: Vec<VolumeTarget>,
}
