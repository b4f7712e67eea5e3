//! Ports as a client works with them, beyond what the recordings show.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::fixture::{RestFixture, lab};
use crate::app::TIMEOUT;

#[tokio::test]
async fn ports_are_found_by_node_name_and_belong_to_one_node() -> Result<()> {
    let lab = RestFixture::new()?;
    let (one, two) = (
        lab.node(json!({ "driver": "fake-hardware", "name": "n1" }))
            .await?,
        lab.node(json!({ "driver": "fake-hardware", "name": "n2" }))
            .await?,
    );
    let by_name = json!({ "node_ident": "n1", "address": "52:54:00:AA:00:01", "name": "p1" });
    let port = lab.expect(201, "POST", "/v1/ports", Some(by_name)).await?;
    ensure!(
        port["node_uuid"] == json!(one) && port["address"] == "52:54:00:aa:00:01",
        "{port}"
    );
    ensure!(port.get("node_ident").is_none(), "{port}");
    let uuid = port["uuid"].as_str().context("no uuid")?;

    let same_address = json!({ "node_uuid": two, "address": "52:54:00:aa:00:01" });
    let taken = lab.refused(409, "POST", "/v1/ports", same_address).await?;
    ensure!(
        taken == "A port with MAC address 52:54:00:aa:00:01 already exists.",
        "{taken}"
    );
    let same_name = json!({ "node_uuid": two, "address": "52:54:00:aa:00:02", "name": "p1" });
    let taken = lab.refused(409, "POST", "/v1/ports", same_name).await?;
    ensure!(taken == "A port with name p1 already exists.", "{taken}");
    for (body, words) in [
        (
            json!({ "node_uuid": "n 1", "address": "52:54:00:aa:00:03" }),
            "Expected UUID for node_uuid: n 1",
        ),
        (
            json!({ "node_ident": "n9", "address": "52:54:00:aa:00:03" }),
            "Node n9 could not be found.",
        ),
        (
            json!({ "node_uuid": one, "node_ident": "n1", "address": "52:54:00:aa:00:03" }),
            "valid under each",
        ),
        (
            json!({ "node_uuid": one, "address": "52-54-00-aa-00-03" }),
            "Expected valid MAC address",
        ),
        (
            json!({ "node_uuid": one, "address": "52:54:00:aa:00:03", "zzz": 1 }),
            "'zzz' was unexpected",
        ),
        (
            json!({ "node_uuid": one, "address": "52:54:00:aa:00:03", "is_smartnic": true }),
            "Smart NIC",
        ),
        (
            json!({ "node_uuid": one }),
            "'address' is a required property",
        ),
    ] {
        let message = lab.refused(400, "POST", "/v1/ports", body).await?;
        ensure!(message.contains(words), "{message}");
    }

    for path in [
        "/v1/ports?node=n1",
        "/v1/ports?address=52:54:00:AA:00:01",
        "/v1/nodes/n1/ports",
    ] {
        let list = lab.get(path).await?;
        ensure!(
            list["ports"][0]["uuid"] == uuid && list["ports"][1].is_null(),
            "{path}: {list}"
        );
    }
    ensure!(
        lab.get("/v1/ports/p1").await?["uuid"] == uuid,
        "not found by name"
    );
    ensure!(
        lab.get("/v1/nodes/n2/ports").await? == json!({ "ports": [] }),
        "n2 has a port"
    );

    let moved = json!([{ "op": "replace", "path": "/node_uuid", "value": two }]);
    lab.expect(200, "PATCH", &format!("/v1/ports/{uuid}"), Some(moved))
        .await?;
    ensure!(
        lab.get("/v1/nodes/n2/ports").await?["ports"][0]["uuid"] == uuid,
        "not moved"
    );
    let unknown = "11111111-2222-4333-8444-555555555555";
    let nowhere = json!([{ "op": "replace", "path": "/node_uuid", "value": unknown }]);
    lab.refused(400, "PATCH", &format!("/v1/ports/{uuid}"), nowhere)
        .await?;

    // As `baremetal port create --node n1` sends it.
    let named = json!({ "node_uuid": "n1", "address": "52:54:00:aa:00:04" });
    let port = lab.expect(201, "POST", "/v1/ports", Some(named)).await?;
    ensure!(port["node_uuid"] == json!(one), "{port}");

    lab.expect(204, "DELETE", "/v1/nodes/n2", None).await?;
    lab.expect(404, "GET", &format!("/v1/ports/{uuid}"), None)
        .await?;
    Ok(())
}

#[tokio::test]
async fn switch_id_must_be_a_mac_address_or_a_datapath_id() -> Result<()> {
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

#[tokio::test]
async fn log_names_port_and_node_of_each_creation_and_deletion() -> Result<()> {
    let lab = RestFixture::new()?;
    let node = lab
        .node(json!({ "driver": "fake-hardware", "name": "n1" }))
        .await?;
    let port = json!({ "node_uuid": node, "address": "52:54:00:aa:00:01" });
    let port = lab.expect(201, "POST", "/v1/ports", Some(port)).await?;
    let path = format!("/v1/ports/{}", port["uuid"].as_str().context("no uuid")?);
    lab.expect(204, "DELETE", &path, None).await?;
    let port = format!("node.uuid={node} port.mac=52:54:00:aa:00:01");
    for event in ["port added", "port removed"] {
        let line = lab.server.wait_for_log(event, TIMEOUT)?;
        ensure!(line.ends_with(&port), "{line}");
    }
    Ok(())
}
