//! Every provision state with every deploy interface and every kind of image: what is booted, or
//! why not, all in one table. (A state that is not decided does not compile; one that was
//! decided otherwise shows here.)

use std::collections::BTreeMap;
use std::fmt::Write;

use super::*;

/// The last is one this release does not know.
const INTERFACES: [&str; 7] = [
    "direct",
    "custom-agent",
    "ramdisk",
    "anaconda",
    "fake",
    "noop",
    "hope",
];

/// What an instance can be made of.
#[derive(Debug, Clone, Copy, strum::VariantArray)]
enum Image {
    None,
    WholeDisk,
    PartitionLocal,
    PartitionNetboot,
    KernelRamdisk,
    Iso,
    IsoAndSource,
    Volume,
    VolumeGone,
    Directory,
}

impl Image {
    const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    fn title(self) -> &'static str {
        match self {
            Self::None => "no image",
            Self::WholeDisk => "whole disk",
            Self::PartitionLocal => "partition",
            Self::PartitionNetboot => "part.+netboot",
            Self::KernelRamdisk => "kernel+ramdisk",
            Self::Iso => "ISO",
            Self::IsoAndSource => "ISO+source",
            Self::Volume => "volume",
            Self::VolumeGone => "volume gone",
            Self::Directory => "directory",
        }
    }

    /// A node with such an image, in this state.
    fn node(self, state: ProvisionState, interface: &str) -> Node {
        let mut node = super::node(state, interface);
        let source = json!("http://images.example/image");
        node.instance_info = map(match self {
            Self::None | Self::Volume | Self::VolumeGone => json!({}),
            Self::WholeDisk => json!({"image_source": source, "image_type": "whole-disk"}),
            Self::PartitionLocal => json!({"image_source": source, "image_type": "partition"}),
            Self::PartitionNetboot => json!({
                "image_source": source,
                "image_type": "partition",
                "capabilities": {"boot_option": "netboot"},
                "kernel": "http://images.example/instance.kernel",
                "ramdisk": "http://images.example/instance.initramfs",
            }),
            Self::KernelRamdisk => json!({
                "kernel": "http://images.example/instance.kernel",
                "ramdisk": "http://images.example/instance.initramfs",
            }),
            Self::Iso => json!({"boot_iso": "http://images.example/x.iso"}),
            Self::IsoAndSource => json!({
                "boot_iso": "http://images.example/x.iso", "image_source": source,
            }),
            Self::Directory => json!({
                "image_source": "http://images.example/tree/",
                "kernel": "http://images.example/instance.kernel",
                "ramdisk": "http://images.example/instance.initramfs",
            }),
        });
        node.driver_internal_info = map(match self {
            Self::PartitionNetboot => json!({"root_uuid_or_disk_id": "1234-abcd"}),
            Self::Volume => json!({"boot_from_volume": "00000000-0000-4000-8000-00000000000a"}),
            Self::VolumeGone => json!({"boot_from_volume": "00000000-0000-4000-8000-00000000000e"}),
            Self::Directory => json!({"is_source_a_path": true}),
            _ => json!({}),
        });
        node
    }
}

/// What the machine does, with its reason where it does nothing.
fn outcome(plan: &BootPlan) -> String {
    match plan {
        BootPlan::Refuse(refusal) => format!("{refusal}; {}", refusal.advice("bm-1")),
        other => other.title().to_owned(),
    }
}

/// Decides on one node in all the ways a machine can ask, and with the flags an operator can set.
fn decide_in_every_way(node: &mut Node) -> BootPlan {
    let settings = BootSettings::default();
    let volumes = volumes(node);
    let mut port = port(node);
    let mut ask = |node: &Node, pxe_enabled: Option<bool>| {
        port.pxe_enabled = pxe_enabled.unwrap_or(true);
        let machine = Machine {
            port: pxe_enabled.map(|_| &port),
            volumes: Some(&volumes),
            ..Machine::of(node)
        };
        decide(machine, &settings, REQUEST)
    };
    let plan = ask(node, Some(true));
    assert_eq!(outcome(&ask(node, None)), outcome(&plan), "{node:?}");
    for (maintenance, fault, healthy) in [
        (false, None, true),
        (false, Some("power failure"), true),
        (true, None, true),
        (true, Some("power failure"), false),
    ] {
        node.maintenance = maintenance;
        node.fault = fault.map(str::to_owned);
        let expected = if healthy {
            plan.clone()
        } else {
            BootPlan::Refuse(Refusal::Fault("power failure".into()))
        };
        assert_eq!(ask(node, Some(true)), expected, "{node:?}");
        assert!(
            matches!(
                ask(node, Some(false)),
                BootPlan::Refuse(Refusal::PortNotPxeEnabled(_))
            ),
            "{node:?}"
        );
    }
    plan
}

#[test]
fn every_state_interface_and_image_has_the_recorded_plan() {
    // Equal rows are one row; equal tables are one table.
    let mut refusals: Vec<String> = Vec::new();
    let mut tables: Vec<(Vec<String>, String)> = Vec::new();
    let mut cells = 0;
    for state in ProvisionState::all() {
        let mut rows: Vec<(Vec<&str>, String)> = Vec::new();
        for interface in INTERFACES {
            let mut row = String::new();
            for &image in Image::ALL {
                cells += 1;
                let outcome = outcome(&decide_in_every_way(&mut image.node(state, interface)));
                let cell = if outcome.contains("; ") {
                    let known = refusals.iter().position(|refusal| *refusal == outcome);
                    let number = known.unwrap_or_else(|| {
                        refusals.push(outcome);
                        refusals.len() - 1
                    });
                    format!("no ({})", number + 1)
                } else {
                    outcome
                };
                write!(row, "  {cell:16}").unwrap();
            }
            match rows.iter_mut().find(|(_, same)| *same == row) {
                Some((names, _)) => names.push(interface),
                None => rows.push((vec![interface], row)),
            }
        }
        let mut table = String::new();
        for (names, row) in rows {
            let names = match names.len() {
                n if n == INTERFACES.len() => "every interface".to_owned(),
                _ => names.join(","),
            };
            writeln!(table, "{}", format!("{names:44}{row}").trim_end()).unwrap();
        }
        match tables.iter_mut().find(|(_, same)| *same == table) {
            Some((states, _)) => states.push(state.to_string()),
            None => tables.push((vec![state.to_string()], table)),
        }
    }
    assert_eq!(cells, ProvisionState::all().count() * 70);
    let mut text = format!("{:44}", "");
    for &image in Image::ALL {
        write!(text, "  {:16}", image.title()).unwrap();
    }
    text.truncate(text.trim_end().len());
    for (states, table) in tables {
        write!(text, "\n\n{}\n{table}", states.join(", ")).unwrap();
    }
    text.push('\n');
    for (number, refusal) in refusals.iter().enumerate() {
        writeln!(text, "no ({}): {refusal}", number + 1).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// The table above, from the other side: no plan but of the states that are meant to have it.
#[test]
fn each_plan_occurs_in_the_recorded_states_only() {
    let mut states: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for state in ProvisionState::all() {
        for interface in INTERFACES {
            for &image in Image::ALL {
                let plan = decide_in_every_way(&mut image.node(state, interface));
                let known = states.entry(plan.title()).or_default();
                if known.last() != Some(&state.to_string()) {
                    known.push(state.to_string());
                }
            }
        }
    }
    let mut text = String::new();
    for (title, states) in states {
        writeln!(text, "{title}: {}", states.join(", ")).unwrap();
    }
    insta::assert_snapshot!(text);
}

/// What the record of a node says of the work under way.
const PROGRESS: [(&str, &str); 13] = [
    (
        "deploy_step deploy",
        r#"{"step": "deploy", "priority": 100}"#,
    ),
    (
        "deploy_step prepare_instance_boot",
        r#"{"step": "prepare_instance_boot", "priority": 60}"#,
    ),
    (
        "deploy_step tear_down_agent",
        r#"{"step": "tear_down_agent", "priority": 40}"#,
    ),
    (
        "deploy_step switch_to_tenant_network",
        r#"{"step": "switch_to_tenant_network"}"#,
    ),
    (
        "deploy_step boot_instance",
        r#"{"step": "boot_instance", "priority": 20}"#,
    ),
    (
        "deploy_step x of priority 41",
        r#"{"step": "x", "priority": 41}"#,
    ),
    (
        "deploy_step x of priority 39",
        r#"{"step": "x", "priority": 39}"#,
    ),
    (
        "deploy_step that is damaged",
        r#"{"step": 7, "priority": "20"}"#,
    ),
    ("cleaning_disable_ramdisk", "true"),
    ("service_disable_ramdisk", "true"),
    ("service_disable_ramdisk", "null"),
    ("cleaning_disable_ramdisk", "\"yes\""),
    ("service_disable_ramdisk", "0"),
];

/// What a step or a flag changes; everything else is as it is without them.
#[test]
fn steps_and_flags_change_only_the_recorded_plans() {
    let mut text = String::new();
    for (what, value) in PROGRESS {
        let parsed: serde_json::Value = serde_json::from_str(value).unwrap();
        writeln!(text, "{what}: {value}").unwrap();
        // Equal changes are one line.
        let mut changes: Vec<(String, Vec<String>)> = Vec::new();
        for state in ProvisionState::all() {
            for interface in ["direct", "ramdisk", "anaconda"] {
                for image in [
                    Image::WholeDisk,
                    Image::PartitionNetboot,
                    Image::Iso,
                    Image::Volume,
                ] {
                    let mut node = image.node(state, interface);
                    let before = outcome(&decide_in_every_way(&mut node.clone()));
                    if what.starts_with("deploy_step") {
                        node.deploy_step = map(parsed.clone());
                    } else {
                        let info = &mut node.driver_internal_info;
                        info.insert(what.to_owned(), parsed.clone());
                    }
                    let after = outcome(&decide_in_every_way(&mut node));
                    if before == after {
                        continue;
                    }
                    let place = format!("{state}, {interface}, {}", image.title());
                    match changes.iter_mut().find(|(same, _)| *same == after) {
                        Some((_, places)) => places.push(place),
                        None => changes.push((after, vec![place])),
                    }
                }
            }
        }
        for (after, places) in changes {
            writeln!(text, "  {after}:\n    {}", places.join("; ")).unwrap();
        }
    }
    insta::assert_snapshot!(text);
}
