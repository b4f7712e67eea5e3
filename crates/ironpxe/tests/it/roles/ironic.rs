//! Ironic's own JSON-RPC client (`ironic.common.json_rpc.client`) against our conductor.

use std::ffi::OsStr;
use std::process::Command;

use ironpxe_testkit::ironic_server::venv;

use super::*;

#[test]
#[ignore = "needs Ironic itself, which `cargo xtask test --full` installs"]
fn ironic_rpc_client_gets_its_script() -> Result<()> {
    let site = RolesFixture::new()?;
    let conductor = site.conductor("one")?;
    let (_api, client) = site.api()?;
    let (node, mac) = enrol(&client, 1)?;
    let script =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/roles/rpc_client.py");
    let endpoint = conductor.base_url().trim_start_matches("http://");
    let args: [&OsStr; 5] = [
        script.as_ref(),
        endpoint.as_ref(),
        node.as_ref(),
        mac.as_ref(),
        "52:54:00:ff:ff:ff".as_ref(),
    ];
    let venv = venv()?;
    let home = tempfile::tempdir()?;
    let output = Command::new("timeout")
        .args(["--kill-after=5", "120"])
        .arg(venv.join("bin/python"))
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen: Value = serde_json::from_slice(&output.stdout)?;
    let reply = &seen["reply"];
    let booted = reply["return"].as_str().unwrap_or_default();
    let request_id = seen["request_id"].as_str().context("no request id")?;
    ensure!(
        booted.starts_with("#!ipxe\n") && booted.contains(request_id),
        "{seen}"
    );
    ensure!(reply["async"] == false && reply["attach"] == true, "{seen}");
    let unknown = &seen["PortNotFound"];
    ensure!(unknown["code"] == 404, "{seen}");
    ensure!(
        unknown["message"] == "Port 52:54:00:ff:ff:ff could not be found.",
        "{seen}"
    );
    ensure!(seen["InvalidParameterValue"]["code"] == 400, "{seen}");
    let expected = json!([
        {"return": true, "async": false, "attach": false},
        null,
        {"boot_device": "pxe", "persistent": true},
        true,
        null,
        true,
        null,
    ]);
    ensure!(seen["methods"] == expected, "{seen}");
    ensure!(client.get(&format!("/v1/nodes/{node}"))?.status == 404);
    ensure!(seen["cast"].is_null(), "{seen}");
    println!("{seen:#}");
    Ok(())
}
