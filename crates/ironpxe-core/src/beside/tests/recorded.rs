//! Every recorded node: the same machine from each source, and the boot of Ironic's own file.

use std::collections::BTreeSet;

use super::*;

/// What is not the same in both databases, because each run of Ironic made its own.
const OF_A_RUN: [&str; 5] = [
    "node.driver_internal_info.agent_cached_deploy_steps_refreshed",
    "node.driver_internal_info.agent_last_heartbeat",
    "node.driver_internal_info.agent_secret_token",
    "node.driver_internal_info.last_power_state_change",
    "node.instance_info.hashed_rescue_password",
];

/// What the API hides, or shows otherwise than the database: the conductor also of a node that none
/// has prepared yet.
const OF_THE_API: [&str; 11] = [
    "conductor",
    "node.driver_info.deploy_kernel",
    "node.driver_info.fake_password",
    "node.driver_info.kernel_append_params",
    "node.driver_internal_info.agent_secret_token",
    "node.driver_internal_info.agent_secret_token_pregenerated",
    "node.instance_info.configdrive",
    "node.instance_info.hashed_rescue_password",
    "node.instance_info.image_url",
    "node.instance_info.rescue_password",
    "volumes.targets.properties.auth_password",
];

/// Everything in a machine.
fn shown(machine: &IronicMachine) -> Value {
    let volumes = machine.volumes.as_ref();
    json!({
        "node": machine.node,
        "port": machine.port,
        "conductor": machine.conductor,
        "volumes": volumes.map(|it| json!({"targets": it.targets, "connectors": it.connectors})),
    })
}

/// The fields that differ, in each element of a list.
fn differing(path: &str, one: &Value, other: &Value, found: &mut BTreeSet<String>) {
    let below = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let value = |map: &JsonMap| map.get(key).cloned().unwrap_or_default();
                differing(&below(key), &value(one), &value(other), found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (one, other) in one.iter().zip(other) {
                differing(path, one, other, found);
            }
        }
        (one, other) if one != other => {
            found.insert(path.to_owned());
        }
        _ => {}
    }
}

#[test]
fn both_databases_give_the_same_machines() {
    let (sqlite, mariadb) = (of_sqlite(), of_mariadb());
    let mut found = BTreeSet::new();
    assert_eq!((sqlite.len(), mariadb.len()), (47, 47));
    for (mac, rows) in &sqlite {
        let (one, other) = (from_sql(rows), from_sql(&mariadb[mac]));
        differing("", &shown(&one), &shown(&other), &mut found);
    }
    assert_eq!(found, OF_A_RUN.map(str::to_owned).into());
}

#[test]
fn the_api_gives_the_machines_of_the_database_but_for_what_it_hides() {
    let mariadb = of_mariadb();
    let (mut machines, mut found) = (0, BTreeSet::new());
    for recorded in of_rest().values() {
        for mac in addresses(recorded) {
            machines += 1;
            let (one, other) = (from_rest(recorded, &mac), from_sql(&mariadb[&mac]));
            differing("", &shown(&one), &shown(&other), &mut found);
        }
    }
    assert_eq!(machines, mariadb.len());
    assert_eq!(found, OF_THE_API.map(str::to_owned).into());
}
