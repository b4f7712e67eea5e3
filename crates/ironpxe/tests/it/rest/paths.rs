//! Methods, paths and arguments as clients and firmware spell them.

use anyhow::{Result, ensure};
use serde_json::json;

use super::fixture::RestFixture;

#[tokio::test]
async fn head_options_and_short_paths_are_answered() -> Result<()> {
    let lab = RestFixture::new()?;
    lab.node(json!({ "driver": "fake-hardware", "name": "n1" }))
        .await?;
    let long = lab.get("/v1/nodes/n1").await?;
    for path in [
        "/nodes/n1",
        "/v1/nodes/n1/",
        "//v1//nodes//n1",
        "/nodes/n1/",
    ] {
        ensure!(lab.get(path).await? == long, "{path}");
    }
    let head = lab.ask("HEAD", "/v1/nodes/n1", None).await?;
    let get = lab.ask("GET", "/v1/nodes/n1", None).await?;
    ensure!(head.status == 200 && head.text.is_empty(), "{head:?}");
    ensure!(
        head.headers["content-length"] == get.headers["content-length"],
        "{head:?}"
    );
    let options = lab.ask("OPTIONS", "/v1/nodes/n1", None).await?;
    ensure!(
        options.status == 200 && options.text.is_empty(),
        "{options:?}"
    );
    let deleted = lab.ask("DELETE", "/v1/nodes/n1", None).await?;
    ensure!(
        deleted.status == 204 && !deleted.headers.contains_key("content-type"),
        "{deleted:?}"
    );
    Ok(())
}

#[tokio::test]
async fn boot_arguments_are_read_from_query_and_body() -> Result<()> {
    let lab = RestFixture::new()?;
    let uuid = lab
        .node(json!({ "driver": "fake-hardware", "name": "n1" }))
        .await?;
    let path = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
    let by_query = lab
        .ask("GET", &format!("{path}?node_uuid={uuid}"), None)
        .await?;
    let by_body = lab
        .ask("GET", path, Some(json!({ "node_uuid": uuid })))
        .await?;
    for answer in [&by_query, &by_body] {
        ensure!(
            answer.status == 200 && answer.text.starts_with("#!ipxe\n"),
            "{answer:?}"
        );
        ensure!(
            answer.headers["content-type"] == "text/plain; charset=utf-8",
            "{answer:?}"
        );
        ensure!(answer.headers["cache-control"] == "no-store", "{answer:?}");
        ensure!(
            answer.headers["content-length"] == answer.text.len().to_string(),
            "{answer:?}"
        );
    }
    let head = lab
        .ask("HEAD", &format!("{path}?node_uuid={uuid}"), None)
        .await?;
    ensure!(head.status == 200 && head.text.is_empty(), "{head:?}");
    ensure!(
        lab.ask("PUT", path, None).await?.status == 400,
        "PUT is not declared"
    );
    ensure!(
        lab.ask("GET", &format!("{path}/more"), None).await?.status == 404,
        "a path behind it"
    );
    Ok(())
}
