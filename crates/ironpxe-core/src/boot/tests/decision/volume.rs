//! Instances on remote volumes.

use super::*;

#[test]
fn boot_volume_overrides_every_other_instance_image() {
    for interface in ["direct", "ramdisk", "anaconda"] {
        let mut node = node(ProvisionState::Active, interface);
        let volumes = super::volumes(&node);
        let boot = volumes.targets[0].uuid.to_string();
        node.driver_internal_info
            .insert("boot_from_volume".into(), json!(boot));
        let machine = Machine {
            volumes: Some(&volumes),
            ..Machine::of(&node)
        };
        let BootPlan::Volume(volume) = decide(machine, &BootSettings::default(), REQUEST) else {
            panic!("no volume boot")
        };
        assert_eq!(
            volume.initiator_iqn.as_deref(),
            Some("iqn.2026-01.example:bm-1")
        );
        assert_eq!(
            volume.drives[0].uris,
            [
                "iscsi:192.0.2.1::3260:1:iqn.2026-01.example:root",
                "iscsi:[fd00::1]::3261:1:iqn.2026-01.example:root",
            ]
        );
        assert_eq!(
            volume.drives[1].uris,
            ["iscsi:192.0.2.2:::1f:iqn.2026-01.example:data"]
        );
        assert_eq!(volume.drives[1].chap, None);
        // Gone with its target: never to the disk instead.
        let alone = decide(Machine::of(&node), &BootSettings::default(), REQUEST);
        assert!(matches!(refusal(alone), Refusal::BadValue { .. }));
    }
}

#[test]
fn unattachable_volume_is_refused_and_its_property_named() {
    let mut node = node(ProvisionState::Active, "direct");
    let good = super::volumes(&node);
    let boot = good.targets[0].uuid.to_string();
    node.driver_internal_info
        .insert("boot_from_volume".into(), json!(boot));
    for (key, value) in [
        ("target_iqn", json!(null)),
        ("target_iqn", json!("a b")),
        ("target_lun", json!("first")),
        ("target_lun", json!(null)),
        ("target_portals", json!(["h:x"])),
        ("target_portals", json!(["${x}:1"])),
        ("auth_username", json!(null)),
        ("auth_password", json!(7)),
    ] {
        let mut volumes = good.clone();
        volumes.targets[0]
            .properties
            .insert(key.into(), value.clone());
        let machine = Machine {
            volumes: Some(&volumes),
            ..Machine::of(&node)
        };
        let said = refusal(decide(machine, &BootSettings::default(), REQUEST)).to_string();
        let property = format!("properties.{}", key.trim_end_matches('s'));
        assert!(
            said.contains(&boot) && said.contains(&property),
            "{key} {value}: {said}"
        );
    }
}
