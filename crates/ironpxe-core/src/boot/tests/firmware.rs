//! What is said about one firmware, and what is supposed of a machine.

use std::fmt::Write;

use super::*;

const BOTH: [Firmware; 2] = [Firmware::Pcbios, Firmware::Efi];

fn told(about: &str, node: &Node, settings: &BootSettings) -> String {
    let volumes = volumes(node);
    let machine = Machine {
        volumes: Some(&volumes),
        ..Machine::of(node)
    };
    let plan = decide(machine, settings, REQUEST);
    let mut text = format!("# {about}: {}\n", plan.title());
    for firmware in BOTH {
        for reason in explain_firmware(&plan, node, settings, firmware) {
            writeln!(text, "{:7}{}", firmware.name(), reason.text).unwrap();
        }
    }
    text
}

#[test]
fn explanation_for_each_firmware_matches_the_snapshot() {
    let mut settings = BootSettings::default();
    let direct = node(ProvisionState::DeployWait, "direct");
    let mut text = told("an agent", &direct, &settings);
    let mut active = node(ProvisionState::Active, "direct");
    text += &told("a disk", &active, &settings);
    for method in ["sanboot", "exit", "reboot", "poweroff"] {
        active
            .driver_info
            .insert("ipxe_local_boot".into(), json!(method));
        text += &told(method, &active, &settings);
    }
    settings.downloads.give_up = GiveUpAction::Poweroff;
    let mut ramdisk = node(ProvisionState::Active, "ramdisk");
    ramdisk.properties = map(json!({"capabilities": "boot_mode:uefi"}));
    text += &told("an instance ramdisk of a UEFI node", &ramdisk, &settings);
    settings.downloads.give_up = GiveUpAction::Exit;
    ramdisk.properties.clear();
    ramdisk.instance_info = map(json!({
        "boot_iso": "http://images.example/x.iso",
        "capabilities": {"boot_mode": "bios"},
    }));
    text += &told("an ISO image for a BIOS", &ramdisk, &settings);
    settings.downloads.give_up = GiveUpAction::Shell;
    active.driver_internal_info =
        map(json!({"boot_from_volume": "00000000-0000-4000-8000-00000000000a"}));
    text += &told("a volume", &active, &settings);
    text += &told(
        "a refusal",
        &node(ProvisionState::Enroll, "direct"),
        &settings,
    );
    insta::assert_snapshot!(text);
}

/// What is counted is what the script says, and what UEFI puts in front is counted too.
#[test]
fn command_line_bytes_are_counted() {
    let mut node = node(ProvisionState::DeployWait, "direct");
    let settings = BootSettings::default();
    let bytes = |node: &Node| {
        let port = port(node);
        let text = script(node, Some(&port), &settings);
        let kernel = text
            .lines()
            .find(|line| line.starts_with("kernel "))
            .unwrap();
        let (_, line) = kernel.split_once("deploy.kernel ").unwrap();
        line.strip_suffix(" || goto failed").unwrap().len()
    };
    let said = |node: &Node, firmware| {
        let plan = plan(node);
        let BootPlan::Linux(linux) = &plan else {
            panic!("{plan:?}")
        };
        assert_eq!(linux.command_line_bytes(), bytes(node));
        let reasons = explain_firmware(&plan, node, &settings, firmware);
        reasons
            .into_iter()
            .map(|it| it.text)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let shorter = bytes(&node) - "nofb vga=normal".len();
    let short = said(&node, Firmware::Efi);
    assert!(!short.contains("are lost"), "{short}");
    // As long as a BIOS takes: with UEFI the kernel's name comes on top.
    let filler = "x".repeat(2047 - shorter);
    node.driver_info
        .insert("kernel_append_params".into(), json!(filler));
    let bios = said(&node, Firmware::Pcbios);
    assert!(bios.contains("is 2047 bytes long"), "{bios}");
    let efi = said(&node, Firmware::Efi);
    assert!(efi.contains("is 2054 bytes long"), "{efi}");
    assert!(efi.contains("its last 7 bytes are lost"), "{efi}");
}

#[test]
fn firmware_and_architecture_names_are_parsed() {
    for (word, firmware) in [
        ("efi", Firmware::Efi),
        ("uefi", Firmware::Efi),
        ("pcbios", Firmware::Pcbios),
        ("bios", Firmware::Pcbios),
    ] {
        assert_eq!(Firmware::parse(word), Ok(firmware));
    }
    for word in ["", "UEFI", "coreboot"] {
        assert_eq!(Firmware::parse(word), Err(ParseFirmwareError), "{word}");
    }
    for word in ["x86_64", "aarch64", "ppc64le", "x86-64-v3", "riscv.64"] {
        assert_eq!(CpuArch::parse(word).unwrap().as_str(), word);
    }
    for word in ["", "x86 64", "a/b", "${arch}", "ü", &"x".repeat(65)] {
        assert_eq!(CpuArch::parse(word), Err(ParseArchError), "{word}");
    }
}

#[test]
fn overrides_change_the_node_and_are_listed() {
    let mut node = node(ProvisionState::Active, "direct");
    let before = node.clone();
    assert_eq!(Overrides::default().apply(&mut node), []);
    assert_eq!(node, before);
    let overrides = Overrides {
        state: Some(ProvisionState::Rescue),
        arch: Some(CpuArch::parse("aarch64").unwrap()),
        firmware: None,
    };
    node.properties = map(json!({"cpu_arch": "x86_64", "memory_mb": 1}));
    let said: Vec<String> = overrides
        .apply(&mut node)
        .into_iter()
        .map(|it| it.text)
        .collect();
    assert_eq!(
        said,
        [
            "the node is in \"active\"; overridden with \"rescue\"",
            "properties.cpu_arch is \"x86_64\"; overridden with \"aarch64\"",
        ]
    );
    assert_eq!(node.provision_state, ProvisionState::Rescue.into());
    assert_eq!(
        node.properties,
        map(json!({"cpu_arch": "aarch64", "memory_mb": 1}))
    );
}
