//! Storage interfaces: whether a node's instance is on a remote volume.

use serde_json::Value;

use crate::id::VolumeTargetUuid;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::volume::{VolumeTarget, Volumes};

/// The volume that an instance on the node boots from.
///
/// With `external`, the volumes were connected by other means and recorded at the node; `noop` has
/// no volumes. Source: Ironic's `drivers/modules/storage/external.py`.
pub fn boot_volume<'a>(node: &Node, volumes: &'a Volumes) -> Option<&'a VolumeTarget> {
    match node.interface(InterfaceKind::Storage) {
        "external" => volumes.targets.iter().find(|target| target.boot_index == 0),
        _ => None,
    }
}

/// Records the instance's boot volume for the boot decision.
pub fn set_boot_volume(node: &mut Node, target: Option<VolumeTargetUuid>) {
    const KEY: &str = "boot_from_volume";
    match target {
        Some(uuid) => {
            let uuid = Value::String(uuid.to_string());
            node.driver_internal_info.insert(KEY.to_owned(), uuid);
        }
        None => {
            node.driver_internal_info.remove(KEY);
        }
    }
}
