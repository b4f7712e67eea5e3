//! What an operator reads about each decision.

use std::fmt::Write;

use super::super::explain::without_passwords;
use super::*;

/// One line for each reason, under what was asked.
fn told(about: &str, machine: Machine<'_>, settings: &BootSettings) -> String {
    let explanation = super::super::explain(machine, settings, REQUEST);
    assert_eq!(
        explanation.plan,
        decide(machine, settings, REQUEST),
        "{about}"
    );
    let mut text = format!("# {about}: {}\n", explanation.plan.title());
    for Reason { topic, text: words } in &explanation.reasons {
        writeln!(text, "{topic:10}{words}").unwrap();
    }
    text
}

fn of(about: &str, node: &Node) -> String {
    told(about, Machine::of(node), &BootSettings::default())
}

#[test]
fn explanation_of_agent_boots_matches_the_snapshot() {
    let mut direct = node(ProvisionState::DeployWait, "direct");
    let port = port(&direct);
    let known = Machine {
        port: Some(&port),
        ..Machine::of(&direct)
    };
    let mut text = told("known by a port", known, &BootSettings::default());
    let mut settings = BootSettings {
        debug: true,
        inspection_kernel_params: "ipa-collect-lldp=1".into(),
        ..BootSettings::default()
    };
    settings.rescue.kernel = Some("http://c/k".into());
    settings.rescue.ramdisk = Some("http://c/r".into());
    let by_arch = [("aarch64".to_owned(), "http://c/arm".to_owned())];
    settings.deploy.kernel_by_arch = by_arch.clone().into();
    settings.deploy.ramdisk_by_arch = by_arch.into();
    direct.provision_state = ProvisionState::Inspecting.into();
    direct.driver_info = map(json!({"kernel_append_params": "a %default% b"}));
    direct.properties = map(json!({"cpu_arch": "aarch64"}));
    text += &told("inspection", Machine::of(&direct), &settings);
    let fast = BootSettings {
        fast_track: true,
        ..settings.clone()
    };
    text += &told("inspection on the fast track", Machine::of(&direct), &fast);
    direct.provision_state = ProvisionState::Rescue.into();
    direct.instance_info = map(json!({"kernel_append_params": ""}));
    text += &told("rescue", Machine::of(&direct), &settings);
    insta::assert_snapshot!(text);
}

/// What is not set is not named as the source of anything.
#[test]
fn explanation_names_the_settings_that_give_the_api_url() {
    let settings = BootSettings {
        api_url_source: ApiUrlSource::ListenAddress,
        fast_track: true,
        ..BootSettings::default()
    };
    for (state, interface, words) in [
        (ProvisionState::DeployWait, "direct", 1),
        (ProvisionState::RescueWait, "direct", 1),
        (ProvisionState::InspectWait, "direct", 2),
        (ProvisionState::DeployWait, "anaconda", 1),
    ] {
        let mut node = node(state, interface);
        for (key, url) in [
            ("rescue_kernel", "http://h/k"),
            ("rescue_ramdisk", "http://h/r"),
        ] {
            node.driver_info.insert(key.into(), json!(url));
        }
        let text = told("without public_endpoint", Machine::of(&node), &settings);
        assert!(!text.contains("[api]public_endpoint"), "{text}");
        let source = "from [api]host_ip and port (public_endpoint is not set)";
        assert_eq!(text.matches(source).count(), words, "{text}");
    }
}

#[test]
fn explanation_of_work_in_progress_matches_the_snapshot() {
    let mut late = node(ProvisionState::Deploying, "direct");
    late.deploy_step = map(json!({"step": "boot_instance", "priority": 20}));
    let mut text = of("a late deploy step", &late);
    late.deploy_step = map(json!({"step": "my_step", "priority": 25}));
    text += &of("a late step of an operator's own", &late);
    let mut serviced = node(ProvisionState::ServiceWait, "direct");
    serviced.driver_internal_info = map(json!({"service_disable_ramdisk": true}));
    text += &of("service without a ramdisk", &serviced);
    let mut cleaned = node(ProvisionState::Cleaning, "direct");
    cleaned.driver_internal_info = map(json!({"cleaning_disable_ramdisk": true}));
    text += &of("cleaning without a ramdisk", &cleaned);
    cleaned.driver_internal_info = map(json!({"cleaning_disable_ramdisk": "yes"}));
    text += &of("a flag of the wrong type", &cleaned);
    let mut volume = node(ProvisionState::Deploying, "direct");
    let volumes = volumes(&volume);
    let boot = volumes.targets[0].uuid.to_string();
    volume.driver_internal_info = map(json!({"boot_from_volume": boot}));
    let machine = Machine {
        volumes: Some(&volumes),
        ..Machine::of(&volume)
    };
    text += &told("a volume being deployed", machine, &BootSettings::default());
    insta::assert_snapshot!(text);
}

#[test]
fn explanation_of_instance_boots_matches_the_snapshot() {
    let mut text = of(
        "a ramdisk being deployed",
        &node(ProvisionState::Deploying, "ramdisk"),
    );
    let mut iso = node(ProvisionState::Active, "ramdisk");
    iso.instance_info = map(json!({"boot_iso": "http://images.example/x.iso"}));
    text += &of("an ISO image", &iso);

    let mut direct = node(ProvisionState::Active, "direct");
    text += &of("nothing said", &direct);
    direct
        .instance_info
        .insert("capabilities".into(), json!({"boot_option": "netboot"}));
    direct.driver_internal_info = map(json!({"root_uuid_or_disk_id": "1234-abcd"}));
    text += &of("netboot of a partition", &direct);
    direct
        .instance_info
        .insert("image_type".into(), json!("whole-disk"));
    direct
        .driver_info
        .insert("ipxe_local_boot".into(), json!("reboot"));
    text += &of("netboot of a whole disk", &direct);

    direct.driver_internal_info =
        map(json!({"boot_from_volume": "00000000-0000-4000-8000-00000000000a"}));
    let volumes = volumes(&direct);
    let machine = Machine {
        volumes: Some(&volumes),
        ..Machine::of(&direct)
    };
    text += &told("a volume", machine, &BootSettings::default());
    insta::assert_snapshot!(text);
}

#[test]
fn explanation_of_installer_boots_matches_the_snapshot() {
    let mut node = node(ProvisionState::DeployWait, "anaconda");
    let mut text = of("an image", &node);
    node.instance_info
        .insert("image_checksum".into(), json!("AB".repeat(32)));
    node.instance_info
        .insert("configdrive".into(), json!({"user_data": "secret"}));
    text += &of("a verified image and a config drive", &node);
    node.instance_info
        .insert("image_source".into(), json!("http://images.example/os/"));
    node.instance_info.remove("image_checksum");
    text += &of("a repository", &node);
    assert!(!text.contains("secret"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn explanation_of_refusals_matches_the_snapshot() {
    let mut text = of("enroll", &node(ProvisionState::Enroll, "direct"));
    let mut unready = node(ProvisionState::Deploying, "anaconda");
    unready.instance_info.remove("stage2");
    text += &of("an installer without its runtime", &unready);
    unready
        .instance_info
        .insert("ks_template".into(), json!("glance://uuid"));
    text += &of("a kickstart template of its own", &unready);
    let mut broken = node(ProvisionState::DeployWait, "direct");
    broken.driver_info.remove("deploy_ramdisk");
    text += &of("half a pair", &broken);
    broken.driver_info.clear();
    let mut settings = BootSettings::default();
    let arm = ("aarch64".to_owned(), "http://c/arm".to_owned());
    settings.deploy.kernel_by_arch = [arm].into();
    text += &told("no images", Machine::of(&broken), &settings);
    broken.properties = map(json!({"cpu_arch": "aarch64"}));
    text += &told("half a pair by arch", Machine::of(&broken), &settings);
    broken.properties = map(json!({"cpu_arch": "ppc64le"}));
    text += &told("no images for it", Machine::of(&broken), &settings);
    broken
        .driver_info
        .insert("deploy_kernel".into(), json!("file:///k"));
    broken
        .driver_info
        .insert("deploy_ramdisk".into(), json!("http://h/r"));
    text += &of("not a URL", &broken);
    broken
        .driver_info
        .insert("deploy_kernel".into(), json!("http://h/k"));
    broken
        .driver_info
        .insert("kernel_append_params".into(), json!("a || b"));
    text += &of("an argument iPXE would act upon", &broken);
    broken.maintenance = true;
    broken.fault = Some("power failure".into());
    text += &of("a fault", &broken);
    let mut lost = node(ProvisionState::Active, "direct");
    lost.driver_internal_info = map(json!({"boot_from_volume": "gone"}));
    text += &of("a volume that is gone", &lost);
    let mut netboot = node(ProvisionState::Active, "direct");
    netboot
        .instance_info
        .insert("capabilities".into(), json!({"boot_option": "netboot"}));
    text += &of("a root file system that is not known", &netboot);
    let mut slow = node(ProvisionState::InspectWait, "direct");
    slow.driver_info.insert("fast_track".into(), json!("maybe"));
    text += &of("neither fast nor slow", &slow);
    let mut port = port(&lost);
    port.pxe_enabled = false;
    let machine = Machine {
        port: Some(&port),
        ..Machine::of(&lost)
    };
    text += &told("a port without PXE", machine, &BootSettings::default());
    insta::assert_snapshot!(text);
}

/// Every state with every deploy interface: explained as it is decided, and a refusal always with
/// its way out.
#[test]
fn every_decision_has_reasons() {
    for state in ProvisionState::all() {
        for interface in ["direct", "ramdisk", "anaconda"] {
            let node = node(state, interface);
            let machine = Machine::of(&node);
            let settings = BootSettings::default();
            let explained = super::super::explain(machine, &settings, REQUEST);
            assert_eq!(explained.plan, decide(machine, &settings, REQUEST));
            let has = |topic| explained.reasons.iter().any(|it| it.topic == topic);
            let refused = matches!(explained.plan, BootPlan::Refuse(_));
            assert_eq!(
                (has("refused"), has("fix")),
                (refused, refused),
                "{state} {interface}"
            );
            assert!(refused || has("plan"), "{state} {interface}");
        }
    }
}

/// The whole command line is accounted for, in its order.
#[test]
fn each_kernel_argument_has_a_source() {
    for interface in ["direct", "anaconda"] {
        arguments_have_sources(&node(ProvisionState::DeployWait, interface));
    }
}

fn arguments_have_sources(node: &Node) {
    let settings = BootSettings::default();
    let explained = super::super::explain(Machine::of(node), &settings, REQUEST);
    let BootPlan::Linux(linux) = &explained.plan else {
        panic!("{:?}", explained.plan)
    };
    let sources: Vec<&str> = explained
        .reasons
        .iter()
        .filter(|it| it.topic == "arguments")
        .filter_map(|it| it.text.split_once(", from "))
        .map(|(words, _)| words)
        .filter(|words| *words != "BOOTIF")
        .collect();
    assert_eq!(sources.join(" "), linux.args.to_string());
}

#[test]
fn explanation_masks_passwords_and_nothing_else() {
    let mut node = node(ProvisionState::Active, "direct");
    node.driver_internal_info =
        map(json!({"boot_from_volume": "00000000-0000-4000-8000-00000000000a"}));
    let volumes = volumes(&node);
    let machine = Machine {
        volumes: Some(&volumes),
        ..Machine::of(&node)
    };
    let settings = BootSettings::default();
    let explained = super::super::explain(machine, &settings, REQUEST);
    let context = RenderContext {
        machine,
        request_id: REQUEST,
    };
    let scripts = Scripts::new(settings.downloads).unwrap();
    let script = scripts
        .render(&ResolvedPlan::direct(explained.plan.clone()), context)
        .unwrap();
    let password = "p ${x} || #";
    let hex = password.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    assert!(script.contains(&hex));
    let masked = without_passwords(&script);
    assert!(masked.contains("set password:hexraw ******\n"), "{masked}");
    assert!(!masked.contains(&hex), "{masked}");
    assert_eq!(masked.replace("******", &hex), script);
    assert!(
        explained
            .reasons
            .iter()
            .all(|it| !it.text.contains(password) && !it.text.contains(&hex))
    );
    let plain = "#!ipxe\nset user x\nkernel set password:hexraw ||\nclear password ||\nno end";
    assert_eq!(without_passwords(plain), plain);
}

#[test]
fn origins_of_the_settings_that_decide_are_told() {
    let mut node = node(ProvisionState::DeployWait, "direct");
    node.driver_info = map(json!({"kernel_append_params": "%default% a"}));
    let origins = [
        ("[DEFAULT]debug", "default"),
        ("[conductor]deploy_kernel", "/etc/ironic/ironic.conf:12"),
        ("[conductor]deploy_kernel_by_arch", "never named"),
        ("[conductor]deploy_ramdisk", "OS_CONDUCTOR__DEPLOY_RAMDISK"),
        ("[pxe]kernel_append_params", "/etc/ironpxe/ironpxe.toml:3"),
        ("[pxe]kernel_append", "never named"),
        ("[pxe]ipxe_timeout", "decides nothing here"),
    ];
    let mut settings = BootSettings::default();
    settings.deploy.kernel = Some("http://c/k".into());
    settings.deploy.ramdisk = Some("http://c/r".into());
    let own = |(name, origin): (&str, &str)| (name.to_owned(), origin.to_owned());
    settings.origins = origins.map(own).into();
    let text = told("origins", Machine::of(&node), &settings);
    let told: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("setting   "))
        .collect();
    assert!(
        told.contains(&"[pxe]kernel_append_params: /etc/ironpxe/ironpxe.toml:3"),
        "{text}"
    );
    for named in [
        "[conductor]deploy_kernel: /etc/ironic/ironic.conf:12",
        "[conductor]deploy_ramdisk: OS_CONDUCTOR__DEPLOY_RAMDISK",
    ] {
        assert_eq!(told.iter().filter(|it| **it == named).count(), 1, "{text}");
    }
    assert!(
        !text.contains("never named") && !text.contains("nothing here"),
        "{text}"
    );
}

#[test]
fn template_list_has_every_template_file() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/boot/templates");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(TEMPLATES.map(|(name, _)| name).to_vec(), files);
}
