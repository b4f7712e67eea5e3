//! Looking for nodes and ports, changing them, and being refused.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::CliFixture;

#[test]
fn cli_lists_nodes_and_ports() -> Result<()> {
    let lab = CliFixture::start()?;
    // One file with everything, as larger sites enrol.
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("nodes.json");
    let node = |name: &str, mac: &str| json!({"driver": "fake-hardware", "name": name, "ports": [{"address": mac}]});
    let nodes = [
        node("birch", "52:54:00:c1:00:0b"),
        node("alder", "52:54:00:c1:00:0a"),
        node("cedar", "52:54:00:c1:00:0c"),
    ];
    std::fs::write(&file, json!({ "nodes": nodes }).to_string())?;
    lab.ok(&["create", file.to_str().context("a path that is no text")?])?;

    // The command sorts what it got; in which order the server counts shows in limit and marker.
    assert_eq!(lab.names(&["--sort", "name"])?, ["alder", "birch", "cedar"]);
    assert_eq!(
        lab.names(&["--sort", "name:desc", "--limit", "2"])?,
        ["birch", "alder"]
    );
    assert_eq!(lab.names(&[])?, ["birch", "alder", "cedar"]);
    let alder = lab.show("alder", &["uuid"])?;
    let alder = alder["uuid"].as_str().context("a node without a uuid")?;
    assert_eq!(lab.names(&["--marker", alder, "--limit", "1"])?, ["cedar"]);

    lab.ok(&["node", "manage", "--wait", "120", "birch", "cedar"])?;
    let manageable = [
        "--provision-state",
        "manageable",
        "--driver",
        "fake-hardware",
    ];
    assert_eq!(
        lab.names(&[&manageable[..], &["--sort", "name"]].concat())?,
        ["birch", "cedar"]
    );
    assert_eq!(lab.names(&["--provision-state", "enroll"])?, ["alder"]);
    assert!(lab.names(&["--driver", "ipmi"])?.is_empty());
    let long = lab.json(&["node", "list", "--long", "--provision-state", "enroll"])?;
    assert_eq!(long[0]["uuid"], alder);
    assert_eq!(long[0]["boot_interface"], "fake");
    let rows = lab.json(&["node", "list", "--provision-state", "enroll"])?;
    let wanted = json!([{
        "uuid": alder,
        "name": "alder",
        "instance_uuid": null,
        "power_state": null,
        "provision_state": "enroll",
        "maintenance": false,
    }]);
    assert_eq!(rows, wanted);

    let by_address = lab.json(&["port", "list", "--address", "52:54:00:c1:00:0a"])?;
    let port = by_address[0]["uuid"]
        .as_str()
        .context("a port without a uuid")?;
    let by_node = lab.json(&[
        "port", "list", "--node", "alder", "--fields", "uuid", "address",
    ])?;
    assert_eq!(
        by_node,
        json!([{"uuid": port, "address": "52:54:00:c1:00:0a"}])
    );
    assert_eq!(
        lab.json(&["port", "list", "--address", "52:54:00:c1:00:ff"])?,
        json!([])
    );

    lab.ok(&[
        "port",
        "set",
        port,
        "--address",
        "52:54:00:c1:00:1a",
        "--pxe-disabled",
    ])?;
    let changed = lab.json(&["port", "show", "--address", "52:54:00:c1:00:1a"])?;
    assert_eq!(changed["node_uuid"], alder);
    assert_eq!(changed["pxe_enabled"], false);
    assert_eq!(
        lab.ok(&["port", "delete", port])?,
        format!("Deleted port {port}")
    );

    let gone = lab.ok(&["node", "delete", "alder", "birch", "cedar"])?;
    assert_eq!(
        gone,
        "Deleted node alder\nDeleted node birch\nDeleted node cedar"
    );
    Ok(())
}

#[test]
fn cli_changes_nodes_and_shows_refusals() -> Result<()> {
    let lab = CliFixture::start()?;
    let created = lab.json(&[
        "node",
        "create",
        "--driver",
        "fake-hardware",
        "--name",
        "oak",
    ])?;
    let uuid = created["uuid"].as_str().context("a node without a uuid")?;

    lab.ok(&[
        &[
            "node",
            "set",
            "oak",
            "--name",
            "elm",
            "--description",
            "second row, at the wall",
        ][..],
        &["--extra", "rack=7", "--extra", r#"cables={"left": [1, 2]}"#],
        &["--property", "cpu_arch=aarch64"],
    ]
    .concat())?;
    assert_eq!(
        lab.show(
            "elm",
            &["uuid", "name", "description", "extra", "properties"]
        )?,
        json!({
            "uuid": uuid,
            "name": "elm",
            "description": "second row, at the wall",
            "extra": {"rack": 7, "cables": {"left": [1, 2]}},
            "properties": {"cpu_arch": "aarch64"},
        })
    );
    lab.ok(&[
        "node",
        "unset",
        "elm",
        "--name",
        "--extra",
        "rack",
        "--property",
        "cpu_arch",
    ])?;
    assert_eq!(
        lab.show(uuid, &["name", "extra", "properties"])?,
        json!({"name": null, "extra": {"cables": {"left": [1, 2]}}, "properties": {}})
    );

    lab.ok(&["node", "set", uuid, "--name", "ash"])?;
    lab.ok(&["port", "create", "52:54:00:c1:00:05", "--node", uuid])?;
    let cases: &[(&[&str], &str)] = &[
        (
            &["node", "show", "unknown"],
            "Node unknown could not be found. (HTTP 404)",
        ),
        (
            &["node", "power", "on", "unknown"],
            "Node unknown could not be found. (HTTP 404)",
        ),
        (
            &[
                "node",
                "create",
                "--driver",
                "fake-hardware",
                "--name",
                "ash",
            ],
            "A node with name ash already exists. (HTTP 409)",
        ),
        (
            &["node", "create", "--driver", "nothing"],
            "No valid host was found. Reason: No conductor service registered which supports \
             driver nothing",
        ),
        (
            &["port", "create", "52:54:00:c1:00:05", "--node", uuid],
            "A port with MAC address 52:54:00:c1:00:05 already exists. (HTTP 409)",
        ),
        (
            &["port", "create", "52-54-00-c1-00-06", "--node", uuid],
            "Expected valid MAC address for address: 52-54-00-c1-00-06 (HTTP 400)",
        ),
        (
            &["node", "deploy", "ash"],
            "while it is in state \"enroll\". (HTTP 400)",
        ),
        (
            &["node", "unset", "ash", "--extra", "nothing"],
            "can't remove a non-existent object",
        ),
    ];
    for (args, wanted) in cases {
        let words = lab.refused(args)?;
        assert!(words.contains(wanted), "{}: {words}", args.join(" "));
        assert!(
            words.contains("(Request-ID: req-"),
            "{}: {words}",
            args.join(" ")
        );
    }
    Ok(())
}

#[test]
fn cli_attaches_vifs_to_ports() -> Result<()> {
    const VIF: &str = "aaaaaaaa-0000-4000-8000-000000000001";
    let lab = CliFixture::start()?;
    let create = [
        "node",
        "create",
        "--driver",
        "fake-hardware",
        "--name",
        "oak",
    ];
    let created = lab.json(&create)?;
    let node = created["uuid"].as_str().context("a node without a uuid")?;
    let port = |mac: &str| lab.json(&["port", "create", mac, "--node", node]);
    port("52:54:00:c1:00:07")?;
    let second = port("52:54:00:c1:00:08")?;
    let second = second["uuid"].as_str().context("a port without a uuid")?;

    let attach = ["node", "vif", "attach", "oak", VIF, "--port-uuid", second];
    lab.ok(&attach)?;
    let list = ["node", "vif", "list", "oak"];
    assert_eq!(lab.json(&list)?, json!([{"id": VIF}]));
    let info = lab.json(&["port", "show", second, "--fields", "internal_info"])?;
    assert_eq!(info["internal_info"], json!({"tenant_vif_port_id": VIF}));
    let refused = lab.refused(&["node", "vif", "attach", "oak", VIF])?;
    let there = format!("VIF {VIF} is already attached to Ironic Port {second}");
    assert!(refused.contains(&there), "{refused}");

    lab.ok(&["node", "vif", "detach", "oak", VIF])?;
    assert_eq!(lab.json(&list)?, json!([]));
    let refused = lab.refused(&["node", "vif", "detach", "oak", VIF])?;
    let gone = format!("from node {node} because it is not attached to it. (HTTP 400)");
    assert!(refused.contains(&gone), "{refused}");
    Ok(())
}
