//! What a machine boots at each change that Ironic made to its node.

use std::fmt::Write as _;

use super::*;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::power_state::PowerState;
use crate::provision_state::StoredState;

/// The node at one change. `had_steps`: whether Ironic has made a list of deploy steps before.
fn node_at(end: &Node, change: &Value, had_steps: bool) -> Node {
    let mut node = end.clone();
    let text = |key: &str| change[key].as_str();
    node.provision_state = StoredState::from_name(text("state").unwrap());
    node.power_state = text("power").and_then(PowerState::from_name);
    node.fault = None;
    node.deploy_step = text("deploy_step")
        .map(|step| ("step".to_owned(), json!(step)))
        .into_iter()
        .collect();
    let info = &mut node.driver_internal_info;
    for key in ["cleaning_disable_ramdisk", "service_disable_ramdisk"] {
        info.remove(key);
        if let Some(flag) = change.get(key) {
            info.insert(key.into(), flag.clone());
        }
    }
    let volume = info.remove("boot_from_volume");
    if let (Some(volume), Some(_)) = (volume, change.get("boot_from_volume")) {
        info.insert("boot_from_volume".into(), volume);
    }
    // At the end Ironic sets the list to null: as every recorded node that was deployed has it.
    info.remove("deploy_steps");
    if had_steps {
        info.insert("deploy_steps".into(), Value::Null);
    }
    node
}

#[test]
fn each_change_of_a_deployment_boots_what_its_moment_needs() {
    let timelines: BTreeMap<String, Vec<Value>> = oracle!("timelines.json");
    let recorded = of_rest();
    let mut table = String::new();
    for (name, changes) in &timelines {
        let mac = &addresses(&recorded[name])[0];
        let mut machine = from_sql(&of_mariadb()[mac]);
        let end = machine.node.clone();
        let deploy = end.interface(InterfaceKind::Deploy);
        writeln!(table, "{name}, deploy_interface {deploy}").unwrap();
        let mut had_steps = false;
        let mut lines: Vec<String> = Vec::new();
        for change in changes {
            had_steps |= change.get("deploy_step").is_some();
            machine.node = node_at(&end, change, had_steps);
            let plan = plan(&machine, &settings());
            let mut line = format!("  {:15}", change["state"].as_str().unwrap());
            let power = change["power"].as_str().unwrap_or("power unknown");
            let step = change["deploy_step"].as_str().unwrap_or_default();
            write!(line, "{power:15}{step:26}{}", plan.title()).unwrap();
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        writeln!(table, "{}\n", lines.join("\n")).unwrap();
    }
    insta::assert_snapshot!(table);
}
