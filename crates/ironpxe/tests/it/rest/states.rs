//! `/v1/nodes/<node>/states/provision`, and what a provision state forbids elsewhere.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::fixture::{drive, lab, port};
use super::recording::{Client, request};
use super::{options, start};

#[tokio::test]
async fn unsupported_steps_fail_the_work() -> Result<()> {
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
async fn callback_timeouts_apply_only_when_set() -> Result<()> {
    // With the defaults no callback times out.
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

#[tokio::test]
async fn changes_forbidden_by_the_provision_state_answer_409() -> Result<()> {
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
