//! The decision on every state, against real Ironic's scripts, and with hostile values.

mod decision;
mod docs;
mod explain;
mod hostile;
mod kickstart;
mod oracle;
mod scripts;

use serde_json::json;
use time::OffsetDateTime;

use super::*;
use crate::JsonMap;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::port::Port;
use crate::provision_state::ProvisionState;
use crate::volume::{VolumeConnector, VolumeTarget, Volumes};

pub(super) const REQUEST: &str = "req-00000000-0000-4000-8000-000000000001";

pub(super) fn map(value: serde_json::Value) -> JsonMap {
    match value {
        serde_json::Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

/// A node that has all it needs to boot in every state.
pub(super) fn node(state: ProvisionState, deploy_interface: &str) -> Node {
    let uuid = "ee490fb7-d420-4b2f-8153-8a674b930740".parse().unwrap();
    let mut node = Node::enroll(uuid, "fake-hardware", OffsetDateTime::UNIX_EPOCH);
    node.name = Some("bm-1".into());
    node.provision_state = state.into();
    node.interfaces.set(InterfaceKind::Deploy, deploy_interface);
    node.driver_info = map(json!({
        "deploy_kernel": "http://images.example/deploy.kernel",
        "deploy_ramdisk": "http://images.example/deploy.initramfs",
        "rescue_kernel": "http://images.example/rescue.kernel",
        "rescue_ramdisk": "http://images.example/rescue.initramfs",
    }));
    node.instance_info = map(json!({
        "kernel": "http://images.example/instance.kernel",
        "ramdisk": "http://images.example/instance.initramfs",
        "ramdisk_kernel_arguments": "rd.live.image",
    }));
    if deploy_interface == "anaconda" {
        let mut install = |key: &str, url: &str| {
            node.instance_info.insert(key.into(), json!(url));
        };
        install("image_source", "http://images.example/system.tar.xz");
        install("stage2", "http://images.example/tree/LiveOS/squashfs.img");
    }
    node
}

pub(super) fn port(node: &Node) -> Port {
    let uuid = "56ea0485-c79e-434e-af55-8ca4d3c3ecf9".parse().unwrap();
    Port::new(
        uuid,
        node.uuid,
        "52:54:00:aa:00:01".parse().unwrap(),
        OffsetDateTime::UNIX_EPOCH,
    )
}

pub(super) fn plan(node: &Node) -> BootPlan {
    decide(Machine::of(node), &BootSettings::default(), REQUEST)
}

pub(super) fn script(node: &Node, port: Option<&Port>, settings: &BootSettings) -> String {
    let machine = Machine {
        port,
        ..Machine::of(node)
    };
    let plan = decide(machine, settings, REQUEST);
    let scripts = Scripts::new(settings.downloads).unwrap();
    scripts
        .render(
            &plan,
            Occasion {
                machine,
                request_id: REQUEST,
            },
        )
        .unwrap()
}

/// An iSCSI volume to boot from, by two ways and with CHAP, and a second one.
pub(super) fn volumes(node: &Node) -> Volumes {
    let target = |uuid: &str, boot_index, properties| VolumeTarget {
        uuid: uuid.parse().unwrap(),
        node_uuid: node.uuid,
        volume_type: "iscsi".into(),
        boot_index,
        volume_id: "v".into(),
        properties: map(properties),
        extra: JsonMap::new(),
        created_at: OffsetDateTime::UNIX_EPOCH,
        updated_at: None,
    };
    Volumes {
        connectors: vec![VolumeConnector {
            uuid: "00000000-0000-4000-8000-00000000000c".parse().unwrap(),
            node_uuid: node.uuid,
            kind: "iqn".into(),
            connector_id: "iqn.2026-01.example:bm-1".into(),
            extra: JsonMap::new(),
            created_at: OffsetDateTime::UNIX_EPOCH,
            updated_at: None,
        }],
        targets: vec![
            target(
                "00000000-0000-4000-8000-00000000000a",
                0,
                json!({
                    "target_iqn": "iqn.2026-01.example:root",
                    "target_portals": ["192.0.2.1:3260", "[fd00::1]:3261"],
                    "target_lun": 1,
                    "auth_username": "me",
                    "auth_password": "p ${x} || #",
                }),
            ),
            target(
                "00000000-0000-4000-8000-00000000000b",
                1,
                json!({
                    "target_iqn": "iqn.2026-01.example:data",
                    "target_portal": "192.0.2.2",
                    "target_lun": "31",
                }),
            ),
        ],
    }
}
