//! Storage interfaces: whether a node's instance lives on a remote volume.

use serde_json::Value;

use crate::id::VolumeTargetUuid;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::volume::{VolumeTarget, Volumes};

/// The volume an instance on the node would boot from.
///
/// With `external` somebody else has connected the volumes, and the node has been told of them;
/// `noop` knows no volumes. Source: Ironic's `drivers/modules/storage/external.py`.
pub fn boot_volume<'a>(node: &Node, volumes: &'a Volumes) -> Option<&'a VolumeTarget> {
    match node.interface(InterfaceKind::Storage) {
        "external" => volumes.targets.iter().find(|target| target.boot_index == 0),
        _ => None,
    }
}

/// Notes which volume the instance boots from; the boot decision reads it.
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
