//! Heartbeats: who may send what, in which version, and what the answer gives away.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::fixture::RestFixture;
use super::recording::request;

/// A lab with a node that waits for its installer; the node's UUID and its token, which is read
/// where only the installer reads it.
async fn installing() -> Result<(RestFixture, String, String)> {
    let lab = RestFixture::new()?;
    let url = |name: &str| format!("http://127.0.0.1/{name}");
    let node = lab
        .node(json!({
            "driver": "fake-hardware",
            "name": "n1",
            "boot_interface": "ipxe",
            "deploy_interface": "anaconda",
            "automated_clean": false,
            "instance_info": {
                "kernel": url("kernel"),
                "ramdisk": url("ramdisk"),
                "stage2": url("tree"),
                "image_source": url("image"),
            },
        }))
        .await?;
    let port = json!({ "node_uuid": node, "address": "52:54:00:aa:00:01" });
    lab.expect(201, "POST", "/v1/ports", Some(port)).await?;
    for verb in ["manage", "provide", "active"] {
        let path = format!("/v1/nodes/{node}/states/provision");
        lab.expect(202, "PUT", &path, Some(json!({ "target": verb })))
            .await?;
        lab.client.wait_until_free(&node).await?;
    }
    let path = format!("/v1/boot/{node}/ks.cfg");
    let kickstart = lab.ask("GET", &path, None).await?;
    ensure!(kickstart.status == 200, "{kickstart:?}");
    let (_, after) = kickstart
        .text
        .split_once("\"agent_token\":\"")
        .unwrap_or_default();
    let token: String = after.chars().take_while(|it| *it != '"').collect();
    ensure!(token.len() >= 32, "{kickstart:?}");
    Ok((lab, node, token))
}

#[tokio::test]
async fn each_field_is_accepted_from_its_microversion() -> Result<()> {
    let (lab, node, token) = installing().await?;
    let path = format!("/v1/heartbeat/{node}");
    let with = |field: &str, value: &str| json!({ "callback_url": "", "agent_token": token, field: value });
    for (version, body, status, words) in [
        (
            "1.21",
            with("agent_token", &token),
            404,
            "Resource could not be found.",
        ),
        ("1.22", with("agent_token", &token), 202, ""),
        (
            "1.35",
            with("agent_version", "1"),
            400,
            "\"agent_version\" not recognised",
        ),
        ("1.36", with("agent_version", "1"), 202, ""),
        (
            "1.67",
            with("agent_verify_ca", "x"),
            400,
            "\"agent_verify_ca\" not recognised",
        ),
        ("1.68", with("agent_verify_ca", "x"), 202, ""),
        (
            "1.71",
            with("agent_status", "start"),
            400,
            "\"agent_status\" and",
        ),
        (
            "1.71",
            with("agent_status_message", "x"),
            400,
            "\"agent_status_message\"",
        ),
        ("1.72", with("agent_status", "start"), 202, ""),
    ] {
        let mut ask = request("POST", &path, Some(body));
        let header = "X-OpenStack-Ironic-API-Version".to_owned();
        ask.headers.insert(header, version.to_owned());
        let answer = lab.client.ask(&ask).await?;
        ensure!(answer.status == status, "{version}: {answer:?}");
        ensure!(answer.message().contains(words), "{version}: {answer:?}");
        ensure!(status != 202 || answer.text.is_empty(), "{answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn invalid_heartbeat_is_refused_and_changes_nothing() -> Result<()> {
    let (lab, node, token) = installing().await?;
    let path = format!("/v1/heartbeat/{node}");
    let before = lab.get(&format!("/v1/nodes/{node}")).await?;
    let good = json!({ "callback_url": "", "agent_token": token, "agent_status": "end" });
    let changed = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, words) in [
        (json!({ "agent_token": token }), "callback_url"),
        (json!({ "callback_url": "" }), "Agent token is required"),
        (
            changed("agent_token", json!(null)),
            "Agent token is required",
        ),
        (
            changed("agent_token", json!("x")),
            "Invalid or missing agent token",
        ),
        (
            changed("agent_token", json!(7)),
            "Expected string for agent_token",
        ),
        (changed("agent_status", json!("success")), "start,end,error"),
        (changed("callback_url", json!("ftp://h")), "callback_url"),
        (changed("zzz", json!(1)), "Unexpected arguments: zzz"),
        (
            changed("node_ident", json!(node)),
            "Unexpected arguments: node_ident",
        ),
        (json!([1]), "[1]"),
        (json!("{"), "not JSON"),
    ] {
        let said = lab.refused(400, "POST", &path, body).await?;
        ensure!(said.contains(words), "{said}");
    }
    let unknown = "/v1/heartbeat/11111111-2222-4333-8444-555555555555";
    lab.refused(404, "POST", unknown, good.clone()).await?;
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
        let answer = lab.ask(method, &path, None).await?;
        ensure!(answer.status == 405, "{method}: {answer:?}");
        ensure!(answer.headers["allow"] == "POST", "{method}: {answer:?}");
    }
    ensure!(lab.get(&format!("/v1/nodes/{node}")).await? == before);
    Ok(())
}

#[tokio::test]
async fn installer_reports_by_name_or_uuid_of_its_node() -> Result<()> {
    let (lab, node, token) = installing().await?;
    let mut good = json!({ "callback_url": "", "agent_token": token, "agent_status": "start" });
    let by_name = "/v1/heartbeat/n1";
    lab.expect(202, "POST", by_name, Some(good.clone())).await?;
    good["node_ident"] = json!(node);
    good["agent_status"] = json!("error");
    good["agent_status_message"] = json!("no disk");
    lab.expect(202, "POST", "/v1/heartbeat", Some(good)).await?;
    let shown = lab.get(&format!("/v1/nodes/{node}")).await?;
    ensure!(shown["provision_state"] == "deploy failed", "{shown}");
    ensure!(shown["last_error"] == "no disk", "{shown}");
    ensure!(!shown.to_string().contains(&token), "{shown}");
    Ok(())
}
