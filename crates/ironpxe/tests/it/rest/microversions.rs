//! What depends on the microversion, whichever resource it is.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::fixture::{is, lab, port};

/// Method, path, version, status.
type Old = (&'static str, &'static str, &'static str, u16);

#[tokio::test]
async fn json_suffix_is_accepted_below_1_91() -> Result<()> {
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
async fn next_link_works_in_every_version() -> Result<()> {
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
async fn later_features_are_refused_to_older_clients_like_in_ironic() -> Result<()> {
    let (lab, _) = lab().await?;
    let table: [Old; 47] = [
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
        // Whatever the method: there is no such path yet.
        ("PUT", "/v1/nodes/n1/vmedia", "1.88", 404),
        ("PUT", "/v1/nodes/n1/vmedia", "1.89", 405),
        ("PUT", "/v1/nodes/a%20b/vmedia", "1.88", 400),
        ("POST", "/v1/nodes/n1/vifs", "1.27", 404),
        ("POST", "/v1/nodes/n1/vifs", "1.28", 400),
        ("PUT", "/v1/nodes/n1/vifs", "1.27", 404),
        ("PUT", "/v1/nodes/n1/vifs", "1.28", 405),
        ("PUT", "/v1/nodes/n1/vifs/a", "1.27", 404),
        ("PUT", "/v1/nodes/n1/allocation", "1.51", 404),
        ("PUT", "/v1/nodes/n1/bios", "1.39", 404),
        ("PUT", "/v1/nodes/n1/firmware", "1.85", 404),
        ("PUT", "/v1/nodes/n1/history", "1.77", 404),
        ("PUT", "/v1/nodes/n1/inventory", "1.80", 404),
        ("PUT", "/v1/nodes/n1/portgroups", "1.23", 404),
        ("GET", "/v1/nodes/n1/portgroups/detail", "1.23", 404),
        ("GET", "/v1/nodes/n1/portgroups/detail", "1.24", 200),
        ("GET", "/v1/nodes/states/console/n1", "1.5", 200),
        ("GET", "/v1/nodes/states/console/n2", "1.5", 404),
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
