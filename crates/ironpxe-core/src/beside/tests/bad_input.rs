//! Records and answers that cannot be used are named.

use super::*;

const MAC: &str = "52:54:00:be:01:01";
const OTHER_MAC: &str = "52:54:00:be:18:01";

/// What is said of rows: a problem, or why the machine of this node is not booted.
fn said_of(rows: &Rows) -> String {
    match sql::machine(rows) {
        Err(problem) => format!("ask again: {problem}"),
        Ok(machine) => machine.map(|it| refusal_of(&it)).unwrap_or_default(),
    }
}

fn refusal_of(machine: &IronicMachine) -> String {
    let (name, refusal) = (machine.node.label(), &machine.unusable);
    let refusal = refusal.as_ref().map(|it| format!("{name}: {it}"));
    refusal.unwrap_or_default()
}

/// What is said of the recorded rows with one other cell in the first.
fn said_with(mac: &str, column: &str, cell: Value) -> String {
    let mut rows = of_mariadb().remove(mac).unwrap();
    rows[0].insert(column.into(), cell);
    said_of(&rows)
}

#[test]
fn rows_that_cannot_be_used_are_named_by_table_column_and_node() {
    let volume = of_mariadb()
        .into_iter()
        .find(|(_, rows)| rows.len() > 1)
        .unwrap();
    let volumes = volume.0.as_str();
    let cases = [
        (MAC, "uuid", json!(null)),
        (MAC, "uuid", json!("x")),
        (MAC, "driver", json!(null)),
        (MAC, "driver", json!("")),
        (MAC, "driver", json!(7)),
        (MAC, "deploy_interface", json!(null)),
        (MAC, "maintenance", json!(2)),
        (MAC, "maintenance", json!("yes")),
        (MAC, "fault", json!("******")),
        (MAC, "instance_uuid", json!("x")),
        (MAC, "driver_info", json!("{")),
        (MAC, "driver_info", json!("[]")),
        (MAC, "instance_info", json!("{\"a\": NaN}")),
        (MAC, "deploy_step", json!("{\"step\": \"\\ud800\"}")),
        (MAC, "port_address", json!("52-54-00-be-01-01")),
        (MAC, "port_uuid", json!("x")),
        (volumes, "target_boot_index", json!(null)),
        (volumes, "target_volume_type", json!(null)),
        (volumes, "target_properties", json!("{")),
        (volumes, "iqn_connector_id", json!(null)),
        (volumes, "iqn_uuid", json!("x")),
    ];
    let said: Vec<String> = cases
        .map(|(mac, column, cell)| {
            let shown = cell.to_string();
            let said = said_with(mac, column, cell);
            assert!(!said.is_empty(), "{column} = {shown} is used");
            format!("{column} = {shown}: {said}")
        })
        .into();
    insta::assert_snapshot!(said.join("\n"));
    let mut without = of_mariadb().remove(MAC).unwrap();
    without[0].remove("deploy_step");
    let said = said_of(&without);
    assert!(
        said.starts_with("bm-deploy-wait: nodes.deploy_step: "),
        "{said}"
    );
    assert_eq!(said_of(&Vec::new()), "", "no such machine");
}

#[test]
fn rows_of_two_nodes_are_no_machine() {
    let all = of_mariadb();
    let rows = [all[MAC].clone(), all[OTHER_MAC].clone()].concat();
    assert!(
        said_of(&rows).contains("rows of other nodes"),
        "{}",
        said_of(&rows)
    );
}

fn problem<T: std::fmt::Debug>(result: Result<T, Problem>) -> Problem {
    result.unwrap_err()
}

/// The recorded answers, changed.
fn answers(change: impl FnOnce(&mut Value)) -> Value {
    let mut recorded = of_rest().remove("bm-deploy-wait").unwrap();
    change(&mut recorded);
    recorded
}

#[test]
fn answers_that_are_not_ironics_are_asked_for_again() {
    let uuid = answers(|_| {})["node"]["uuid"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let address = MAC.parse().unwrap();
    let node = |change: fn(&mut JsonMap)| {
        let recorded = answers(|it| change(it["node"].as_object_mut().unwrap()));
        problem(rest::machine(
            uuid,
            None,
            recorded["node"].to_string().as_bytes(),
        ))
    };
    let body = |body: &[u8]| problem(rest::machine(uuid, None, body));
    let port = |change: fn(&mut Vec<Value>)| {
        let recorded = answers(|it| {
            change(it["ports_detail"][MAC]["ports"].as_array_mut().unwrap());
        });
        problem(rest::port(
            address,
            recorded["ports_detail"][MAC].to_string().as_bytes(),
        ))
    };
    let volumes = |targets: &str, connectors: &str| {
        let recorded = answers(|_| {})["node"].to_string();
        let machine = rest::machine(uuid, None, recorded.as_bytes()).unwrap();
        problem(rest::with_volumes(
            machine,
            targets.as_bytes(),
            connectors.as_bytes(),
        ))
    };
    let problems = [
        body(b""),
        body(b" <!DOCTYPE html><html>"),
        body(b"[]"),
        body(b"{\"error_message\": \"x\"}"),
        body(b"{\"uuid\": "),
        node(|it| drop(it.remove("deploy_step"))),
        node(|it| drop(it.insert("maintenance".into(), json!("false")))),
        node(|it| drop(it.insert("driver".into(), json!(7)))),
        node(|it| drop(it.insert("uuid".into(), json!("4d5a82cc-d23d-59fa-9638-3b8174da1036")))),
        problem(rest::port(address, b"{}")),
        problem(rest::port(address, b"{\"ports\": [1]}")),
        problem(rest::port(
            address,
            b"{\"ports\": [], \"next\": \"http://x\"}",
        )),
        port(|it| it.push(it[0].clone())),
        port(|it| it[0]["address"] = json!("52:54:00:be:01:02")),
        port(|it| drop(it[0].as_object_mut().unwrap().remove("node_uuid"))),
        volumes("{\"targets\": {}}", "{\"connectors\": []}"),
        volumes("{\"targets\": []}", "<html>"),
        volumes(
            "{\"targets\": []}",
            "{\"connectors\": [{\"uuid\": \"4d5a82cc-d23d-59fa-9638-3b8174da1036\", \
             \"node_uuid\": \"4d5a82cc-d23d-59fa-9638-3b8174da1036\"}]}",
        ),
    ];
    let said: Vec<String> = problems
        .into_iter()
        .map(|problem| {
            let said = problem.to_string();
            assert_eq!(problem.clone().into_refusal(), Err(problem));
            said
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn values_that_somebody_must_correct_are_refused() {
    let uuid = answers(|_| {})["node"]["uuid"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let refusal = |field: &str, value: Value| {
        let recorded = answers(|it| it["node"][field] = value);
        let body = recorded["node"].to_string();
        let machine = rest::machine(uuid, None, body.as_bytes()).unwrap();
        let BootPlan::Refuse(refusal) = plan(&machine, &settings()) else {
            panic!("{field} is used");
        };
        format!("{}: {refusal}", machine.node.label())
    };
    let said = [
        refusal("driver", json!(null)),
        refusal("deploy_interface", json!(null)),
        refusal("driver_info", json!([])),
        refusal("fault", json!("** Value Redacted - Requires x. **")),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_an_old_api_does_not_show_and_no_boot_needs_may_be_missing() {
    let recorded = answers(|it| {
        let node = it["node"].as_object_mut().unwrap();
        for field in [
            "name",
            "conductor",
            "conductor_group",
            "resource_class",
            "extra",
        ] {
            node.remove(field).unwrap();
        }
        // What only a reader of everything is shown.
        node.insert(
            "last_error".into(),
            json!("** Value Redacted - Requires x. **"),
        );
    });
    let machine = from_rest(&recorded, MAC);
    assert!(matches!(plan(&machine, &settings()), BootPlan::Linux(_)));
}

#[test]
fn an_unknown_address_is_no_port() {
    let port = rest::port(MAC.parse().unwrap(), b"{\"ports\": []}");
    assert_eq!(port, Ok(None));
}
