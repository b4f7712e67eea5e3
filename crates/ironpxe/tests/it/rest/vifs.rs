//! VIFs as a client works with them. (What the conductor does with them is tested beside it.)

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::fixture::{RestFixture, lab};
use super::recording::request;

const VIF: &str = "aaaaaaaa-0000-4000-8000-000000000001";

#[tokio::test]
async fn vifs_are_attached_and_detached() -> Result<()> {
    let lab = RestFixture::new()?;
    let node = lab
        .node(json!({ "driver": "fake-hardware", "name": "n1" }))
        .await?;
    let body = json!({ "node_uuid": node, "address": "52:54:00:aa:00:01" });
    let port = lab.expect(201, "POST", "/v1/ports", Some(body)).await?;
    let port = port["uuid"].as_str().context("no uuid")?;
    let attach = |body: Value| lab.ask("POST", "/v1/nodes/n1/vifs", Some(body));

    for (body, words) in [
        (json!({}), "'id' is a required property"),
        (json!([VIF]), "is not of type 'object'"),
        (json!({ "id": 7 }), "7 is not of type 'string'"),
        (json!({ "id": "" }), "Expected UUID or name for id"),
        (
            json!({ "id": "../a" }),
            "Expected UUID or name for id: ../a",
        ),
        (
            json!({ "id": VIF, "port_uuid": "x" }),
            "Expected UUID for port_uuid: 'x'",
        ),
        (
            json!({ "id": VIF, "port_uuid": 1 }),
            "Expected UUID for port_uuid: 1",
        ),
        (
            json!({ "id": VIF, "port_uuid": port, "portgroup_uuid": port }),
            "Cannot specify both port_uuid and portgroup_uuid",
        ),
        (
            json!({ "id": VIF, "portgroup_uuid": port }),
            "Port groups are not supported",
        ),
        (
            json!({ "id": VIF, "port_uuid": VIF }),
            "not enough free physical ports",
        ),
    ] {
        let words_of = lab
            .refused(400, "POST", "/v1/nodes/n1/vifs", body.clone())
            .await?;
        ensure!(words_of.contains(words), "{body}: {words_of}");
    }
    let list = lab.get("/v1/nodes/n1/vifs").await?;
    ensure!(list == json!({ "vifs": [] }), "{list}");

    // What network drivers may want to know besides is no mistake.
    let attached = attach(json!({ "id": VIF, "port_uuid": port, "physnet": "p" })).await?;
    ensure!(
        attached.status == 204 && attached.text.is_empty(),
        "{}",
        attached.text
    );
    let list = lab.get(&format!("/v1/nodes/{node}/vifs")).await?;
    ensure!(list == json!({ "vifs": [{ "id": VIF }] }), "{list}");
    let again = lab
        .refused(409, "POST", "/v1/nodes/n1/vifs", json!({ "id": VIF }))
        .await?;
    ensure!(
        again.contains("is already attached to Ironic Port"),
        "{again}"
    );
    let of_port = lab.get(&format!("/v1/ports/{port}")).await?;
    ensure!(
        of_port["internal_info"] == json!({ "tenant_vif_port_id": VIF }),
        "{of_port}"
    );

    let path = format!("/v1/nodes/n1/vifs/{VIF}");
    lab.expect(204, "DELETE", &path, None).await?;
    let gone = lab.ask("DELETE", &path, None).await?;
    ensure!(gone.status == 400, "{}", gone.text);
    let unknown = lab
        .ask("DELETE", &format!("/v1/nodes/n9/vifs/{VIF}"), None)
        .await?;
    ensure!(unknown.status == 404, "{}", unknown.text);

    // Before 1.28 there are none, and before 1.67 the port cannot be chosen.
    let at = |version: &str, body: Value| {
        let mut request = request("POST", "/v1/nodes/n1/vifs", Some(body));
        for (name, value) in &mut request.headers {
            if name == "X-OpenStack-Ironic-API-Version" {
                version.clone_into(value);
            }
        }
        request
    };
    let old = at("1.27", json!({ "id": VIF }));
    let old = lab.client.ask(&old).await?;
    ensure!(old.status == 404, "{}", old.text);
    let older = at("1.66", json!({ "id": VIF, "port_uuid": VIF }));
    let older = lab.client.ask(&older).await?;
    ensure!(older.status == 204, "{}", older.text);
    Ok(())
}

/// As with Ironic's network interface `noop`, which every node has.
#[tokio::test]
async fn node_without_ports_accepts_any_vif_and_stores_none() -> Result<()> {
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
