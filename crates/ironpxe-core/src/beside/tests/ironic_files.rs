//! What every recorded node boots, beside what Ironic's own file boots.

use std::fmt::Write as _;

use super::*;
use crate::boot::{LinuxRole, Refusal};

/// Where another thing is booted than Ironic's file would, and why.
const DIFFERENCES: [(&str, &str); 3] = [
    (
        "bm-rescue",
        "the rescue ramdisk is the machine's system; Ironic removes its script",
    ),
    (
        "bm-adopted",
        "Ironic forgets the script of an adopted ramdisk instance",
    ),
    (
        "bm-ports",
        "one port has pxe_enabled=false; Ironic writes a file for it, and leaves it to DHCP",
    ),
];

/// Words that mean nothing to an instance or to an installer, and are in Ironic's command lines
/// only.
const IRONICS_ONLY: [&str; 2] = ["text", "ipa-global-request-id="];

/// Why the API's account cannot tell what a node boots.
const MASKED: [(&str, &str); 3] = [
    ("bm-append-secret", "driver_info.kernel_append_params"),
    ("bm-own-images", "driver_info.deploy_kernel"),
    (
        "bm-volume-chap",
        "volume target 2c5c66d9-a66d-54be-8c5e-4cb3a3921508.properties.auth_password",
    ),
];

fn recorded_files() -> BTreeMap<String, Value> {
    oracle!("ironic-files.json")
}

/// Ironic serves copies of the images; where it has them from, by the name of the copy.
fn original(machine: &IronicMachine, copy: &str) -> String {
    let node = &machine.node;
    let of_node = |map: &JsonMap| map.get(copy).and_then(Value::as_str).map(str::to_owned);
    let arm = node.properties["cpu_arch"] == "aarch64";
    let configured = match copy {
        "deploy_kernel" if arm => "arm/deploy.kernel",
        "deploy_ramdisk" if arm => "arm/deploy.initramfs",
        "deploy_kernel" => "deploy.kernel",
        "deploy_ramdisk" => "deploy.initramfs",
        "rescue_kernel" => "rescue.kernel",
        "rescue_ramdisk" => "rescue.initramfs",
        other => other,
    };
    of_node(&node.driver_info)
        .or_else(|| of_node(&node.instance_info))
        .unwrap_or_else(|| format!("{IMAGES}/{configured}"))
}

/// The lines of Ironic's file as they would be here.
fn of_ironic(machine: &IronicMachine, file: &Value) -> Vec<String> {
    let mac = machine.port.as_ref().unwrap().address;
    let copies = format!("http://192.0.2.10:8088/{}/", machine.node.uuid);
    let for_agent = file["goes_to"] == "deploy";
    let lines = file["lines"].as_array().unwrap().iter();
    let mut lines: Vec<String> = lines
        .map(|line| {
            let line = line.as_str().unwrap().split(" || ").next().unwrap();
            let is_kept =
                |word: &&str| for_agent || !IRONICS_ONLY.iter().any(|it| word.starts_with(it));
            let word = |word: &str| match word.strip_prefix(&copies) {
                Some(copy) => original(machine, copy),
                None if word == "BOOTIF=${mac}" => format!("BOOTIF={mac}"),
                None if word.starts_with("ipa-global-request-id=") => {
                    format!("ipa-global-request-id={REQUEST}")
                }
                None => word.to_owned(),
            };
            let words: Vec<String> = line.split(' ').filter(is_kept).map(word).collect();
            words.join(" ")
        })
        .collect();
    lines.sort();
    lines
}

/// The lines of a script that boot, without how it downloads and what it does if that fails.
fn of_script(script: &str) -> Vec<String> {
    let boots = |line: &&str| {
        ["kernel ", "initrd ", "sanhook ", "sanboot "]
            .iter()
            .chain(&["set username", "set password", "set initiator-iqn"])
            .any(|start| line.starts_with(start))
    };
    let mut lines: Vec<String> = script
        .lines()
        .filter(boots)
        .map(|line| {
            let line = line.split(" ||").next().unwrap();
            let mut kept: Vec<String> = Vec::new();
            let mut words = line.split(' ');
            while let Some(word) = words.next() {
                match word {
                    "--timeout" | "--name" => drop(words.next()),
                    // The drive that is booted if none is named.
                    "--drive" if line.starts_with("sanboot") => drop(words.next()),
                    "username:hexraw" | "password:hexraw" => {
                        let hex = words.next().unwrap();
                        kept.push(word.replace(":hexraw", ""));
                        kept.push(unhex(hex));
                    }
                    word => kept.push(word.to_owned()),
                }
            }
            kept.join(" ")
        })
        .collect();
    lines.sort();
    lines
}

fn unhex(hex: &str) -> String {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    let bytes = (0..hex.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes).unwrap()
}

/// Whether what is booted is what Ironic's file boots. Without a file, nothing is booted from the
/// network.
fn agrees(machine: &IronicMachine, plan: &BootPlan, file: &Value) -> bool {
    if file.is_null() {
        let nothing = matches!(
            plan,
            BootPlan::LocalDisk(_)
                | BootPlan::Refuse(Refusal::StateBootsNothing(_) | Refusal::Fault(_))
        );
        return nothing || machine.unusable.is_some();
    }
    let boots = of_script(&script(machine, plan));
    assert!(
        !boots.is_empty() || matches!(plan, BootPlan::Refuse(_)),
        "{plan:?}"
    );
    boots == of_ironic(machine, file)
}

fn said(machine: &IronicMachine, plan: &BootPlan) -> String {
    if machine.unusable.is_some() {
        return "not ours".to_owned();
    }
    match plan {
        BootPlan::Refuse(refusal) => refusal.to_string(),
        BootPlan::Linux(linux) if linux.role == LinuxRole::DeployRamdisk => {
            format!("deploy ramdisk, {}", linux.kernel)
        }
        plan => plan.title().to_owned(),
    }
}

/// The file of each recorded node, and its machine from each of its ports.
fn machines() -> Vec<(String, Value, IronicMachine)> {
    let files = recorded_files();
    let names: BTreeMap<String, String> = of_rest()
        .iter()
        .flat_map(|(name, recorded)| {
            addresses(recorded)
                .into_iter()
                .map(|mac| (mac, name.clone()))
        })
        .collect();
    let all = of_mariadb();
    let machines = all.iter().map(|(mac, rows)| {
        let name = &names[mac];
        (name.clone(), files[name].clone(), from_sql(rows))
    });
    machines.collect()
}

#[test]
fn every_recorded_node_boots_what_ironics_file_boots() {
    let mut table = String::new();
    let mut different = Vec::new();
    for (name, file, machine) in machines() {
        let plan = plan(&machine, &settings());
        let of_file = match &file {
            Value::Null => "no file",
            Value::String(frozen) => frozen,
            file => file["goes_to"].as_str().unwrap(),
        };
        if !file.is_string() && !agrees(&machine, &plan, &file) {
            different.push(name.clone());
        }
        let (state, said) = (&machine.node.provision_state, said(&machine, &plan));
        writeln!(table, "{name:31}{:15}{of_file:15}{said}", state.name()).unwrap();
    }
    let listed = DIFFERENCES.map(|(name, _)| name);
    assert_eq!(different, listed, "{table}");
    insta::assert_snapshot!(table);
}

#[test]
fn every_source_gives_the_same_script_or_names_the_masked_field() {
    let settings = settings();
    let (sqlite, mariadb) = (of_sqlite(), of_mariadb());
    let mut masked = Vec::new();
    for (name, recorded) in of_rest() {
        for mac in addresses(&recorded) {
            let rest = from_rest(&recorded, &mac);
            let [sqlite, mariadb] = [&sqlite, &mariadb].map(|all| {
                let machine = from_sql(&all[&mac]);
                script(&machine, &plan(&machine, &settings))
            });
            assert_eq!(sqlite, mariadb, "{name}");
            match plan(&rest, &settings) {
                BootPlan::Refuse(Refusal::Masked { field }) => masked.push((name.clone(), field)),
                plan => assert_eq!(script(&rest, &plan), mariadb, "{name}"),
            }
        }
    }
    let listed = MASKED.map(|(name, field)| (name.to_owned(), field.to_owned()));
    assert_eq!(masked, listed);
}
