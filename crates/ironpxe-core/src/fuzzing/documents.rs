//! JSON-Patch documents on a node, a port and a volume target.

use json_patch::Patch;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::id::{NodeUuid, PortUuid, VolumeTargetUuid};
use crate::mac::MacAddress;
use crate::node::Node;
use crate::patch::{NodeChange, PortChange, VolumeChange};
use crate::port::Port;
use crate::provision_state::ProvisionState;
use crate::volume::VolumeTarget;

/// A rejected patch changes nothing; an accepted one changes only patchable fields.
pub(super) fn patch(data: &[u8]) {
    let Ok(patch) = serde_json::from_slice::<Patch>(data) else {
        return;
    };
    for state in [ProvisionState::Available, ProvisionState::Active] {
        patch_node(&patch, state);
    }
    patch_port(&patch);
    patch_target(&patch);
}

fn patch_node(patch: &Patch, state: ProvisionState) {
    let uuid = NodeUuid(Uuid::nil());
    let mut node = Node::enroll(uuid, "fake-hardware", OffsetDateTime::UNIX_EPOCH);
    node.provision_state = state.into();
    node.name = Some("bm-1".to_owned());
    node.traits = vec!["CUSTOM_A".to_owned()];
    node.extra
        .insert("list".to_owned(), json!([1, {"a": null}]));
    node.driver_info
        .insert("deploy_kernel".to_owned(), json!("http://h/k"));
    let before = node.clone();
    if NodeChange::Patch(patch.clone()).apply(&mut node).is_err() {
        assert_eq!(node, before);
        return;
    }
    let fixed = |node: &Node| {
        (
            (
                node.uuid,
                node.provision_state.clone(),
                node.revision,
                node.created_at,
            ),
            (
                node.reservation.clone(),
                node.driver_internal_info.clone(),
                node.traits.clone(),
            ),
        )
    };
    assert_eq!(fixed(&node), fixed(&before));
    assert!(
        node.name
            .as_ref()
            .is_none_or(|name| name.chars().count() <= 255)
    );
    assert!(!node.driver.contains('\0'));
}

fn patch_port(patch: &Patch) {
    let mac = MacAddress::new([0x52, 0x54, 0, 0xaa, 0, 1]);
    let (uuid, node) = (PortUuid(Uuid::nil()), NodeUuid(Uuid::nil()));
    let mut port = Port::new(uuid, node, mac, OffsetDateTime::UNIX_EPOCH);
    let before = port.clone();
    if PortChange(patch.clone()).apply(&mut port).is_err() {
        assert_eq!(port, before);
    }
    assert_eq!(
        (port.uuid, port.created_at),
        (before.uuid, before.created_at)
    );
}

fn patch_target(patch: &Patch) {
    let mut target = VolumeTarget {
        uuid: VolumeTargetUuid(Uuid::nil()),
        node_uuid: NodeUuid(Uuid::nil()),
        volume_type: "iscsi".to_owned(),
        boot_index: 0,
        volume_id: "1".to_owned(),
        properties: crate::JsonMap::new(),
        extra: crate::JsonMap::new(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: None,
    };
    let before = target.clone();
    if VolumeChange(patch.clone()).apply(&mut target).is_err() {
        assert_eq!(target, before);
    }
    assert_eq!(
        (target.uuid, target.created_at),
        (before.uuid, before.created_at)
    );
    assert!(target.boot_index >= 0, "{target:?}");
}
