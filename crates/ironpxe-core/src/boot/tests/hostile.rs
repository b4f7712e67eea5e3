//! Whatever an operator, a tenant or a damaged record puts into a node, the script has the lines
//! it is meant to have, and no other.

use crate::volume::{VolumeConnector, VolumeTarget};
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::samples::Sample;
use super::*;
use crate::provision_state::StoredState;

/// Text made of what iPXE acts upon, among letters and anything else.
pub(super) fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\0".to_owned()),
        Just(" || ".to_owned()),
        Just(" && sanboot ".to_owned()),
        Just(" ; reboot".to_owned()),
        Just(" #".to_owned()),
        Just("-n ".to_owned()),
        Just(" --fields ".to_owned()),
        Just("${net0/mac}".to_owned()),
        Just("\\".to_owned()),
        Just("\\\n".to_owned()),
        Just("{{ node }}{% if %}".to_owned()),
        Just("\"a  b\"".to_owned()),
        Just("ü".to_owned()),
        Just("x".repeat(3000)),
        "[a-z=./:-]{1,12}",
        "\\PC{1,8}",
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// Puts a text into one place.
type Put = fn(&mut Sample, &mut BootSettings, &str);

/// Every place where an operator's or a client's text can stand.
const PLACES: &[Put] = &[
    |it, _, text| it.node.name = Some(text.into()),
    |it, _, text| it.node.driver = text.into(),
    |it, _, text| it.node.provision_state = StoredState::from_name(text),
    |it, _, text| it.node.target_provision_state = Some(text.into()),
    |it, _, text| it.node.reservation = Some(text.into()),
    |it, _, text| it.node.maintenance_reason = Some(text.into()),
    |it, _, text| it.node.fault = Some(text.into()),
    |it, _, text| it.node.last_error = Some(text.into()),
    |it, _, text| it.node.instance_name = Some(text.into()),
    |it, _, text| it.node.resource_class = Some(text.into()),
    |it, _, text| it.node.conductor_group = text.into(),
    |it, _, text| it.node.protected_reason = Some(text.into()),
    |it, _, text| it.node.retired_reason = Some(text.into()),
    |it, _, text| it.node.owner = Some(text.into()),
    |it, _, text| it.node.lessee = Some(text.into()),
    |it, _, text| it.node.description = Some(text.into()),
    |it, _, text| it.node.shard = Some(text.into()),
    |it, _, text| it.node.boot_mode = Some(text.into()),
    |it, _, text| it.node.traits = vec![text.into()],
    |it, _, text| {
        for &kind in InterfaceKind::ALL {
            it.node.interfaces.set(kind, text);
        }
    },
    |it, _, text| fill(&mut it.node.properties, &["cpu_arch", "capabilities"], text),
    |it, _, text| {
        let mut text = text.to_owned();
        text.insert_str(0, "boot_option:");
        it.node
            .properties
            .insert("capabilities".into(), json!(text));
    },
    |it, _, text| fill(&mut it.node.extra, &["a"], text),
    |it, _, text| fill(&mut it.node.network_data, &["a"], text),
    |it, _, text| fill(&mut it.node.driver_info, &["kernel_append_params"], text),
    |it, _, text| fill(&mut it.node.driver_info, &["ipxe_local_boot"], text),
    |it, _, text| {
        fill(
            &mut it.node.driver_info,
            &["deploy_kernel", "rescue_kernel"],
            text,
        );
    },
    |it, _, text| {
        fill(
            &mut it.node.driver_info,
            &["deploy_ramdisk", "rescue_ramdisk"],
            text,
        );
    },
    |it, _, text| fill(&mut it.node.instance_info, &["kernel"], text),
    |it, _, text| fill(&mut it.node.instance_info, &["ramdisk"], text),
    |it, _, text| fill(&mut it.node.instance_info, &["boot_iso"], text),
    |it, _, text| {
        fill(
            &mut it.node.instance_info,
            &["image_source", "image_type"],
            text,
        );
    },
    |it, _, text| fill(&mut it.node.instance_info, &["capabilities"], text),
    |it, _, text| fill(&mut it.node.instance_info, &["kernel_append_params"], text),
    |it, _, text| {
        fill(
            &mut it.node.instance_info,
            &["ramdisk_kernel_arguments"],
            text,
        );
    },
    |it, _, text| {
        fill(
            &mut it.node.driver_internal_info,
            &["root_uuid_or_disk_id"],
            text,
        );
    },
    |it, _, text| {
        fill(
            &mut it.node.driver_internal_info,
            &["boot_from_volume"],
            text,
        );
    },
    |it, _, text| in_connector(it, |connector| connector.kind = text.into()),
    |it, _, text| in_connector(it, |connector| connector.connector_id = text.into()),
    |it, _, text| in_targets(it, |target| target.volume_type = text.into()),
    |it, _, text| in_targets(it, |target| target.volume_id = text.into()),
    |it, _, text| property(it, "target_iqn", text),
    |it, _, text| property(it, "target_iqns", text),
    |it, _, text| property(it, "target_portal", text),
    |it, _, text| property(it, "target_portals", text),
    |it, _, text| property(it, "target_lun", text),
    |it, _, text| property(it, "target_luns", text),
    |it, _, text| property(it, "auth_method", text),
    |it, _, text| property(it, "auth_username", text),
    |it, _, text| property(it, "auth_password", text),
    |_, settings, text| settings.api_url = text.into(),
    |_, settings, text| settings.kernel_append_params = text.into(),
    |it, settings, text| {
        it.node.provision_state = ProvisionState::Inspecting.into();
        settings.inspection_kernel_params = text.into();
    },
    |it, settings, text| {
        it.node.driver_info.clear();
        let pair = RamdiskImages {
            kernel: Some("http://h/k".into()),
            ramdisk: Some(text.into()),
            ..RamdiskImages::default()
        };
        (settings.deploy, settings.rescue) = (pair.clone(), pair);
    },
    |it, settings, text| {
        it.node.driver_info.clear();
        it.node.properties.insert("cpu_arch".into(), json!(text));
        let by_arch: BTreeMap<String, String> = [(text.to_owned(), "http://h/k".to_owned())].into();
        settings.deploy.kernel_by_arch = by_arch;
    },
];

fn fill(map: &mut JsonMap, keys: &[&str], text: &str) {
    for key in keys {
        map.insert((*key).to_owned(), json!(text));
    }
}

fn in_connector(sample: &mut Sample, change: impl FnOnce(&mut VolumeConnector)) {
    if let Some(connector) = sample.volumes.connectors.first_mut() {
        change(connector);
    }
}

fn in_targets(sample: &mut Sample, change: impl Fn(&mut VolumeTarget)) {
    sample.volumes.targets.iter_mut().for_each(change);
}

fn property(sample: &mut Sample, key: &str, text: &str) {
    in_targets(sample, |target| fill(&mut target.properties, &[key], text));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Every text of a node, its port, its volumes and the settings, in every plan.
    #[test]
    fn hostile_value_adds_no_line_and_no_command(
        value in nasty(),
        place in 0..PLACES.len(),
        sample in 0..Sample::all().len(),
        maintenance: bool,
    ) {
        let mut sample = Sample::all().swap_remove(sample);
        let mut settings = BootSettings::default();
        let port = port(&sample.node);
        let put = PLACES[place];
        put(&mut sample, &mut settings, &value);
        sample.node.maintenance = maintenance;
        for port in [None, Some(&port)] {
            sample.check(port, &settings);
        }
    }

    #[test]
    fn kernel_line_has_exactly_the_given_words(
        words in prop::collection::vec("[!-~]{1,20}", 0..20),
    ) {
        let mut node = node(ProvisionState::Active, "ramdisk");
        node.driver_info.insert("kernel_append_params".into(), json!(words.join(" ")));
        if let BootPlan::Linux(_) = plan(&node) {
            let text = script(&node, None, &BootSettings::default());
            let line = text.lines().find(|line| line.starts_with("kernel ")).unwrap();
            let mut expected = vec!["root=/dev/ram0"];
            expected.extend(words.iter().map(String::as_str));
            expected.extend(["rd.live.image", "initrd=ramdisk", "||", "goto", "failed"]);
            let given: Vec<&str> = line.split(' ').skip(6).collect();
            prop_assert_eq!(given, expected);
        }
    }
}

#[test]
fn three_kilobytes_of_arguments_are_refused_and_the_field_named() {
    let mut node = node(ProvisionState::DeployWait, "direct");
    node.driver_info
        .insert("kernel_append_params".into(), json!("a=b ".repeat(750)));
    let BootPlan::Refuse(refusal) = plan(&node) else {
        panic!("not refused")
    };
    let text = refusal.to_string();
    assert!(
        text.starts_with("driver_info.kernel_append_params: "),
        "{text}"
    );
    assert!(text.contains("2047"), "{text}");
}

#[test]
fn hostile_url_is_refused_and_its_field_named() {
    for url in [
        "file:///srv/../etc/passwd",
        "file://host/etc/passwd",
        "file:///srv/a\nreboot",
        "http://",
        "http:///x",
        "http://h/a b",
        "http://h/${x}",
        "http://h/\nreboot",
        "http://h/ü",
        "tftp://h/x",
        "glance://../../etc",
        "3b1f6ba46ae54d4b9c8f000000000000",
    ] {
        let mut node = node(ProvisionState::DeployWait, "direct");
        node.driver_info.insert("deploy_ramdisk".into(), json!(url));
        let BootPlan::Refuse(Refusal::BadValue { field, .. }) = plan(&node) else {
            panic!("{url} is not refused")
        };
        assert_eq!(field, "driver_info.deploy_ramdisk", "{url}");
    }
}
