//! Which state boots what, and which setting wins.

use std::fmt::Write;

use super::*;

#[test]
fn every_state_and_deploy_interface_is_decided() {
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
fn an_unknown_state_is_refused_by_its_name() {
    let mut node = node(ProvisionState::Active, "direct");
    node.provision_state = crate::provision_state::StoredState::Unknown("levitating".into());
    assert_eq!(
        refusal(plan(&node)),
        Refusal::UnknownState("levitating".into())
    );
}

#[test]
fn maintenance_alone_boots_and_maintenance_with_a_fault_does_not() {
    let mut node = node(ProvisionState::DeployWait, "direct");
    node.maintenance = true;
    linux(plan(&node));
    node.fault = Some("power failure".into());
    assert_eq!(refusal(plan(&node)), Refusal::Fault("power failure".into()));
    // A fault that is remembered but over is nobody's business.
    node.maintenance = false;
    linux(plan(&node));
}

#[test]
fn a_port_without_pxe_does_not_boot_its_node() {
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
fn the_nodes_images_come_before_its_architectures_and_those_before_all() {
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
fn one_image_of_a_pair_is_refused_at_every_level() {
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
fn kernel_arguments_come_from_the_instance_else_the_node_else_the_configuration() {
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
fn debugging_is_asked_for_once() {
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
fn inspection_calls_back_with_the_configured_parameters() {
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
fn an_agent_that_inspects_knows_the_api_only_on_the_fast_track() {
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
fn the_installer_is_told_where_its_kickstart_and_its_own_parts_are() {
    let mut node = node(ProvisionState::DeployWait, "anaconda");
    let line = |node: &Node| {
        let linux = linux(plan(node));
        assert_eq!(
            (linux.role, linux.bootif),
            (LinuxRole::Installer, None),
            "{linux:?}"
        );
        linux.args.to_string()
    };
    let start = format!(
        "nofb vga=normal inst.ks=http://127.0.0.1:6385/v1/boot/{}/ks.cfg ",
        node.uuid
    );
    let tree = "http://images.example/tree";
    // The runtime as Ironic wants it is found where Anaconda would look for it.
    for stage2 in [
        tree.to_owned(),
        format!("{tree}\n"),
        format!("{tree}/LiveOS/squashfs.img"),
        format!("{tree}/images/install.img"),
    ] {
        node.instance_info.insert("stage2".into(), json!(stage2));
        assert_eq!(line(&node), format!("{start}inst.stage2={tree}"));
    }
    node.provision_state = ProvisionState::Deploying.into();
    node.instance_info.remove("stage2");
    let repository = "http://images.example/os/";
    node.instance_info
        .insert("image_source".into(), json!(repository));
    assert_eq!(line(&node), format!("{start}inst.repo={repository}"));
    // What was found out about the URL comes before what it looks like.
    node.driver_internal_info
        .insert("is_source_a_path".into(), json!(false));
    let missing = "instance_info.stage2".to_owned();
    assert_eq!(refusal(plan(&node)), Refusal::Missing { fields: missing });
    node.driver_internal_info
        .insert("is_source_a_path".into(), json!(true));
    let repository = "http://images.example/os";
    node.instance_info
        .insert("image_source".into(), json!(repository));
    assert_eq!(line(&node), format!("{start}inst.repo={repository}"));
}

#[test]
fn a_folder_of_an_installer_may_have_a_dot_in_its_name() {
    let mut node = node(ProvisionState::DeployWait, "anaconda");
    for folder in [
        "http://h/os/9.4",
        "http://h/os/9.4/",
        "http://h/fedora-39.1",
        "http://h.img",
        "http://h.img/",
        "http://h/x.img/",
        "http://h",
    ] {
        node.instance_info.insert("stage2".into(), json!(folder));
        let words = linux(plan(&node)).args.to_string();
        let end = format!(" inst.stage2={folder}");
        assert!(words.contains(&end), "{words}");
    }
}

#[test]
fn what_an_installer_lacks_is_refused_by_its_field() {
    let good = node(ProvisionState::DeployWait, "anaconda");
    for key in ["kernel", "ramdisk", "stage2", "image_source"] {
        let mut node = good.clone();
        node.instance_info.remove(key);
        let fields = format!("instance_info.{key}");
        assert_eq!(refusal(plan(&node)), Refusal::Missing { fields });
    }
    let sha256 = json!("sha256");
    for (key, value, named) in [
        ("kernel", json!(7), "kernel"),
        ("stage2", json!("http://h/${x}"), "stage2"),
        ("stage2", json!("http://h/\"x"), "stage2"),
        ("stage2", json!("http://h/tree?x=1"), "stage2"),
        ("stage2", json!("http://h/squashfs.img"), "stage2"),
        ("stage2", json!("http://h/os/install.IMG"), "stage2"),
        (
            "stage2",
            json!("http://h/images/rhel-stage2.squashfs"),
            "stage2",
        ),
        ("stage2", json!("http://h/boot.iso"), "stage2"),
        ("stage2", json!("http://h/os/.treeinfo"), "stage2"),
        // What would be left is no URL of a server.
        ("stage2", json!("http://LiveOS/squashfs.img"), "stage2"),
        ("image_source", json!("http://h/\"x"), "image_source"),
        (
            "image_source",
            json!("3b1f6ba4-6ae5-4d4b-9c8f"),
            "image_source",
        ),
        ("image_source", json!("http://h/x\nreboot"), "image_source"),
        ("image_os_hash_algo", sha256, "image_os_hash_value"),
        ("ks_template", json!("http://h/ks.cfg"), "ks_template"),
        ("configdrive", json!("no base64!"), "configdrive"),
        ("configdrive", json!("file://h/x"), "configdrive"),
        ("configdrive", json!([1]), "configdrive"),
    ] {
        let mut node = good.clone();
        node.instance_info.insert(key.into(), value.clone());
        let said = refusal(plan(&node)).to_string();
        let named = format!("instance_info.{named}");
        assert!(said.contains(&named), "{key} {value}: {said}");
    }
    let mut node = good;
    node.instance_info
        .insert("image_os_hash_algo".into(), json!("sha256"));
    node.instance_info
        .insert("image_os_hash_value".into(), json!("abc"));
    let said = refusal(plan(&node)).to_string();
    assert!(
        said.starts_with("instance_info.image_os_hash_value: "),
        "{said}"
    );
}

/// Once it is installed, and also if nothing of its installation is left.
#[test]
fn an_active_node_never_boots_its_installer() {
    let mut node = node(ProvisionState::Active, "anaconda");
    let disk = BootPlan::LocalDisk(BootSettings::default().local_boot);
    assert_eq!(plan(&node), disk);
    for option in ["netboot", "kickstart"] {
        node.instance_info
            .insert("capabilities".into(), json!({"boot_option": option}));
        node.instance_info
            .insert("image_type".into(), json!("partition"));
        assert_eq!(plan(&node), disk, "{option}");
    }
    node.instance_info.clear();
    assert_eq!(plan(&node), disk);
}

#[test]
fn an_iso_is_booted_and_beside_an_image_it_is_a_conflict() {
    let mut node = node(ProvisionState::Active, "ramdisk");
    let iso = "http://images.example/x.iso";
    node.instance_info.insert("boot_iso".into(), json!(iso));
    assert_eq!(plan(&node), BootPlan::Iso(ImageRef::parse(iso).unwrap()));
    node.instance_info
        .insert("image_source".into(), json!("http://images.example/x"));
    assert!(matches!(refusal(plan(&node)), Refusal::Conflict { .. }));
}

#[test]
fn a_partition_image_boots_from_disk_unless_netboot_was_asked_for() {
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
fn a_node_may_go_to_its_disk_in_its_own_way() {
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
fn a_volume_comes_before_everything_else_of_an_instance() {
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
fn a_volume_that_cannot_be_attached_is_refused_by_its_property() {
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

#[test]
fn values_of_the_wrong_type_are_named() {
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
