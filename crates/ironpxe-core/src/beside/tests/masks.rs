//! A hidden value is refused by its name if it matters, and does not matter otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;
use crate::boot::{BootOption, Refusal, explain};
use crate::mask::STARS;
use crate::node::Node;

/// The objects in which Ironic masks.
const OBJECTS: [&str; 4] = [
    "driver_info",
    "instance_info",
    "driver_internal_info",
    "deploy_step",
];
/// Their fields that no recorded node has.
const RARE: [&str; 11] = [
    "instance_info.boot_option",
    "instance_info.capabilities",
    "instance_info.deploy_boot_mode",
    "instance_info.kernel_append_params",
    "instance_info.ks_template",
    "instance_info.image_checksum",
    "driver_info.fast_track",
    "driver_info.ipxe_local_boot",
    "driver_info.rescue_kernel",
    "driver_info.rescue_ramdisk",
    "driver_internal_info.boot_from_volume",
];
/// What could be behind a mask; `None`: nothing. Those that mean something in most fields come
/// first.
fn values() -> Vec<Option<Value>> {
    let texts = [
        "http://192.0.2.20:8090/other",
        "x",
        "boot_option:netboot,boot_mode:bios",
        "partition",
        "",
        "bios",
        "uefi",
        "exit",
        "write_image",
        "boot_instance",
        "2c5c66d9-a66d-54be-8c5e-4cb3a3921508",
        "192.0.2.21:3260",
    ];
    let others = [json!(true), json!(false), json!(null), json!({}), json!([])];
    let values = others.into_iter().chain(texts.map(Value::from));
    std::iter::once(None).chain(values.map(Some)).collect()
}

/// As many of [`values`] are tried where none may change anything.
const COMMON_VALUES: usize = 10;

/// One of the objects, by its name.
fn object<'a>(machine: &'a mut IronicMachine, name: &str) -> &'a mut JsonMap {
    let Node {
        driver_info,
        instance_info,
        driver_internal_info,
        deploy_step,
        ..
    } = &mut machine.node;
    match name {
        "driver_info" => driver_info,
        "instance_info" => instance_info,
        "driver_internal_info" => driver_internal_info,
        "deploy_step" => deploy_step,
        target => {
            let targets = &mut machine.volumes.as_mut().unwrap().targets;
            let target = targets
                .iter_mut()
                .find(|it| target.contains(&it.uuid.to_string()));
            &mut target.unwrap().properties
        }
    }
}

/// The names of the objects of a machine, as messages have them.
fn objects(machine: &IronicMachine) -> Vec<String> {
    let targets = machine.volumes.iter().flat_map(|it| &it.targets);
    let targets = targets.map(|it| format!("volume target {}.properties", it.uuid));
    OBJECTS
        .map(str::to_owned)
        .into_iter()
        .chain(targets)
        .collect()
}

fn set(machine: &mut IronicMachine, name: &str, key: &str, value: Option<Value>) {
    let map = object(machine, name);
    match value {
        Some(value) => drop(map.insert(key.to_owned(), value)),
        None => drop(map.remove(key)),
    }
}

/// All recorded machines, in which each field that any of them has is masked in turn.
#[test]
fn a_masked_value_is_refused_exactly_if_another_value_could_boot_something_else() {
    let machines: Vec<IronicMachine> = of_mariadb().values().map(from_sql).collect();
    let mut keys: BTreeSet<(String, String)> = RARE
        .iter()
        .map(|field| field.split_once('.').unwrap())
        .map(|(object, key)| (object.to_owned(), key.to_owned()))
        .collect();
    for machine in &machines {
        for name in objects(machine) {
            let map = object(&mut machine.clone(), &name).clone();
            keys.extend(map.into_iter().map(|(key, _)| (name.clone(), key)));
        }
    }
    let values = values();
    let (mut refused, mut harmless) = (BTreeSet::new(), 0);
    for default_boot_option in [BootOption::Local, BootOption::Netboot] {
        let settings = BootSettings {
            default_boot_option,
            ..settings()
        };
        for machine in &machines {
            let own = objects(machine);
            let as_known = script(machine, &plan(machine, &settings));
            for (name, key) in keys.iter().filter(|(name, _)| own.contains(name)) {
                let mut changed = machine.clone();
                set(&mut changed, name, key, Some(json!(STARS)));
                let masked = plan(&changed, &settings);
                let as_masked = script(&changed, &masked);
                let mut others = values.iter().map(|value| {
                    set(&mut changed, name, key, value.clone());
                    (value, plan(&changed, &settings))
                });
                let field = format!("{name}.{key}");
                let label = machine.node.label();
                let by_name = Refusal::Masked {
                    field: field.clone(),
                };
                if masked == BootPlan::Refuse(by_name) {
                    let (_, first) = others.next().unwrap();
                    // Ironic masks nothing in a step; it is read before all else that decides.
                    let differ = name == "deploy_step" || others.any(|(_, it)| it != first);
                    assert!(differ, "{label}: {field} is refused, and does not matter");
                    refused.insert(field);
                } else {
                    for (value, other) in others.take(COMMON_VALUES) {
                        assert_eq!(other, masked, "{label}: {field} = {value:?}");
                    }
                    assert_eq!(as_masked, as_known, "{label}: {field}");
                    harmless += 1;
                }
            }
        }
    }
    assert!(harmless > 1000, "{harmless}");
    insta::assert_debug_snapshot!(refused);
}

#[test]
fn a_mask_within_a_value_is_refused_wherever_it_is() {
    let machine = from_sql(&of_mariadb()["52:54:00:be:01:01"]);
    for (name, key, value) in [
        (
            "driver_info",
            "deploy_kernel",
            json!("http://h/k?token=******&x=1"),
        ),
        (
            "driver_info",
            "kernel_append_params",
            json!("a ipa-api-token=****** b"),
        ),
        (
            "instance_info",
            "capabilities",
            json!({"boot_mode": "bios", "token": "******"}),
        ),
        ("driver_info", "deploy_ramdisk", json!(["******"])),
        (
            "driver_info",
            "deploy_ramdisk",
            json!({"content": "** Redacted - requires x **"}),
        ),
    ] {
        let field = format!("{name}.{key}");
        let mut masked = machine.clone();
        set(&mut masked, name, key, Some(value));
        let expected = Refusal::Masked { field };
        assert_eq!(plan(&masked, &settings()), BootPlan::Refuse(expected));
    }
}

#[test]
fn a_redacted_object_is_refused_by_its_name() {
    let recorded: BTreeMap<String, Value> = oracle!("rest-lessee.json");
    let of_lessee = &recorded["bm-own-images"];
    let uuid = of_lessee["uuid"].as_str().unwrap().parse().unwrap();
    let machine = rest::machine(uuid, None, of_lessee.to_string().as_bytes()).unwrap();
    let refusal = Refusal::Masked {
        field: "driver_info".into(),
    };
    assert_eq!(plan(&machine, &settings()), BootPlan::Refuse(refusal));
    // Nothing of it is needed where nothing is booted.
    let mut failed = machine.clone();
    failed.node.provision_state = crate::provision_state::ProvisionState::DeployFailed.into();
    assert!(matches!(
        plan(&failed, &settings()),
        BootPlan::Refuse(Refusal::StateBootsNothing(_))
    ));
}

#[test]
fn a_preview_names_the_masked_field_too() {
    let recorded = &of_rest()["bm-own-images"];
    let machine = from_rest(recorded, &addresses(recorded)[0]);
    let explained = explain(machine.machine(&http_urls()), &settings(), REQUEST);
    let said: Vec<&str> = explained
        .reasons
        .iter()
        .map(|it| it.text.as_str())
        .collect();
    let masked = "driver_info.deploy_kernel is masked or redacted: its value is not known here";
    assert!(said.contains(&masked), "{said:#?}");
}

/// The other half of why no hidden value gets into a script: nothing but `Fields` reads them.
#[test]
fn the_decision_reads_nodes_through_fields_only() {
    /// What looks at these objects otherwise, and why.
    const OTHERS: [&str; 5] = [
        // Changes a sample.
        "operator.rs",
        // Prepares a preview, or clears the progress of an earlier task: writes.
        "overrides.rs",
        "progress.rs",
        // Makes machines.
        "samples.rs",
        // Prints `properties`, which Ironic does not mask.
        "variables.rs",
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/boot");
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let Some("rs") = path.extension().and_then(|it| it.to_str()) else {
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let reads = OBJECTS.iter().chain(&["properties"]);
        let mut reads = reads.map(|object| format!(".{object}"));
        if reads.any(|read| code.lines().any(|line| reads_map(line, &read))) {
            found.insert(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    assert!(found.remove("fields.rs"), "{found:?}");
    assert_eq!(found, OTHERS.map(str::to_owned).into());
}

/// Whether a line of code names a field, not a text or a comment with its name.
fn reads_map(line: &str, field: &str) -> bool {
    let code = line.split("//").next().unwrap();
    code.match_indices(field).any(|(at, _)| {
        let after = code[at + field.len()..].chars().next();
        let is_whole = after.is_none_or(|it| !it.is_alphanumeric() && it != '_');
        // In a text, a blank or a letter of its own is before the dot, and never a name of a variable.
        let in_a_text = code[..at].matches('"').count() % 2 == 1;
        is_whole && !in_a_text
    })
}
