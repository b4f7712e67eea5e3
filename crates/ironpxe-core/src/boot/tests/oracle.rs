//! What real Ironic wrote into its script files (`tests/oracle/boot-scripts.json`, recorded from
//! version 39), compared with what is decided here: images, and kernel arguments in order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;
use crate::provision_state::StoredState;

/// Where we differ on purpose, by case; each with its reason.
const DIFFERENCES: [(&str, &str); 2] = [
    (
        "28-active-adopted-ramdisk",
        "Ironic forgets the script of an adopted ramdisk instance",
    ),
    (
        "53-rescue-with-fallback",
        "the rescue ramdisk is the machine's system; Ironic has no script",
    ),
];

/// And in kinds of cases:
///
/// * An active node with a disk image has no script in Ironic unless
///   `[pxe]enable_netboot_fallback`; here a machine that asks is sent to its disk.
/// * `BOOTIF` is the address of the port that booted, where Ironic writes `${mac}`.
/// * `text` and the agent's arguments mean nothing to an instance or to an installer, which do not
///   get them.
/// * The kickstart (`inst.ks`) is written here for each request, and has a URL of its own.
fn is_active_disk_without_script(plan: &BootPlan, node: &Node, script: &Value) -> bool {
    matches!(plan, BootPlan::LocalDisk(_))
        && script.is_null()
        && node.provision_state.name() == "active"
}

fn recorded() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../tests/oracle/boot-scripts.json")).unwrap()
}

/// The configuration of the recorded service, with its images where its scripts had them.
fn settings(base: &str) -> BootSettings {
    let pair = |name: &str| RamdiskImages {
        kernel: Some(format!("{base}/{name}_kernel")),
        ramdisk: Some(format!("{base}/{name}_ramdisk")),
        ..RamdiskImages::default()
    };
    BootSettings {
        debug: true,
        kernel_append_params: "nofb vga=normal console=ttyS0".into(),
        deploy: pair("deploy"),
        rescue: pair("rescue"),
        ..BootSettings::default()
    }
}

fn read_node(recorded: &Value, base: &str) -> Node {
    let text = |key: &str| recorded[key].as_str().unwrap();
    let mut node = Node::enroll(
        text("uuid").parse().unwrap(),
        "fake-hardware",
        OffsetDateTime::UNIX_EPOCH,
    );
    node.name = recorded["name"].as_str().map(str::to_owned);
    node.provision_state = StoredState::from_name(text("provision_state"));
    node.interfaces
        .set(InterfaceKind::Deploy, text("deploy_interface"));
    node.properties = map(recorded["properties"].clone());
    node.driver_info = map(recorded["driver_info"].clone());
    node.instance_info = map(recorded["instance_info"].clone());
    node.driver_internal_info = map(recorded["driver_internal_info"].clone());
    node.maintenance = recorded["maintenance"].as_bool().unwrap_or(false);
    // Which drive it was is not recorded.
    node.instance_info.remove("configdrive");
    // Ironic copies an instance's images beside the script; here they stay where they are.
    if let Some(value) = node.instance_info.get_mut("stage2") {
        *value = json!(base);
    }
    for key in ["kernel", "ramdisk"] {
        if let Some(value) = node.instance_info.get_mut(key) {
            *value = json!(format!("{base}/{key}"));
        }
    }
    node
}

/// The kernel arguments as Ironic would have written them.
fn as_ironic(linux: &LinuxBoot) -> Vec<String> {
    let mut args: Vec<String> = linux
        .args
        .words()
        .iter()
        .map(|word| match word.split_once('=') {
            Some(("ipa-global-request-id", _)) => "ipa-global-request-id=REQUEST".to_owned(),
            Some(("inst.ks", _)) => "inst.ks=KICKSTART".to_owned(),
            _ => word.clone(),
        })
        .collect();
    if linux.bootif.is_some() {
        args.push("BOOTIF=${mac}".into());
    }
    args.push(format!("initrd={}", linux.role.ramdisk_name()));
    args
}

fn recorded_args(script: &Value, role: LinuxRole) -> Vec<String> {
    script["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .map(|word| match word.split_once('=') {
            Some(("ipa-global-request-id", _)) => "ipa-global-request-id=REQUEST",
            Some(("inst.ks", _)) => "inst.ks=KICKSTART",
            _ => word,
        })
        .filter(|word| {
            let agents = *word == "text" || word.starts_with("ipa-");
            let has_agent = !matches!(role, LinuxRole::InstanceRamdisk | LinuxRole::Installer);
            has_agent || !agents
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn images_and_arguments_match_ironic_except_for_listed_differences() {
    let known: BTreeMap<&str, &str> = DIFFERENCES.into_iter().collect();
    let (mut same, mut different) = (0, 0);
    for case in recorded() {
        let name = case["case"].as_str().unwrap();
        let uuid = case["node"]["uuid"].as_str().unwrap();
        let base = format!("http://127.0.0.1:8080/{uuid}");
        let node = read_node(&case["node"], &base);
        let port = port(&node);
        let machine = Machine {
            port: Some(&port),
            ..Machine::of(&node)
        };
        let plan = decide(machine, &settings(&base), REQUEST);
        let script = &case["script"];
        let equal = match &plan {
            BootPlan::Linux(linux) if !script.is_null() => {
                assert_eq!(script["kernel"], linux.kernel.as_str(), "{name}: kernel");
                assert_eq!(script["initrd"], linux.ramdisk.as_str(), "{name}: ramdisk");
                assert_eq!(
                    recorded_args(script, linux.role),
                    as_ironic(linux),
                    "{name}: args"
                );
                true
            }
            BootPlan::LocalDisk(_) => script["section"] == "boot_whole_disk",
            // Ironic serves a copy of the image from beside the script.
            BootPlan::Iso(_) => script["san"][0].as_str().unwrap().ends_with("/boot_iso"),
            BootPlan::Refuse(Refusal::StateBootsNothing(_)) => script.is_null(),
            _ => false,
        };
        if equal {
            same += 1;
            continue;
        }
        different += 1;
        let listed =
            known.contains_key(name) || is_active_disk_without_script(&plan, &node, script);
        assert!(listed, "{name}: not as recorded, and not listed: {plan:?}");
    }
    // A change of either number is worth a look.
    assert_eq!((same, different), (35, 9));
}
