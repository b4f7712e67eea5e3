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
        "the port has pxe_enabled=false; Ironic writes a file for it, and leaves it to DHCP",
    ),
];

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

/// Ironic's file, as far as it was recorded.
pub(super) fn text_of(file: &Value) -> String {
    let lines = file["lines"].as_array().unwrap().iter();
    let lines: Vec<&str> = lines.map(|line| line.as_str().unwrap()).collect();
    let section = file["goes_to"].as_str().unwrap();
    let lines = lines.join("\n");
    format!(
        "#!ipxe\n\nset i:int32 0\n\ngoto {section}\n\n:{section}\nimgfree\n{lines}\nboot\n\n:retry\n\
         kernel http://192.0.2.66/not-this-one\ngoto {section}\n"
    )
}

/// How what is booted differs from what Ironic's file boots.
pub(super) fn compared(machine: &IronicMachine, plan: &BootPlan, file: &Value) -> Vec<Difference> {
    let script = script(machine, plan);
    if file.is_null() {
        return differences(machine, plan, &script, None);
    }
    let parsed = IronicFile::parse(&text_of(file));
    if let (Ok(file), BootPlan::Linux(_)) = (&parsed, plan) {
        // Every image is that of which Ironic serves a copy.
        let copies = format!("http://192.0.2.10:8088/{}/", machine.node.uuid);
        let original = |copy: &String| original(machine, copy.strip_prefix(&copies).unwrap());
        let boot = ScriptBoot::of_script(&script);
        assert_eq!(boot.kernel, file.boot.kernel.as_ref().map(original));
        let originals: Vec<String> = file.boot.ramdisks.iter().map(original).collect();
        assert_eq!(boot.ramdisks, originals);
    }
    differences(machine, plan, &script, Some(&parsed))
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
        if !file.is_string() {
            for difference in compared(&machine, &plan, &file) {
                different.push((name.clone(), difference.known.unwrap_or_default()));
            }
        }
        let (state, said) = (&machine.node.provision_state, said(&machine, &plan));
        writeln!(table, "{name:31}{:15}{of_file:15}{said}", state.name()).unwrap();
    }
    let listed = DIFFERENCES.map(|(name, why)| (name.to_owned(), why));
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
