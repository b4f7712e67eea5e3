//! The texts themselves, each pinned whole.

use std::fmt::Write;

use super::*;

#[test]
fn deploy_ramdisk_script_matches_the_snapshot() {
    let node = node(ProvisionState::DeployWait, "direct");
    insta::assert_snapshot!(script(&node, Some(&port(&node)), &BootSettings::default()));
}

#[test]
fn deploy_ramdisk_script_requested_by_node_matches_the_snapshot() {
    let node = node(ProvisionState::CleanWait, "direct");
    let text = script(&node, None, &BootSettings::default());
    assert!(
        text.contains(" BOOTIF=${netX/mac} initrd=deploy_ramdisk || goto failed\n"),
        "{text}"
    );
}

#[test]
fn rescue_ramdisk_script_matches_the_snapshot() {
    let node = node(ProvisionState::Rescue, "direct");
    insta::assert_snapshot!(script(&node, Some(&port(&node)), &BootSettings::default()));
}

#[test]
fn installer_script_matches_the_snapshot() {
    let node = node(ProvisionState::DeployWait, "anaconda");
    insta::assert_snapshot!(script(&node, Some(&port(&node)), &BootSettings::default()));
}

#[test]
fn instance_ramdisk_script_without_timeout_and_with_poweroff_matches_the_snapshot() {
    let node = node(ProvisionState::Active, "ramdisk");
    let mut settings = BootSettings::default();
    settings.downloads.timeout_seconds = 0;
    settings.downloads.give_up = GiveUpAction::Poweroff;
    insta::assert_snapshot!(script(&node, Some(&port(&node)), &settings));
}

#[test]
fn script_end_of_each_give_up_action_matches_the_snapshot() {
    let node = node(ProvisionState::Active, "ramdisk");
    let mut settings = BootSettings::default();
    let mut ends = String::new();
    for action in [
        GiveUpAction::Reboot,
        GiveUpAction::Poweroff,
        GiveUpAction::Shell,
        GiveUpAction::Exit,
    ] {
        settings.downloads.give_up = action;
        let text = script(&node, None, &settings);
        let (_, end) = text.split_once(":give_up\n").unwrap();
        writeln!(ends, "{action:?}\n{end}").unwrap();
    }
    insta::assert_snapshot!(ends);
}

#[test]
fn local_disk_script_matches_the_snapshot() {
    let node = node(ProvisionState::Active, "direct");
    insta::assert_snapshot!(script(&node, Some(&port(&node)), &BootSettings::default()));
}

#[test]
fn local_disk_script_of_each_method_matches_the_snapshot() {
    let node = node(ProvisionState::Active, "direct");
    let mut ways = String::new();
    for method in [
        LocalBootMethod::Sanboot,
        LocalBootMethod::Exit,
        LocalBootMethod::Reboot,
        LocalBootMethod::Poweroff,
    ] {
        let settings = BootSettings {
            local_boot: LocalBoot {
                bios: method,
                uefi: method,
            },
            ..BootSettings::default()
        };
        let text = script(&node, None, &settings);
        let (_, way) = text.split_once("goto uefi ||\n").unwrap();
        writeln!(ways, "{method:?}\n{way}").unwrap();
    }
    insta::assert_snapshot!(ways);
}

#[test]
fn iso_script_matches_the_snapshot() {
    let mut node = node(ProvisionState::Active, "ramdisk");
    node.instance_info
        .insert("boot_iso".into(), serde_json::json!("http://h/x.iso"));
    insta::assert_snapshot!(script(&node, None, &BootSettings::default()));
}

#[test]
fn volume_script_matches_the_snapshot() {
    let mut node = node(ProvisionState::Active, "direct");
    let volumes = volumes(&node);
    let boot = volumes.targets[0].uuid.to_string();
    node.driver_internal_info
        .insert("boot_from_volume".into(), serde_json::json!(boot));
    let machine = Machine {
        volumes: Some(&volumes),
        ..Machine::of(&node)
    };
    let settings = BootSettings::default();
    let plan = decide(machine, &settings, REQUEST);
    let scripts = Scripts::new(settings.downloads).unwrap();
    let text = scripts
        .render(
            &ResolvedPlan::direct(plan),
            RenderContext {
                machine,
                request_id: REQUEST,
            },
        )
        .unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn refusal_script_matches_the_snapshot() {
    let node = node(ProvisionState::Available, "direct");
    insta::assert_snapshot!(script(&node, Some(&port(&node)), &BootSettings::default()));
}

#[test]
fn advice_of_every_refusal_matches_the_snapshot() {
    let mut texts = String::new();
    for refusal in refusals() {
        writeln!(texts, "{refusal}\n  Fix: {}.", refusal.advice("bm-1")).unwrap();
    }
    insta::assert_snapshot!(texts);
}

#[test]
fn unknown_machine_script_matches_the_snapshot() {
    let scripts = Scripts::new(BootSettings::default().downloads).unwrap();
    let lines = [
        "ironpxe: no port has the address 52:54:00:aa:00:09.",
        "Fix: create it.",
    ];
    let script = scripts.refuse_unknown_machine(UnknownMachine::Address, lines, REQUEST);
    insta::assert_snapshot!(script.unwrap());
}

#[test]
fn nic_loop_script_matches_the_snapshot() {
    let scripts = Scripts::new(BootSettings::default().downloads).unwrap();
    insta::assert_snapshot!(scripts.nic_loop(&UnknownActions::refuse()).unwrap());
}

#[test]
fn script_with_an_action_for_each_architecture_matches_the_snapshot() {
    let scripts = Scripts::new(BootSettings::default().downloads).unwrap();
    let lines = [
        "ironpxe: no port has the address 52:54:00:aa:00:09.",
        "Fix: create it.",
    ];
    let actions = UnknownActions {
        other: UnknownAction::Refuse,
        by_arch: vec![
            (
                UnknownArch::X86_64,
                chain("http://u:hush@h/inspector.ipxe?site=a&b=c"),
            ),
            (UnknownArch::Aarch64, local()),
        ],
    };
    let script = scripts.unknown_machine(UnknownMachine::Address, lines, REQUEST, &actions);
    insta::assert_snapshot!(script.unwrap());
}

#[test]
fn extra_ramdisks_are_fetched_and_named_to_the_kernel() {
    let settings = BootSettings {
        extra_ramdisks: vec![
            "http://h/ca.cpio".to_owned(),
            "http://h/drivers.cpio".to_owned(),
        ],
        ..BootSettings::default()
    };
    for (state, interface, name) in [
        (ProvisionState::DeployWait, "direct", Some("deploy_ramdisk")),
        (
            ProvisionState::InspectWait,
            "direct",
            Some("deploy_ramdisk"),
        ),
        (ProvisionState::Rescue, "direct", Some("rescue_ramdisk")),
        // What boots is the instance, or installs it.
        (ProvisionState::Active, "ramdisk", None),
        (ProvisionState::DeployWait, "anaconda", None),
    ] {
        let node = node(state, interface);
        let script = script(&node, None, &settings);
        let names = "initrd=extra_ramdisk_1 initrd=extra_ramdisk_2 || goto failed";
        let all = name.map(|name| format!(" initrd={name} {names}\n"));
        assert_eq!(
            all.is_some_and(|all| script.contains(&all)),
            name.is_some(),
            "{state}: {script}"
        );
        for line in [
            "initrd --timeout 60000 --name extra_ramdisk_1 http://h/ca.cpio || goto failed\n",
            "initrd --timeout 60000 --name extra_ramdisk_2 http://h/drivers.cpio || goto failed\n",
            "echo http://h/ca.cpio\n",
        ] {
            assert_eq!(
                script.contains(line),
                name.is_some(),
                "{state}: {line}: {script}"
            );
        }
        let machine = Machine::of(&node);
        let explanation = explain(machine, &settings, REQUEST);
        let reason = Reason {
            topic: "ramdisk",
            text: "http://h/drivers.cpio, from [conductor]extra_ramdisks".to_owned(),
        };
        assert_eq!(
            explanation.reasons.contains(&reason),
            name.is_some(),
            "{state}"
        );
        let BootPlan::Linux(linux) = explanation.plan else {
            panic!("{state}")
        };
        // What iPXE would have to pass to the kernel.
        let line = script.lines().find(|it| it.starts_with("kernel ")).unwrap();
        let (_, args) = line
            .split_once("/deploy.kernel ")
            .or_else(|| {
                line.split_once("/rescue.kernel ")
                    .or_else(|| line.split_once("/instance.kernel "))
            })
            .unwrap();
        let args = args.strip_suffix(" || goto failed").unwrap();
        let args = args.replace("${netX/mac}", "52:54:00:aa:00:01");
        assert_eq!(linux.command_line_bytes(), args.len(), "{state}: {args}");
        assert_eq!(
            linux.extra_ramdisks.len(),
            if name.is_some() { 2 } else { 0 }
        );
    }
}
