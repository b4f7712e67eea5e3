//! How much one request may ask for: what is not wanted is not parsed, and lists have an end.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::fixture::RestFixture;
use super::recording::{Client, request};
use super::server;

/// The most memory that a process ever had in use, in bytes.
fn peak_memory(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next());
    let kib: u64 = kib.context("no VmHWM")?.parse()?;
    Ok(kib * 1024)
}

/// A megabyte of text that would be tens of megabytes of values.
fn empty_lists(count: usize) -> Vec<u8> {
    let mut lists = "[],".repeat(count);
    lists.pop();
    format!("{{\"target\": \"manage\", \"deploy_steps\": [{lists}]}}").into_bytes()
}

#[tokio::test]
async fn refused_steps_use_little_memory() -> Result<()> {
    let server = server()?;
    let client = Client::new(server.base_url())?;
    let node = json!({ "driver": "fake-hardware", "name": "n1" });
    client.done("POST", "/v1/nodes", &node, 201).await?;
    let before = peak_memory(server.id())?;
    // As values, these take more than 200 MB.
    let body = empty_lists(3_000_000);
    let length = u64::try_from(body.len())?;
    for (node, status, message) in [
        ("nosuch", 404, "Node nosuch could not be found."),
        (
            "n1",
            400,
            "\"deploy_steps\" is only valid when setting target provision state to active or \
             rebuild",
        ),
    ] {
        let ask = request("PUT", &format!("/v1/nodes/{node}/states/provision"), None);
        let answer = client.ask_bytes(&ask, body.clone()).await?;
        ensure!(answer.status == status, "{node}: {}", answer.text);
        ensure!(answer.message() == message, "{node}: {}", answer.text);
    }
    let grown = peak_memory(server.id())?.saturating_sub(before);
    ensure!(
        grown < 8 * length,
        "a request of {length} bytes took {grown} bytes of memory"
    );
    Ok(())
}

#[tokio::test]
async fn too_long_lists_are_refused_and_named() -> Result<()> {
    let lab = RestFixture::new()?;
    let node = lab.node(json!({ "driver": "fake-hardware" })).await?;
    let provision = format!("/v1/nodes/{node}/states/provision");
    lab.expect(202, "PUT", &provision, Some(json!({ "target": "manage" })))
        .await?;
    lab.client.wait_until_free(&node).await?;
    let step = json!({ "interface": "deploy", "step": "erase_devices" });
    let steps = json!({ "target": "clean", "clean_steps": vec![step; 257] });
    let said = lab.refused(400, "PUT", &provision, steps).await?;
    ensure!(
        said == "Expected at most 256 items for clean_steps but received 257",
        "{said}"
    );
    let words: Vec<String> = (0..12_000).map(|word| word.to_string()).collect();
    let list = format!("/v1/nodes?shard={}", words.join(","));
    let answer = lab.ask("GET", &list, None).await?;
    ensure!(answer.status == 400, "{}", answer.text);
    ensure!(
        answer.message() == "Expected at most 500 values for shard but received 12000",
        "{}",
        answer.text
    );
    let operation = json!({ "op": "add", "path": "/extra/a", "value": 1 });
    let path = format!("/v1/nodes/{node}");
    let said = lab
        .refused(400, "PATCH", &path, json!(vec![operation; 1001]))
        .await?;
    ensure!(
        said.contains("the patch has 1001 operations; at most 1000"),
        "{said}"
    );
    let shown = lab.get(&path).await?;
    ensure!(shown["extra"] == json!({}), "{shown}");
    let many = json!({ "driver": "fake-hardware", "extra": { "a": vec![0; 150_000] } });
    let said = lab.refused(400, "POST", "/v1/nodes", many).await?;
    ensure!(said.contains("JSON values; at most 100000"), "{said}");
    Ok(())
}

/// Whatever resource it belongs to, and however it grows.
#[tokio::test]
async fn free_form_field_is_limited_over_many_patches() -> Result<()> {
    let lab = RestFixture::new()?;
    let node = lab.node(json!({ "driver": "fake-hardware" })).await?;
    let port = json!({ "node_uuid": node, "address": "52:54:00:aa:00:01" });
    let port = lab.expect(201, "POST", "/v1/ports", Some(port)).await?;
    let target = json!({
        "node_uuid": node, "volume_type": "iscsi", "boot_index": 0, "volume_id": "1",
    });
    let target = lab
        .expect(201, "POST", "/v1/volume/targets", Some(target))
        .await?;
    let uuid = |of: &Value| of["uuid"].as_str().map(str::to_owned).context("no uuid");
    let half = "x".repeat(600_000);
    for (path, field) in [
        (format!("/v1/nodes/{node}"), "extra"),
        (format!("/v1/nodes/{node}"), "driver_info"),
        (format!("/v1/nodes/{node}"), "instance_info"),
        (format!("/v1/nodes/{node}"), "properties"),
        (format!("/v1/ports/{}", uuid(&port)?), "extra"),
        (format!("/v1/volume/targets/{}", uuid(&target)?), "extra"),
    ] {
        let add = |name: &str, value: Value| json!([{ "op": "add", "path": format!("/{field}/{name}"), "value": value }]);
        lab.expect(200, "PATCH", &path, Some(add("one", json!(half))))
            .await?;
        let before = lab.get(&path).await?;
        let said = lab
            .refused(400, "PATCH", &path, add("two", json!(half)))
            .await?;
        ensure!(
            said.contains(&format!("{field} would have 12000"))
                && said.contains("bytes of JSON; at most 1048576 are allowed"),
            "{path} {field}: {said}"
        );
        ensure!(lab.get(&path).await? == before, "{path} {field}");
        // It can be made smaller, and used again.
        let smaller = json!([{ "op": "remove", "path": format!("/{field}/one") }]);
        lab.expect(200, "PATCH", &path, Some(smaller)).await?;
        lab.expect(200, "PATCH", &path, Some(add("two", json!("y"))))
            .await?;
    }
    Ok(())
}
