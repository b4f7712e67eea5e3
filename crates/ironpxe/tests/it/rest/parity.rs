//! What the suites of Ironic's clients found: requests that Ironic answers in its own way.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::exchange::{Answer, Client, request};
use super::lab::Lab;
use super::{options, start};

const FAKE: &str = "/v1/drivers/fake-hardware/vendor_passthru";

/// A lab with a node of fake hardware called `n1`, and its UUID.
async fn lab() -> Result<(Lab, String)> {
    let lab = Lab::new()?;
    let node = json!({ "driver": "fake-hardware", "name": "n1" });
    let uuid = lab.node(node).await?;
    Ok((lab, uuid))
}

/// A port of the node; its path.
async fn port(lab: &Lab, node: &str) -> Result<String> {
    let port = json!({ "node_uuid": node, "address": "52:54:00:aa:00:01" });
    let port = lab.expect(201, "POST", "/v1/ports", Some(port)).await?;
    let uuid = port["uuid"].as_str().context("no uuid")?;
    Ok(format!("/v1/ports/{uuid}"))
}

/// Asks for a verb, and waits until it is done; the node.
async fn drive(lab: &Lab, body: Value) -> Result<Value> {
    let path = "/v1/nodes/n1/states/provision";
    lab.expect(202, "PUT", path, Some(body)).await?;
    lab.client.wait_until_free("n1").await?;
    lab.get("/v1/nodes/n1").await
}

fn is(answer: &Answer, status: u16, message: &str) -> Result<()> {
    ensure!(
        answer.status == status && answer.message().contains(message),
        "not {status} {message:?}: {answer:?}"
    );
    Ok(())
}

/// The form in Ironic's API reference, and the only one that openstacksdk sends.
#[tokio::test]
async fn a_driver_method_is_called_by_path_or_by_query() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let ask = async |path: &str| lab.ask("GET", path, None).await;
    let by_path = ask(&format!("{FAKE}/ipxe_config?node_uuid={uuid}")).await?;
    let by_query = ask(&format!("{FAKE}?method=ipxe_config&node_uuid={uuid}")).await?;
    let without_id = |answer: &Answer| {
        let lines = answer.text.lines().filter(|line| !line.contains("req-"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for answer in [&by_path, &by_query] {
        ensure!(answer.status == 200, "{answer:?}");
        ensure!(answer.text.starts_with("#!ipxe\n"), "{answer:?}");
    }
    ensure!(
        without_id(&by_path) == without_id(&by_query),
        "{by_query:?}"
    );

    let missing = "Missing mandatory parameter: method";
    is(&ask(FAKE).await?, 400, missing)?;
    // Only the query names it.
    let body = Some(json!({ "method": "ipxe_config", "node_uuid": uuid }));
    is(&lab.ask("GET", FAKE, body).await?, 400, missing)?;
    for (method, path, words) in [
        ("POST", "?method=x", "No handler for method x"),
        (
            "GET",
            "?method=x&port_address=zz",
            "No handler for method x",
        ),
        (
            "PUT",
            "?method=ipxe_config",
            "The method ipxe_config does not support HTTP PUT",
        ),
        (
            "GET",
            "?method=ipxe_config",
            "needs one of node_uuid and port_address",
        ),
        ("GET", "?method=x&method=y", "Expected string for method"),
    ] {
        let answer = lab.ask(method, &format!("{FAKE}{path}"), None).await?;
        is(&answer, 400, words)?;
    }
    let unknown = ask("/v1/drivers/nosuch/vendor_passthru?method=ipxe_config").await?;
    is(&unknown, 404, "nosuch")?;
    let methods = lab.get(&format!("{FAKE}/methods")).await?;
    let by_name = "/v1/drivers/vendor_passthru/methods?driver_name=fake-hardware";
    ensure!(lab.get(by_name).await? == methods, "{methods}");

    // Firmware is shown a script, whatever is wrong.
    let mut firmware = request("GET", FAKE, None);
    firmware.headers = [("User-Agent".to_owned(), "iPXE/1.0.0".to_owned())].into();
    let answer = lab.client.ask(&firmware).await?;
    ensure!(answer.text.starts_with("#!ipxe\n"), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn an_argument_that_a_passthru_method_does_not_know_is_refused() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let node = format!("/v1/nodes/{uuid}/vendor_passthru");
    for (method, path) in [
        ("GET", format!("{FAKE}/methods?foo=1")),
        ("GET", format!("{FAKE}/echo?foo=1")),
        ("GET", format!("{FAKE}?method=echo&foo=1")),
        ("GET", format!("{FAKE}?foo=1")),
        ("GET", format!("{FAKE}/ipxe_config?node_uuid={uuid}&foo=1")),
        (
            "GET",
            format!("{FAKE}?method=ipxe_config&node_uuid={uuid}&foo=1"),
        ),
        ("GET", format!("{node}/methods?foo=1")),
        ("POST", format!("{node}?foo=1")),
        ("POST", format!("{node}?method=third_method_sync&foo=1")),
        ("POST", format!("{node}?method=nosuch&foo=1")),
        ("POST", format!("{node}/third_method_sync?foo=1")),
        ("POST", format!("{node}/log_passthrough?foo=1")),
    ] {
        let answer = lab.ask(method, &path, None).await?;
        is(&answer, 400, "Unexpected arguments: foo")?;
    }
    // What a method has declared is none of them, and a body may hold anything.
    for (path, body) in [
        (
            "?method=third_method_sync",
            json!({ "bar": "meow", "foo": 1 }),
        ),
        ("/third_method_sync", json!({ "bar": "meow" })),
        ("?method=third_method_sync&bar=meow", Value::Null),
    ] {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = lab.ask("POST", &format!("{node}{path}"), body).await?;
        ensure!(answer.status == 200 && answer.text == "true", "{answer:?}");
    }
    for (method, status) in [
        ("second_method", 202),
        ("fourth_method_shared_lock", 202),
        ("log_passthrough", 202),
    ] {
        let body = Some(json!({ "bar": "x" }));
        let answer = lab.ask("POST", &format!("{node}/{method}"), body).await?;
        ensure!(
            answer.status == status && answer.text.is_empty(),
            "{answer:?}"
        );
    }
    let path = format!("{node}/second_method");
    let missing = lab.ask("POST", &path, Some(json!({ "bar": "" }))).await?;
    is(
        &missing,
        400,
        "Parameter 'bar' not passed to method 'second_method'.",
    )
}

#[tokio::test]
async fn a_path_may_end_in_json_below_1_91() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let named = json!({ "driver": "fake-hardware", "name": "n2.json" });
    let named = lab.node(named).await?;
    let port = port(&lab, &uuid).await?;
    for (path, wanted) in [
        ("/v1/nodes/n1.json".to_owned(), &uuid),
        (format!("/v1/nodes/{uuid}.json"), &uuid),
        // The name is `n2.json`; once taken off and once not.
        ("/v1/nodes/n2.json".to_owned(), &named),
        ("/v1/nodes/n2.json.json".to_owned(), &named),
    ] {
        let answer = lab.at("1.90", "GET", &path).await?;
        ensure!(answer.json()["uuid"] == **wanted, "{path}: {answer:?}");
    }
    for path in [
        "/v1/nodes.json?limit=1",
        &format!("{port}.json"),
        "/v1/drivers.json",
    ] {
        ensure!(lab.at("1.90", "GET", path).await?.status == 200, "{path}");
        ensure!(lab.at("1.91", "GET", path).await?.status != 200, "{path}");
    }
    let later = lab.at("1.91", "GET", "/v1/nodes/n1.json").await?;
    is(&later, 404, "Node n1.json could not be found.")?;
    let gone = lab
        .at("1.90", "DELETE", &format!("/v1/nodes/{named}.json"))
        .await?;
    ensure!(gone.status == 204, "{gone:?}");
    Ok(())
}

#[tokio::test]
async fn the_next_page_can_be_asked_for_in_every_version() -> Result<()> {
    let (lab, uuid) = lab().await?;
    lab.node(json!({ "driver": "fake-hardware", "name": "n2" }))
        .await?;
    port(&lab, &uuid).await?;
    let second = json!({ "node_uuid": uuid, "address": "52:54:00:aa:00:02" });
    lab.expect(201, "POST", "/v1/ports", Some(second)).await?;
    for list in ["nodes", "ports"] {
        for version in ["1.1", "1.7", "1.8", "1.115"] {
            let page = lab
                .at(version, "GET", &format!("/v1/{list}?limit=1"))
                .await?;
            let next = page.json()["next"]
                .as_str()
                .context("no next page")?
                .to_owned();
            let path = next.split_once("/v1/").context("no path")?.1;
            let next = lab.at(version, "GET", &format!("/v1/{path}")).await?;
            ensure!(next.status == 200, "{version} {path}: {next:?}");
            let found = next.json()[list].as_array().map(Vec::len);
            ensure!(found == Some(1), "{version} {path}: {next:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_switch_is_named_by_a_mac_address_or_a_datapath_id() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let port = |switch: &str| {
        json!({
            "node_uuid": uuid, "address": "52:54:00:aa:00:01",
            "local_link_connection": { "switch_id": switch, "port_id": "1" },
        })
    };
    for wrong in [
        "00:00:c6:a2:b3:d4:e5:f6",
        "0000c6a2b3d4e5f",
        "0000c6a2b3d4e5g6",
        "",
    ] {
        let words = lab.refused(400, "POST", "/v1/ports", port(wrong)).await?;
        ensure!(words.contains("OpenFlow datapath ID"), "{words}");
    }
    let made = Some(port("0000C6A2B3D4E5F6"));
    let made = lab.expect(201, "POST", "/v1/ports", made).await?;
    let link = &made["local_link_connection"]["switch_id"];
    ensure!(link == "0000c6a2b3d4e5f6", "{made}");
    Ok(())
}

/// Method, path, version, status.
type Old = (&'static str, &'static str, &'static str, u16);

#[tokio::test]
async fn what_came_later_is_refused_to_older_clients_as_ironic_does() -> Result<()> {
    let (lab, _) = lab().await?;
    let table: [Old; 29] = [
        ("GET", "/v1/nodes/n1/traits", "1.36", 406),
        ("GET", "/v1/nodes/n1/traits", "1.37", 200),
        ("PUT", "/v1/nodes/n1/traits", "1.36", 405),
        ("PUT", "/v1/nodes/n1/traits/CUSTOM_A", "1.36", 405),
        ("DELETE", "/v1/nodes/n1/traits", "1.36", 404),
        ("DELETE", "/v1/nodes/n1/traits/CUSTOM_A", "1.36", 404),
        ("GET", "/v1/nodes/n1/vmedia", "1.88", 404),
        ("GET", "/v1/nodes/n1/vmedia", "1.92", 404),
        ("GET", "/v1/nodes/n1/vmedia", "1.93", 400),
        ("POST", "/v1/nodes/n1/vmedia", "1.88", 404),
        ("POST", "/v1/nodes/n1/vmedia", "1.89", 400),
        ("DELETE", "/v1/nodes/n1/vmedia", "1.88", 404),
        ("DELETE", "/v1/nodes/n1/vmedia", "1.89", 400),
        ("PUT", "/v1/nodes/n1/states/raid", "1.11", 406),
        ("PUT", "/v1/nodes/n1/states/raid", "1.12", 400),
        ("PUT", "/v1/nodes/n1/management/inject_nmi", "1.28", 404),
        ("PUT", "/v1/nodes/n1/management/inject_nmi", "1.29", 400),
        ("PUT", "/v1/nodes/n1/states/boot_mode", "1.75", 404),
        ("PUT", "/v1/nodes/n1/states/secure_boot", "1.75", 404),
        ("POST", "/v1/allocations", "1.51", 405),
        ("GET", "/v1/allocations", "1.51", 404),
        ("DELETE", "/v1/allocations/a", "1.51", 405),
        ("POST", "/v1/deploy_templates", "1.54", 405),
        ("PATCH", "/v1/deploy_templates/a", "1.54", 405),
        ("POST", "/v1/runbooks", "1.91", 405),
        ("DELETE", "/v1/runbooks/a", "1.91", 405),
        ("POST", "/v1/inspection_rules", "1.95", 405),
        ("POST", "/v1/portgroups", "1.22", 404),
        ("GET", "/v1/lookup", "1.21", 404),
    ];
    for (method, path, version, status) in table {
        let answer = lab.at(version, method, path).await?;
        ensure!(
            answer.status == status,
            "{method} {path} {version}: {answer:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_the_state_forbids_is_a_conflict() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let port = port(&lab, &uuid).await?;
    drive(&lab, json!({ "target": "manage" })).await?;
    let patch = |field: &str, value: Value| json!([{ "op": "add", "path": format!("/{field}"), "value": value }]);
    let link = json!({ "switch_id": "00:11:22:33:44:55", "port_id": "1" });
    let cabling = [
        ("pxe_enabled", json!(false)),
        ("physical_network", json!("net1")),
        ("local_link_connection", link),
    ];
    let node = drive(&lab, json!({ "target": "provide" })).await?;
    ensure!(node["provision_state"] == "available", "{node}");
    for (field, words) in [
        (
            "protected",
            "can only be made protected in provision states",
        ),
        ("retired", "can not have 'retired' set in provision state"),
    ] {
        let change = patch(field, json!(true));
        let said = lab.refused(409, "PATCH", "/v1/nodes/n1", change).await?;
        ensure!(said.contains(words), "{said}");
    }
    for (field, value) in &cabling {
        let change = patch(field, value.clone());
        let said = lab.refused(409, "PATCH", &port, change).await?;
        ensure!(
            said.contains("can not have any connectivity attributes")
                && said.ends_with("The current state is available."),
            "{said}"
        );
    }
    // What is written as it is, is no change.
    lab.expect(200, "PATCH", &port, Some(patch("pxe_enabled", json!(true))))
        .await?;
    lab.expect(200, "PATCH", &port, Some(patch("extra", json!({ "a": 1 }))))
        .await?;

    // With an instance on it, the card is not exchanged either.
    drive(&lab, json!({ "target": "active" })).await?;
    let address = patch("address", json!("52:54:00:aa:00:09"));
    let said = lab.refused(409, "PATCH", &port, address.clone()).await?;
    ensure!(
        said.starts_with("Cannot update hardware address for port"),
        "{said}"
    );
    // In maintenance everything can be repaired.
    lab.expect(202, "PUT", "/v1/nodes/n1/maintenance", Some(json!({})))
        .await?;
    for (field, value) in cabling {
        lab.expect(200, "PATCH", &port, Some(patch(field, value)))
            .await?;
    }
    lab.expect(200, "PATCH", &port, Some(address)).await?;
    Ok(())
}

#[tokio::test]
async fn volumes_of_a_machine_that_is_on_are_kept_unless_it_is_only_described() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let mut paths = Vec::new();
    for number in 0..2 {
        let body =
            json!({ "node_uuid": uuid, "type": "iqn", "connector_id": format!("iqn.{number}") });
        let made = lab
            .expect(201, "POST", "/v1/volume/connectors", Some(body))
            .await?;
        let connector = made["uuid"].as_str().context("no uuid")?;
        paths.push(format!("/v1/volume/connectors/{connector}"));
    }
    let on = Some(json!({ "target": "power on" }));
    lab.expect(202, "PUT", "/v1/nodes/n1/states/power", on)
        .await?;
    lab.client.wait_until_free("n1").await?;
    let change = json!([{ "op": "add", "path": "/extra/a", "value": 1 }]);
    let said = lab.refused(400, "PATCH", &paths[0], change).await?;
    let wanted = format!(
        "The requested action \"volume connector update\" can not be performed on node \"{uuid}\" \
         while it is in state \"power on\"."
    );
    ensure!(said == wanted, "{said}");
    lab.expect(204, "DELETE", &paths[0], None).await?;
    drive(&lab, json!({ "target": "manage" })).await?;
    drive(&lab, json!({ "target": "provide" })).await?;
    let kept = lab.ask("DELETE", &paths[1], None).await?;
    is(
        &kept,
        400,
        "The requested action \"volume connector deletion\" can not be performed",
    )
}

#[tokio::test]
async fn who_is_not_known_gives_a_node_no_owner() -> Result<()> {
    let lab = Lab::new()?;
    let mut node = json!({ "driver": "fake-hardware", "name": "n1", "owner": "p1" });
    let said = lab.refused(400, "POST", "/v1/nodes", node.clone()).await?;
    let wanted = "Cannot create a node as a project scoped admin with an owner other than your \
                  own project.";
    ensure!(said == wanted, "{said}");
    ensure!(lab.ask("GET", "/v1/nodes/n1", None).await?.status == 404);
    for owner in [json!(null), json!("")] {
        node["owner"] = owner;
        let made = lab
            .expect(201, "POST", "/v1/nodes", Some(node.clone()))
            .await?;
        ensure!(made["owner"].is_null(), "{made}");
        lab.expect(204, "DELETE", "/v1/nodes/n1", None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn empty_network_data_is_no_network_data() -> Result<()> {
    let (lab, _) = lab().await?;
    let patch = json!([{ "op": "add", "path": "/network_data", "value": {} }]);
    let said = lab.refused(400, "PATCH", "/v1/nodes/n1", patch).await?;
    ensure!(
        said == "Invalid network_data: 'links' is a required property ",
        "{said}"
    );
    let whole = json!({ "links": [], "networks": [], "services": [] });
    let patch = json!([{ "op": "add", "path": "/network_data", "value": whole }]);
    lab.expect(200, "PATCH", "/v1/nodes/n1", Some(patch))
        .await?;
    let patch = json!([{ "op": "remove", "path": "/network_data" }]);
    let node = lab
        .expect(200, "PATCH", "/v1/nodes/n1", Some(patch))
        .await?;
    ensure!(node["network_data"] == json!({}), "{node}");
    Ok(())
}

/// As with Ironic's network interface `noop`, which every node has.
#[tokio::test]
async fn a_node_without_ports_takes_any_vif_and_keeps_none() -> Result<()> {
    let (lab, _) = lab().await?;
    let vif = "aaaaaaaa-0000-4000-8000-000000000001";
    let body = Some(json!({ "id": vif }));
    lab.expect(204, "POST", "/v1/nodes/n1/vifs", body).await?;
    let list = lab.get("/v1/nodes/n1/vifs").await?;
    ensure!(list == json!({ "vifs": [] }), "{list}");
    lab.expect(204, "DELETE", &format!("/v1/nodes/n1/vifs/{vif}"), None)
        .await?;
    Ok(())
}

#[tokio::test]
async fn steps_that_nothing_can_do_fail_the_work() -> Result<()> {
    let (lab, uuid) = lab().await?;
    drive(&lab, json!({ "target": "manage" })).await?;
    let clean = |interface: &str, step: &str| json!({ "target": "clean", "clean_steps": [{ "interface": interface, "step": step }] });
    let node = drive(&lab, clean("bios", "factory_reset")).await?;
    ensure!(node["provision_state"] == "manageable", "{node}");
    let node = drive(&lab, clean("deploy", "no_such_step")).await?;
    ensure!(node["provision_state"] == "clean failed", "{node}");
    ensure!(node["target_provision_state"] == "manageable", "{node}");
    let said = node["last_error"].as_str().unwrap_or_default();
    let wanted = format!(
        "Cannot clean node {uuid}: node does not support this clean step: {{'interface': \
         'deploy', 'step': 'no_such_step'}}"
    );
    ensure!(said == wanted, "{said}");
    for target in ["manage", "provide", "active"] {
        drive(&lab, json!({ "target": target })).await?;
    }
    let step = json!([{ "interface": "bios", "step": "factory_reset" }]);
    let node = drive(&lab, json!({ "target": "service", "service_steps": step })).await?;
    ensure!(node["provision_state"] == "service failed", "{node}");
    Ok(())
}

/// With the defaults, and with the limits that an operator may set.
#[tokio::test]
async fn no_node_waits_for_ever() -> Result<()> {
    // With the defaults nobody is waited for.
    let (lab, _) = lab().await?;
    drive(&lab, json!({ "target": "manage" })).await?;
    let node = drive(&lab, json!({ "target": "provide" })).await?;
    ensure!(node["provision_state"] == "available", "{node}");

    // With cleaning by an agent that does not come.
    let server = start(
        &options()
            .set("IRONPXE_CONDUCTOR__AUTOMATED_CLEAN", "true")
            .set("IRONPXE_CONDUCTOR__CHECK_PROVISION_STATE_INTERVAL", "1")
            .set("IRONPXE_CONDUCTOR__CLEAN_CALLBACK_TIMEOUT", "1"),
    )?;
    let client = Client::new(server.base_url())?;
    let node = json!({
        "driver": "fake-hardware", "name": "n1",
        "boot_interface": "ipxe", "deploy_interface": "direct",
        "driver_info": {
            "deploy_kernel": "http://127.0.0.1/k", "deploy_ramdisk": "http://127.0.0.1/r",
        },
    });
    let node = client.done("POST", "/v1/nodes", &node, 201).await?.json();
    let port = json!({ "node_uuid": node["uuid"], "address": "52:54:00:aa:00:01" });
    client.done("POST", "/v1/ports", &port, 201).await?;
    for target in ["manage", "provide"] {
        let body = json!({ "target": target });
        client
            .done("PUT", "/v1/nodes/n1/states/provision", &body, 202)
            .await?;
        client.wait_until_free("n1").await?;
    }
    let over = async {
        loop {
            let node = client
                .ask(&request("GET", "/v1/nodes/n1", None))
                .await?
                .json();
            if node["provision_state"] != "clean wait" {
                return anyhow::Ok(node);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let node = tokio::time::timeout(Duration::from_mins(2), over)
        .await
        .context("it waits for ever")??;
    ensure!(node["provision_state"] == "clean failed", "{node}");
    let said = node["last_error"].as_str().unwrap_or_default();
    ensure!(
        said.starts_with("Timeout reached while cleaning the node."),
        "{said}"
    );
    Ok(())
}
