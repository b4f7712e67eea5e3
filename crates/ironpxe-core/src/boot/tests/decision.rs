//! Which state boots what, and which setting wins.

mod installer;
mod volume;

use std::fmt::Write;

use super::*;

#[test]
fn every_state_and_deploy_interface_has_the_recorded_plan() {
    let interfaces = ["direct", "custom-agent", "fake", "ramdisk", "anaconda"];
    let mut table = format!(
        "{:16}{}\n",
        "",
        interfaces
            .map(|name| format!("{name:13}"))
            .concat()
            .trim_end()
    );
    for state in ProvisionState::all() {
        write!(table, "{state:16}").unwrap();
        for interface in interfaces {
            let cell = match plan(&node(state, interface)) {
                BootPlan::Linux(linux) => linux.role.title().replace(" ramdisk", ""),
                BootPlan::LocalDisk(_) => "disk".to_owned(),
                other @ (BootPlan::Volume(_) | BootPlan::Iso(_)) => other.title().to_owned(),
                BootPlan::Refuse(_) => "-".to_owned(),
            };
            write!(table, "{cell:13}").unwrap();
        }
        table.truncate(table.trim_end().len());
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

fn linux(plan: BootPlan) -> LinuxBoot {
    match plan {
        BootPlan::Linux(linux) => linux,
        other => panic!("not a Linux boot: {other:?}"),
    }
}

fn refusal(plan: BootPlan) -> Refusal {
    match plan {
        BootPlan::Refuse(refusal) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn unknown_state_is_refused_and_named() {
    let mut node = node(ProvisionState::Active, "direct");
    node.provision_state = crate::provision_state::StoredState::Unknown("levitating".into());
    assert_eq!(
        refusal(plan(&node)),
        Refusal::UnknownState("levitating".into())
    );
}

#[test]
fn maintenance_boots_and_maintenance_with_a_fault_is_refused() {
    let mut node = node(ProvisionState::DeployWait, "direct");
    node.maintenance = true;
    linux(plan(&node));
    node.fault = Some("power failure".into());
    assert_eq!(refusal(plan(&node)), Refusal::Fault("power failure".into()));
    // A fault that is remembered but over does not matter.
    node.maintenance = false;
    linux(plan(&node));
}

#[test]
fn port_with_pxe_disabled_is_refused() {
    let node = node(ProvisionState::DeployWait, "direct");
    let mut port = port(&node);
    port.pxe_enabled = false;
    let plan = decide(
        Machine {
            port: Some(&port),
            ..Machine::of(&node)
        },
        &BootSettings::default(),
        REQUEST,
    );
    assert_eq!(refusal(plan), Refusal::PortNotPxeEnabled(port.address));
}

/// Images are looked for at three levels, and each level gives both or neither.
#[test]
fn node_images_override_architecture_images_and_those_override_defaults() {
    let mut settings = BootSettings::default();
    settings.deploy.kernel = Some("http://c/all.k".into());
    settings.deploy.ramdisk = Some("http://c/all.r".into());
    settings
        .deploy
        .kernel_by_arch
        .insert("aarch64".into(), "http://c/arm.k".into());
    settings
        .deploy
        .ramdisk_by_arch
        .insert("aarch64".into(), "http://c/arm.r".into());
    let mut node = node(ProvisionState::Cleaning, "direct");
    let pair = |node: &Node, settings: &BootSettings| {
        let linux = linux(decide(Machine::of(node), settings, REQUEST));
        format!("{} {}", linux.kernel, linux.ramdisk)
    };
    let own = "http://images.example/deploy.kernel http://images.example/deploy.initramfs";
    assert_eq!(pair(&node, &settings), own);
    node.driver_info.clear();
    assert_eq!(pair(&node, &settings), "http://c/all.k http://c/all.r");
    node.properties = map(json!({"cpu_arch": "x86_64"}));
    assert_eq!(pair(&node, &settings), "http://c/all.k http://c/all.r");
    node.properties = map(json!({"cpu_arch": "aarch64"}));
    assert_eq!(pair(&node, &settings), "http://c/arm.k http://c/arm.r");
}

#[test]
fn kernel_or_ramdisk_alone_is_refused_at_every_level() {
    let fields = |node: &Node, settings: &BootSettings| match refusal(decide(
        Machine::of(node),
        settings,
        REQUEST,
    )) {
        Refusal::Missing { fields } => fields,
        other => panic!("{other}"),
    };
    let mut settings = BootSettings::default();
    let mut node = node(ProvisionState::Cleaning, "direct");
    node.driver_info.remove("deploy_ramdisk");
    assert_eq!(fields(&node, &settings), "driver_info.deploy_ramdisk");
    node.driver_info.clear();
    assert_eq!(
        fields(&node, &settings),
        "driver_info.deploy_kernel and driver_info.deploy_ramdisk"
    );
    settings.deploy.ramdisk = Some("http://c/all.r".into());
    assert_eq!(fields(&node, &settings), "[conductor]deploy_kernel");
    node.properties = map(json!({"cpu_arch": "x86_64"}));
    settings
        .deploy
        .kernel_by_arch
        .insert("x86_64".into(), "http://c/k".into());
    assert_eq!(
        fields(&node, &settings),
        "[conductor]deploy_ramdisk_by_arch.x86_64"
    );
}

#[test]
fn instance_kernel_arguments_override_the_node_and_the_configuration() {
    let words = |node: &Node| linux(plan(node)).args.to_string();
    let mut node = node(ProvisionState::Active, "ramdisk");
    assert_eq!(words(&node), "root=/dev/ram0 nofb vga=normal rd.live.image");
    node.driver_info
        .insert("kernel_append_params".into(), json!("a %default% b"));
    assert_eq!(
        words(&node),
        "root=/dev/ram0 a nofb vga=normal b rd.live.image"
    );
    node.instance_info
        .insert("kernel_append_params".into(), json!("c %default%"));
    assert_eq!(
        words(&node),
        "root=/dev/ram0 c nofb vga=normal rd.live.image"
    );
    node.instance_info
        .insert("kernel_append_params".into(), json!(""));
    assert_eq!(words(&node), "root=/dev/ram0 rd.live.image");
}

#[test]
fn ipa_debug_is_passed_once() {
    let settings = BootSettings {
        debug: true,
        ..BootSettings::default()
    };
    let mut node = node(ProvisionState::DeployWait, "direct");
    let count = |node: &Node| {
        let linux = linux(decide(Machine::of(node), &settings, REQUEST));
        linux
            .args
            .words()
            .iter()
            .filter(|word| word.starts_with("ipa-debug"))
            .count()
    };
    assert_eq!(count(&node), 1);
    node.driver_info
        .insert("kernel_append_params".into(), json!("ipa-debug=0"));
    assert_eq!(count(&node), 1);
}

#[test]
fn inspection_has_the_callback_url_and_the_configured_parameters() {
    let settings = BootSettings {
        inspection_kernel_params: "ipa-collect-lldp=1".into(),
        ..BootSettings::default()
    };
    let node = node(ProvisionState::InspectWait, "direct");
    let args = linux(decide(Machine::of(&node), &settings, REQUEST)).args;
    let line = args.to_string();
    // The address comes last, and the last of two is what the agent takes.
    assert!(line.contains(
        "ipa-collect-lldp=1 ipa-inspection-callback-url=http://127.0.0.1:6385/v1/continue_inspection"
    ), "{line}");
    assert!(!args.sets("ipa-api-url"), "{line}");
}

#[test]
fn inspection_has_the_api_url_only_with_fast_track() {
    let knows = |configured, word: serde_json::Value| {
        let settings = BootSettings {
            fast_track: configured,
            ..BootSettings::default()
        };
        let mut node = node(ProvisionState::Inspecting, "direct");
        node.driver_info.insert("fast_track".into(), word);
        match decide(Machine::of(&node), &settings, REQUEST) {
            BootPlan::Linux(linux) => Ok(linux.args.to_string().contains(
                " ipa-inspection-callback-url=http://127.0.0.1:6385/v1/continue_inspection \
                 ipa-api-url=http://127.0.0.1:6385 ",
            )),
            plan => Err(Box::new(plan)),
        }
    };
    for (configured, word, expected) in [
        (false, json!(null), false),
        (true, json!(null), true),
        (false, json!(true), true),
        (false, json!("Yes"), true),
        (false, json!(1), true),
        (true, json!(false), false),
        (true, json!("off"), false),
    ] {
        assert_eq!(knows(configured, word.clone()), Ok(expected), "{word}");
    }
    for word in [json!("maybe"), json!({}), json!(2)] {
        let refused = BootPlan::Refuse(Refusal::BadValue {
            field: "driver_info.fast_track".into(),
            problem: "must be true or false".into(),
        });
        assert_eq!(knows(true, word), Err(Box::new(refused)));
    }
    // The other states are none of its business.
    let mut node = node(ProvisionState::DeployWait, "direct");
    node.driver_info.insert("fast_track".into(), json!("maybe"));
    assert!(linux(plan(&node)).args.sets("ipa-api-url"));
}

#[test]
fn boot_iso_is_booted_and_conflicts_with_another_image() {
    let mut node = node(ProvisionState::Active, "ramdisk");
    let iso = "http://images.example/x.iso";
    node.instance_info.insert("boot_iso".into(), json!(iso));
    assert_eq!(plan(&node), BootPlan::Iso(ImageRef::parse(iso).unwrap()));
    node.instance_info
        .insert("image_source".into(), json!("http://images.example/x"));
    assert!(matches!(refusal(plan(&node)), Refusal::Conflict { .. }));
}

#[test]
fn partition_image_boots_from_disk_unless_netboot_is_requested() {
    let mut node = node(ProvisionState::Active, "direct");
    node.instance_info
        .insert("image_type".into(), json!("partition"));
    assert!(matches!(plan(&node), BootPlan::LocalDisk(_)));
    node.properties = map(json!({"capabilities": "boot_mode:uefi,boot_option:netboot"}));
    let missing = "driver_internal_info.root_uuid_or_disk_id".to_owned();
    assert_eq!(refusal(plan(&node)), Refusal::Missing { fields: missing });
    node.driver_internal_info
        .insert("root_uuid_or_disk_id".into(), json!("1234-abcd"));
    let instance = linux(plan(&node));
    assert_eq!(instance.role, LinuxRole::InstanceKernel);
    assert_eq!(
        instance.args.to_string(),
        "root=UUID=1234-abcd ro nofb vga=normal"
    );
    // The instance's capability comes before the node's.
    node.instance_info
        .insert("capabilities".into(), json!({"boot_option": "local"}));
    assert!(matches!(plan(&node), BootPlan::LocalDisk(_)));
    node.instance_info
        .insert("capabilities".into(), json!({"boot_option": "sideways"}));
    assert!(matches!(refusal(plan(&node)), Refusal::BadValue { .. }));
    // A whole disk has its own loader.
    node.instance_info
        .insert("capabilities".into(), json!("boot_option:netboot"));
    node.instance_info
        .insert("image_type".into(), json!("whole-disk"));
    assert!(matches!(plan(&node), BootPlan::LocalDisk(_)));
}

#[test]
fn node_local_boot_method_overrides_the_configured_one() {
    let mut node = node(ProvisionState::Active, "direct");
    let configured = BootSettings::default().local_boot;
    assert_eq!(plan(&node), BootPlan::LocalDisk(configured));
    node.driver_info
        .insert("ipxe_local_boot".into(), json!("reboot"));
    let own = LocalBootMethod::Reboot;
    assert_eq!(
        plan(&node),
        BootPlan::LocalDisk(LocalBoot {
            bios: own,
            uefi: own
        })
    );
    node.driver_info
        .insert("ipxe_local_boot".into(), json!("hope"));
    let Refusal::BadValue { field, problem } = refusal(plan(&node)) else {
        panic!("not refused for its value")
    };
    assert_eq!(field, "driver_info.ipxe_local_boot");
    assert!(
        problem.contains("sanboot, exit, reboot, poweroff"),
        "{problem}"
    );
}

#[test]
fn value_of_the_wrong_type_is_refused_with_its_field() {
    let mut node = node(ProvisionState::DeployWait, "direct");
    node.driver_info.insert("deploy_kernel".into(), json!(7));
    assert_eq!(
        refusal(plan(&node)),
        Refusal::BadValue {
            field: "driver_info.deploy_kernel".into(),
            problem: "must be a string".into()
        }
    );
}
