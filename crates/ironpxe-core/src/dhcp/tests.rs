//! What real Ironic told its DHCP providers (`tests/oracle/dhcp-options.json`, recorded from
//! version 39), and what cannot be told at all.

use serde_json::json;

use super::*;
use crate::boot::tests::{map, node};
use crate::provision_state::ProvisionState;

fn recorded() -> Vec<Value> {
    serde_json::from_str(include_str!("../../tests/oracle/dhcp-options.json")).unwrap()
}

/// The configuration of the recorded service.
fn settings() -> DhcpSettings {
    let mut settings = DhcpSettings {
        api_url: "http://api:6385".to_owned(),
        tftp_server: "127.0.0.1".to_owned(),
        http_url: Some("http://127.0.0.1:8080".to_owned()),
        ..DhcpSettings::default()
    };
    let arm = ("aarch64".to_owned(), "ipxe_aa64.efi".to_owned());
    settings.loaders.by_arch = BTreeMap::from([arm]);
    settings
}

#[test]
fn options_match_every_recording_except_for_the_script_url() {
    let mut seen = 0;
    for case in recorded() {
        let said = |key: &str| case[key].as_str().unwrap();
        let mut node = node(ProvisionState::DeployWait, "direct");
        node.properties = map(json!({
            "cpu_arch": said("arch"),
            "capabilities": format!("boot_mode:{}", said("boot_mode")),
        }));
        let mut settings = settings();
        settings.my_ipv6 = case["my_ipv6"].as_str().map(str::to_owned);
        let transport = if said("boot_interface").starts_with("http") {
            Transport::Http
        } else {
            Transport::Tftp
        };
        let knows_ipxe = said("provider").contains("supports_ipxe_tag");
        let options = if said("boot_interface").ends_with("ipxe") {
            dhcp_options(&node, &settings, transport, knows_ipxe, None).unwrap()
        } else {
            // Loaders of their own: what the recorded service had for them.
            let loader = match said("boot_mode") {
                "bios" => "pxelinux.0",
                _ => "bootx64.efi",
            };
            let script = None;
            options_for(Files { loader, script }, &settings, transport, knows_ipxe).unwrap()
        };
        // Ironic was asked for one family at a time; it always sends both, this one first.
        let version = &case["ip_version"];
        let mut ours = json!(options);
        ours.as_array_mut()
            .unwrap()
            .retain(|option| option["ip_version"] == *version);
        let script = script_url("http://api:6385", "fake-hardware", node.uuid);
        let text = case["opts"].to_string();
        let theirs = text.replace("http://127.0.0.1:8080/boot.ipxe", &script);
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        assert_eq!(ours, theirs, "{case}");
        seen += 1;
    }
    assert_eq!(seen, 80);
}

#[test]
fn dual_stack_options_begin_with_the_first_ip_version() {
    let node = node(ProvisionState::DeployWait, "direct");
    let options = dhcp_options(&node, &settings(), Transport::Tftp, true, None).unwrap();
    let versions: Vec<u8> = options.iter().map(|it| it.ip_version.number()).collect();
    assert_eq!(versions, [4, 4, 4, 4, 4, 6, 6]);
}

#[test]
fn boot_loader_depends_on_architecture_and_boot_mode() {
    let mut loaders = Loaders::default();
    for (key, name) in [
        ("x86_64-uefi", "x.efi"),
        ("x86_64", "x"),
        ("aarch64", "a.efi"),
    ] {
        loaders.by_arch.insert(key.to_owned(), name.to_owned());
    }
    for (arch, mode, name) in [
        (Some("x86_64"), BootMode::Uefi, "x.efi"),
        (Some("x86_64"), BootMode::Bios, "x"),
        (Some("aarch64"), BootMode::Uefi, "a.efi"),
        (Some("riscv64"), BootMode::Uefi, "snponly.efi"),
        (None, BootMode::Uefi, "snponly.efi"),
        (None, BootMode::Bios, "undionly.kpxe"),
    ] {
        assert_eq!(loaders.get(arch, mode), name, "{arch:?} {mode}");
    }
}

#[test]
fn boot_mode_is_taken_from_the_first_field_that_sets_it() {
    let mode = |instance_info: Value, properties: Value, internal: Value| {
        let mut node = node(ProvisionState::Deploying, "direct");
        node.instance_info = map(instance_info);
        node.properties = map(properties);
        node.driver_internal_info = map(internal);
        boot_mode(&node, BootMode::Uefi).map(BootMode::name)
    };
    let none = || json!({});
    let bios = || json!({"capabilities": "boot_mode:bios"});
    assert_eq!(mode(none(), none(), none()), Ok("uefi"));
    assert_eq!(mode(bios(), none(), none()), Ok("bios"));
    assert_eq!(mode(none(), bios(), none()), Ok("bios"));
    let old = || json!({"deploy_boot_mode": "bios"});
    assert_eq!(mode(old(), none(), none()), Ok("bios"));
    assert_eq!(mode(none(), none(), old()), Ok("bios"));
    let uefi = json!({"capabilities": "boot_mode:uefi"});
    assert_eq!(mode(none(), uefi.clone(), old()), Ok("uefi"));
    let secure = json!({"capabilities": {"secure_boot": "true"}, "deploy_boot_mode": "bios"});
    assert_eq!(mode(secure, bios(), none()), Ok("uefi"));
    let contradiction = mode(bios(), uefi, none()).unwrap_err().to_string();
    assert!(contradiction.contains("contradicts"), "{contradiction}");
    let odd = mode(none(), none(), json!({"deploy_boot_mode": "coreboot"})).unwrap_err();
    assert!(
        odd.to_string()
            .starts_with("driver_internal_info.deploy_boot_mode: "),
        "{odd}"
    );
}

#[test]
fn unusable_dhcp_value_is_refused_and_its_option_named() {
    let mut node = node(ProvisionState::DeployWait, "direct");
    let refused = |node: &Node, settings: &DhcpSettings, transport| {
        dhcp_options(node, settings, transport, true, None)
            .unwrap_err()
            .to_string()
    };
    let mut bad = settings();
    bad.http_url = None;
    assert_eq!(
        refused(&node, &bad, Transport::Http),
        "[deploy]http_url not set"
    );
    bad.tftp_server = String::new();
    assert_eq!(
        refused(&node, &bad, Transport::Tftp),
        "DHCP option 66: it is empty"
    );
    // A driver is a word of the API; that it gets here at all is our own check.
    node.driver = "x,tag:all".to_owned();
    let comma = refused(&node, &settings(), Transport::Tftp);
    assert!(
        comma.contains("tag:ipxe,67") && comma.contains("','"),
        "{comma}"
    );
    node.driver = "x".repeat(255);
    let long = refused(&node, &settings(), Transport::Tftp);
    assert!(long.contains("at most 255"), "{long}");
}
