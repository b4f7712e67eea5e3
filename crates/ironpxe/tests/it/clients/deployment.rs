//! A machine's life: enrolled, deployed, switched on and off, taken back, deleted.

use anyhow::Result;
use serde_json::json;

use super::{CliFixture, IMAGE};

#[test]
fn cli_deploys_a_ramdisk_and_undeploys_it() -> Result<()> {
    let lab = CliFixture::start()?;
    lab.available_node("larch", "52:54:00:c1:00:01", "ramdisk")?;

    let (valid, reason) = lab.validated("larch", "deploy")?;
    assert!(!valid, "a node without an image cannot be deployed");
    assert!(
        reason.contains("instance_info.kernel and instance_info.ramdisk not set"),
        "{reason}"
    );

    lab.ok(&[
        &["node", "set", "larch"][..],
        &["--instance-info", "kernel=http://192.0.2.1/live/kernel"],
        &["--instance-info", "ramdisk=http://192.0.2.1/live/ramdisk"],
    ]
    .concat())?;
    for interface in ["boot", "deploy", "power", "management"] {
        let (valid, reason) = lab.validated("larch", interface)?;
        assert!(valid, "{interface}: {reason}");
    }
    lab.ok(&["node", "deploy", "--wait", "120", "larch"])?;
    assert_eq!(
        lab.show(
            "larch",
            &["provision_state", "target_provision_state", "power_state"]
        )?,
        json!({
            "provision_state": "active",
            "target_provision_state": null,
            "power_state": "power on",
        })
    );

    lab.ok(&[
        "node",
        "boot",
        "device",
        "set",
        "larch",
        "pxe",
        "--persistent",
    ])?;
    let device = lab.json(&["node", "boot", "device", "show", "larch"])?;
    assert_eq!(device["boot_device"], "pxe");
    let supported = lab.json(&["node", "boot", "device", "show", "--supported", "larch"])?;
    let supported = supported["supported_boot_devices"]
        .as_str()
        .unwrap_or_default();
    assert!(supported.contains("pxe"), "{supported}");

    for (command, state) in [("off", "power off"), ("on", "power on")] {
        lab.ok(&["node", "power", command, "--power-timeout", "120", "larch"])?;
        lab.wait_for("larch", "power_state", state)?;
    }
    lab.ok(&["node", "reboot", "larch"])?;
    lab.wait_for("larch", "power_state", "power on")?;

    lab.ok(&["node", "undeploy", "--wait", "120", "larch"])?;
    assert_eq!(
        lab.show(
            "larch",
            &["provision_state", "power_state", "instance_info"]
        )?,
        json!({"provision_state": "available", "power_state": "power off", "instance_info": {}})
    );
    assert_eq!(lab.ok(&["node", "delete", "larch"])?, "Deleted node larch");
    assert_eq!(lab.json(&["port", "list"])?, json!([]));
    Ok(())
}

#[test]
fn cli_deploys_until_wait_call_back() -> Result<()> {
    let lab = CliFixture::start()?;
    let uuid = lab.available_node("maple", "52:54:00:C1:00:02", "direct")?;

    let words = lab.refused(&["node", "deploy", "maple"])?;
    assert!(
        words.contains("Failed to validate deploy or power info for node"),
        "{words}"
    );
    assert!(words.contains("instance_info.image_source"), "{words}");

    let source = format!("image_source={IMAGE}");
    lab.ok(&[
        &["node", "set", "maple", "--instance-info", &source][..],
        &["--instance-info", "image_disk_format=raw"],
        &[
            "--instance-info",
            "image_checksum=d41d8cd98f00b204e9800998ecf8427e",
        ],
    ]
    .concat())?;
    lab.ok(&["node", "deploy", "maple"])?;
    lab.wait_for("maple", "provision_state", "wait call-back")?;
    assert_eq!(
        lab.show(
            "maple",
            &["target_provision_state", "power_state", "last_error"]
        )?,
        json!({"target_provision_state": "active", "power_state": "power on", "last_error": null})
    );

    let words = lab.refused(&["node", "delete", "maple"])?;
    let wanted = format!(
        "Can not delete node \"{uuid}\" while it is in provision state \"wait call-back\"."
    );
    assert!(words.contains(&wanted), "{words}");
    let words = lab.refused(&["node", "provide", "maple"])?;
    let wanted = format!(
        "The requested action \"provide\" can not be performed on node \"{uuid}\" while it is in \
         state \"wait call-back\". (HTTP 400)"
    );
    assert!(words.contains(&wanted), "{words}");

    lab.ok(&[
        "node",
        "maintenance",
        "set",
        "maple",
        "--reason",
        "a loud fan",
    ])?;
    assert_eq!(
        lab.show("maple", &["maintenance", "maintenance_reason"])?,
        json!({"maintenance": true, "maintenance_reason": "a loud fan"})
    );
    assert_eq!(lab.names(&["--maintenance"])?, ["maple"]);
    lab.ok(&["node", "maintenance", "unset", "maple"])?;
    assert_eq!(
        lab.show("maple", &["maintenance", "maintenance_reason"])?,
        json!({"maintenance": false, "maintenance_reason": null})
    );

    lab.ok(&["node", "undeploy", "--wait", "120", "maple"])?;
    lab.ok(&["node", "delete", "maple"])?;
    let words = lab.refused(&["node", "show", "maple"])?;
    assert!(
        words.contains("Node maple could not be found. (HTTP 404)"),
        "{words}"
    );
    Ok(())
}
