//! Describing what a node boots over the network.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::CliFixture;

fn node(lab: &CliFixture, name: &str) -> Result<String> {
    let node = [
        "node",
        "create",
        "--driver",
        "fake-hardware",
        "--name",
        name,
    ];
    let uuid = lab.json(&node)?["uuid"].as_str().map(str::to_owned);
    uuid.context("a node without a uuid")
}

fn uuid(resource: &Value) -> Result<&str> {
    resource["uuid"].as_str().context("no uuid")
}

#[test]
fn cli_manages_volume_connectors() -> Result<()> {
    let lab = CliFixture::start()?;
    let (oak, elm) = (node(&lab, "oak")?, node(&lab, "elm")?);
    let create = ["volume", "connector", "create", "--type", "iqn"];
    let iqn = "iqn.2026-01.org.example:oak";
    let made = lab.json(
        &[
            &create[..],
            &["--node", &oak, "--connector-id", iqn, "--extra", "rack=7"],
        ]
        .concat(),
    )?;
    assert_eq!(made["node_uuid"], oak.as_str());
    assert_eq!(made["type"], "iqn");
    assert_eq!(made["connector_id"], iqn);
    assert_eq!(made["extra"], json!({"rack": 7}));
    let connector = uuid(&made)?;
    let words = lab.refused(&[&create[..], &["--node", &elm, "--connector-id", iqn]].concat())?;
    let wanted = format!(
        "A volume connector with type iqn and connector ID {iqn} already exists. (HTTP 409)"
    );
    assert!(words.contains(&wanted), "{words}");
    lab.ok(&[&create[..], &["--node", &elm, "--connector-id", "iqn.elm"]].concat())?;

    let row = json!([{"uuid": connector, "node_uuid": oak, "type": "iqn", "connector_id": iqn}]);
    let list = ["volume", "connector", "list"];
    assert_eq!(lab.json(&[&list[..], &["--node", "oak"]].concat())?, row);
    // The command sorts what it got by itself.
    let sorted = ["--sort", "connector_id:desc", "--fields", "connector_id"];
    assert_eq!(
        lab.json(&[&list[..], &sorted].concat())?,
        json!([{"connector_id": "iqn.elm"}, {"connector_id": iqn}])
    );
    let first = ["--limit", "1", "--fields", "connector_id"];
    assert_eq!(
        lab.json(&[&list[..], &first].concat())?,
        json!([{"connector_id": iqn}])
    );
    let after = ["--marker", connector, "--fields", "connector_id"];
    assert_eq!(
        lab.json(&[&list[..], &after].concat())?,
        json!([{"connector_id": "iqn.elm"}])
    );
    let long = lab.json(&[&list[..], &["--long", "--node", &oak]].concat())?;
    assert_eq!(long[0]["extra"], json!({"rack": 7}));

    let set = ["volume", "connector", "set", connector];
    let values = ["--type", "mac", "--connector-id", "52:54:00:c1:00:01"];
    lab.ok(&[&set[..], &values, &["--extra", "row=2", "--node", &elm]].concat())?;
    lab.ok(&["volume", "connector", "unset", connector, "--extra", "rack"])?;
    let fields = ["type", "connector_id", "extra", "node_uuid"];
    let show = ["volume", "connector", "show", connector, "--fields"];
    assert_eq!(
        lab.json(&[&show[..], &fields].concat())?,
        json!({
            "type": "mac",
            "connector_id": "52:54:00:c1:00:01",
            "extra": {"row": 2},
            "node_uuid": elm,
        })
    );

    assert_eq!(
        lab.ok(&["volume", "connector", "delete", connector])?,
        format!("Deleted volume connector {connector}")
    );
    let words = lab.refused(&["volume", "connector", "show", connector])?;
    let wanted = format!("Volume connector {connector} could not be found. (HTTP 404)");
    assert!(words.contains(&wanted), "{words}");
    Ok(())
}

#[test]
fn cli_manages_volume_targets() -> Result<()> {
    let lab = CliFixture::start()?;
    let oak = node(&lab, "oak")?;
    let create = [
        "volume", "target", "create", "--type", "iscsi", "--node", &oak,
    ];
    let made = lab.json(
        &[
            &create[..],
            &["--boot-index", "0", "--volume-id", "04452bed"],
            &["--property", "target_iqn=iqn.2026-01.org.example:disk"],
            &["--property", "target_portal=192.0.2.9:3260"],
            &["--property", "target_lun=1"],
            &[
                "--property",
                "auth_username=u",
                "--property",
                "auth_password=hush",
            ],
        ]
        .concat(),
    )?;
    let properties = json!({
        "target_iqn": "iqn.2026-01.org.example:disk",
        "target_portal": "192.0.2.9:3260",
        "target_lun": 1,
        "auth_username": "u",
        "auth_password": "******",
    });
    assert_eq!(made["properties"], properties);
    assert_eq!(made["boot_index"], 0);
    assert_eq!(made["volume_type"], "iscsi");
    assert_eq!(made["volume_id"], "04452bed");
    let target = uuid(&made)?;
    let taken = ["--boot-index", "0", "--volume-id", "other"];
    let words = lab.refused(&[&create[..], &taken].concat())?;
    let wanted = "A volume target with boot index '0' for the same node already exists. (HTTP 409)";
    assert!(words.contains(wanted), "{words}");

    let list = ["volume", "target", "list", "--node", "oak"];
    assert_eq!(
        lab.json(&list)?,
        json!([{
            "uuid": target,
            "node_uuid": oak,
            "volume_type": "iscsi",
            "boot_index": 0,
            "volume_id": "04452bed",
        }])
    );
    let long = lab.json(&[&list[..], &["--long"]].concat())?;
    assert_eq!(long[0]["properties"], properties);

    let set = ["volume", "target", "set", target];
    let values = [
        "--boot-index",
        "1",
        "--volume-id",
        "disk-2",
        "--type",
        "fibre_channel",
    ];
    let more = ["--property", "auth_password=quiet", "--extra", "row=2"];
    lab.ok(&[&set[..], &values, &more, &["--property", "target_lun=2"]].concat())?;
    let unset = [
        "volume",
        "target",
        "unset",
        target,
        "--property",
        "auth_username",
    ];
    lab.ok(&[&unset[..], &["--extra", "row"]].concat())?;
    let show = ["volume", "target", "show", target, "--fields"];
    let fields = [
        "boot_index",
        "volume_id",
        "volume_type",
        "extra",
        "properties",
    ];
    assert_eq!(
        lab.json(&[&show[..], &fields].concat())?,
        json!({
            "boot_index": 1,
            "volume_id": "disk-2",
            "volume_type": "fibre_channel",
            "extra": {},
            "properties": {
                "target_iqn": "iqn.2026-01.org.example:disk",
                "target_portal": "192.0.2.9:3260",
                "target_lun": 2,
                "auth_password": "******",
            },
        })
    );

    lab.ok(&["node", "power", "on", "oak"])?;
    let words = lab.refused(&[&set[..], &["--volume-id", "disk-3"]].concat())?;
    assert!(
        words.contains(&oak) && words.contains("(HTTP 400)"),
        "{words}"
    );
    lab.ok(&["node", "power", "off", "oak"])?;
    assert_eq!(
        lab.ok(&["volume", "target", "delete", target])?,
        format!("Deleted volume target {target}")
    );
    assert_eq!(lab.json(&list)?, json!([]));
    Ok(())
}
