//! Nodes as a client works with them, beyond what the recordings show.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::fixture::{RestFixture, lab, names};

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() -> Result<()> {
    let lab = RestFixture::new()?;
    for (name, class, owner) in [
        ("c", "big", "p1"),
        ("a", "small", "p1"),
        ("d", "big", "p 2"),
        ("b", "big", "p 2"),
    ] {
        let driver = if name == "a" {
            "manual-management"
        } else {
            "fake-hardware"
        };
        lab.node(json!({
            "driver": driver, "name": name, "resource_class": class,
            "description": format!("rack {name}"), "maintenance": name == "d",
        }))
        .await?;
        let own = json!([{ "op": "add", "path": "/owner", "value": owner }]);
        lab.expect(200, "PATCH", &format!("/v1/nodes/{name}"), Some(own))
            .await?;
    }
    for (query, expected) in [
        ("", vec!["c", "a", "d", "b"]),
        ("sort_key=name", vec!["a", "b", "c", "d"]),
        ("sort_key=name&sort_dir=desc", vec!["d", "c", "b", "a"]),
        ("resource_class=big", vec!["c", "d", "b"]),
        (
            "resource_class=big&owner=p%202&sort_key=name",
            vec!["b", "d"],
        ),
        ("driver=manual-management", vec!["a"]),
        ("maintenance=true", vec!["d"]),
        ("maintenance=0", vec!["c", "a", "b"]),
        ("associated=true", vec![]),
        ("description_contains=rack%20a", vec!["a"]),
        ("conductor=lab-conductor-1", vec!["c", "a", "d", "b"]),
        ("conductor=unknown", vec![]),
        ("provision_state=active", vec![]),
    ] {
        let list = lab.get(&format!("/v1/nodes?{query}")).await?;
        ensure!(names(&list) == expected, "{query}: {:?}", names(&list));
    }

    // Following the links visits every node once, and keeps the filter on the way.
    let mut path = "/v1/nodes?limit=1&owner=p%202&sort_key=name&fields=name".to_owned();
    let mut visited = Vec::new();
    loop {
        let page = lab.get(&path).await?;
        visited.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = next
            .splitn(4, '/')
            .nth(3)
            .map(|rest| format!("/{rest}"))
            .context("no path")?;
        ensure!(visited.len() < 10, "the pages do not end");
    }
    ensure!(visited == ["b", "d"], "{visited:?}");

    let unknown = "11111111-2222-4333-8444-555555555555";
    let answer = lab
        .ask("GET", &format!("/v1/nodes?marker={unknown}"), None)
        .await?;
    ensure!(answer.status == 404, "{}", answer.text);
    let answer = lab.at("1.15", "GET", "/v1/nodes?driver=x").await?;
    ensure!(
        answer.status == 406 && answer.message().ends_with("should be 1.16"),
        "{answer:?}"
    );
    Ok(())
}

#[tokio::test]
async fn secrets_are_never_returned() -> Result<()> {
    let lab = RestFixture::new()?;
    let node = json!({
        "driver": "fake-hardware", "name": "n1",
        "driver_info": { "redfish_password": "hidden-1", "deploy_kernel": "http://h/k" },
        "instance_info": { "image_url": "http://s/hidden-2", "configdrive": "hidden-3" },
    });
    lab.node(node).await?;
    let patch = json!([{ "op": "add", "path": "/driver_info/snmp_auth_key", "value": "hidden-4" }]);
    let patched = lab
        .expect(200, "PATCH", "/v1/nodes/n1", Some(patch))
        .await?;
    for shown in [
        patched,
        lab.get("/v1/nodes/n1").await?,
        lab.get("/v1/nodes/detail").await?,
        lab.get("/v1/nodes?fields=driver_info,instance_info")
            .await?,
    ] {
        ensure!(!shown.to_string().contains("hidden"), "{shown}");
        ensure!(shown.to_string().contains("******"), "{shown}");
    }
    Ok(())
}

#[tokio::test]
async fn traits_and_maintenance_are_set_and_cleared() -> Result<()> {
    let lab = RestFixture::new()?;
    let uuid = lab
        .node(json!({ "driver": "fake-hardware", "name": "n1" }))
        .await?;
    let traits = "/v1/nodes/n1/traits";
    let body = json!({ "traits": ["CUSTOM_B", "HW_CPU_X86_VMX"] });
    lab.expect(204, "PUT", traits, Some(body)).await?;
    lab.expect(204, "PUT", &format!("{traits}/CUSTOM_A"), None)
        .await?;
    lab.expect(204, "DELETE", &format!("{traits}/CUSTOM_B"), None)
        .await?;
    let listed = lab.get(traits).await?;
    ensure!(
        listed == json!({ "traits": ["CUSTOM_A", "HW_CPU_X86_VMX"] }),
        "{listed}"
    );
    let gone = lab
        .ask("DELETE", &format!("{traits}/CUSTOM_B"), None)
        .await?;
    ensure!(gone.status == 404, "{}", gone.text);
    ensure!(
        gone.message() == format!("Node {uuid} doesn't have a trait 'CUSTOM_B'"),
        "{gone:?}"
    );
    lab.expect(204, "DELETE", traits, None).await?;
    ensure!(
        lab.get(traits).await? == json!({ "traits": [] }),
        "traits are left"
    );
    ensure!(
        lab.at("1.36", "GET", traits).await?.status == 406,
        "traits came with 1.37"
    );

    let maintenance = "/v1/nodes/n1/maintenance";
    lab.expect(202, "PUT", maintenance, Some(json!({ "reason": "disk" })))
        .await?;
    let node = lab
        .get("/v1/nodes/n1?fields=maintenance,maintenance_reason")
        .await?;
    ensure!(
        node["maintenance"] == true && node["maintenance_reason"] == "disk",
        "{node}"
    );
    lab.expect(202, "DELETE", maintenance, None).await?;
    let node = lab
        .get("/v1/nodes/n1?fields=maintenance,maintenance_reason")
        .await?;
    ensure!(
        node["maintenance"] == false && node["maintenance_reason"].is_null(),
        "{node}"
    );
    Ok(())
}

#[tokio::test]
async fn invalid_provision_requests_are_refused_before_work_starts() -> Result<()> {
    let lab = RestFixture::new()?;
    lab.node(json!({ "driver": "fake-hardware", "name": "n1" }))
        .await?;
    let path = "/v1/nodes/n1/states/provision";
    lab.expect(202, "PUT", path, Some(json!({ "target": "manage" })))
        .await?;
    lab.client.wait_until_free("n1").await?;
    let step = json!({ "interface": "deploy", "step": "erase_devices" });
    for (body, words) in [
        (json!({ "target": "clean" }), "\"clean_steps\" is required"),
        (
            json!({ "target": "clean", "clean_steps": [{ "step": "x" }] }),
            "'interface' is a required",
        ),
        (
            json!({ "target": "provide", "clean_steps": [step] }),
            "\"clean_steps\" is only valid",
        ),
        (
            json!({ "target": "provide", "rescue_password": "x" }),
            "\"rescue_password\" is only valid",
        ),
        (
            json!({ "target": "provide", "configdrive": "QUFB" }),
            "Adding a config drive is only",
        ),
        (
            json!({ "target": "provide", "disable_ramdisk": true }),
            "disable_ramdisk is supported only",
        ),
        (
            json!({ "target": "provide", "deploy_steps": [1] }),
            "\"deploy_steps\" is only valid",
        ),
        (json!({ "target": "active" }), "can not be performed"),
        (
            json!({ "target": "explode" }),
            "The requested action \"explode\" can not be performed",
        ),
        (
            json!({ "target": "provide", "zzz": 1 }),
            "Unexpected arguments: zzz",
        ),
    ] {
        let message = lab.refused(400, "PUT", path, body).await?;
        ensure!(message.contains(words), "{message}");
    }
    ensure!(
        lab.get("/v1/nodes/n1/states").await?["provision_state"] == "manageable",
        "it moved"
    );
    let runbook = json!({ "target": "clean", "runbook": "r" });
    lab.refused(501, "PUT", path, runbook).await?;
    Ok(())
}

#[tokio::test]
async fn patch_is_applied_completely_or_refused_with_the_field() -> Result<()> {
    let lab = RestFixture::new()?;
    let one = lab
        .node(json!({ "driver": "fake-hardware", "name": "n1" }))
        .await?;
    lab.node(json!({ "driver": "fake-hardware", "name": "n2" }))
        .await?;
    for (status, patch, words) in [
        (
            409,
            json!([{ "op": "add", "path": "/name", "value": "n2" }]),
            "A node with name n2",
        ),
        (
            400,
            json!([{ "op": "add", "path": "/name", "value": "a b" }]),
            "Node n1: Cannot change name to invalid name 'a b'",
        ),
        (
            400,
            json!([{ "op": "add", "path": "/name", "value": "states" }]),
            "The word \"states\" is reserved",
        ),
        (
            400,
            json!([{ "op": "add", "path": "/reservation", "value": "x" }]),
            "Cannot patch /reservation.",
        ),
        (
            400,
            json!([{ "op": "add", "path": "/boot_interface", "value": "x" }]),
            "x. Valid interfaces are",
        ),
        (
            400,
            json!([{ "op": "add", "path": "/parent_node", "value": "n9" }]),
            "parent_node 'n9'. Requested value was invalid.",
        ),
        (
            400,
            json!([{ "op": "add", "path": "/extra/a", "value": 1 }, { "op": "remove", "path": "/extra/b" }]),
            "can't remove a non-existent object 'b'",
        ),
    ] {
        let message = lab.refused(status, "PATCH", "/v1/nodes/n1", patch).await?;
        ensure!(message.contains(words), "{message}");
    }
    let node = lab.get("/v1/nodes/n1").await?;
    ensure!(node["extra"] == json!({}) && node["name"] == "n1", "{node}");

    let child = json!([{ "op": "add", "path": "/parent_node", "value": "n1" }]);
    let child = lab
        .expect(200, "PATCH", "/v1/nodes/n2", Some(child))
        .await?;
    ensure!(child["parent_node"] == json!(one), "{child}");
    ensure!(
        names(&lab.get("/v1/nodes").await?) == ["n1"],
        "children are listed"
    );
    ensure!(
        names(&lab.get("/v1/nodes?include_children=true").await?) == ["n1", "n2"],
        "no children"
    );
    ensure!(
        names(&lab.get("/v1/nodes?parent_node=n1").await?) == ["n2"],
        "no child"
    );
    let children = lab.get("/v1/nodes/n1/children").await?;
    ensure!(children["children"] == json!([child["uuid"]]), "{children}");

    let reset = "/v1/nodes/n1?reset_interfaces=true";
    let driver = json!([{ "op": "replace", "path": "/driver", "value": "manual-management" }]);
    let node = lab.expect(200, "PATCH", reset, Some(driver)).await?;
    ensure!(node["vendor_interface"] == "no-vendor", "{node}");
    let other = json!([{ "op": "add", "path": "/extra/a", "value": 1 }]);
    let message = lab.refused(400, "PATCH", reset, other).await?;
    ensure!(
        message.contains("reset_interfaces parameter can only be used"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn owner_needs_an_authenticated_project() -> Result<()> {
    let lab = RestFixture::new()?;
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
async fn empty_network_data_counts_as_unset() -> Result<()> {
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
