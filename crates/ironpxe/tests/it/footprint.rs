//! Booting machines leaves nothing on the disk of the service: all there is stands in the database.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::ServerOptions;
use ironpxe_testkit::writes::Writes;
use serde_json::json;

use crate::app::{self, TIMEOUT};

const MAC: &str = "52:54:00:ff:00:01";
const BOOT_PATH: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";

/// Every file, folder and link in a folder, from there.
fn everything_in(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
            found.insert(entry.path().strip_prefix(folder)?.to_owned());
        }
    }
    Ok(found)
}

fn is_database(path: &Path, state: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.parent() == Some(state) && name.starts_with("ironpxe.sqlite")
}

/// Deploys, cleans, rescues and tears down; the machine asks for its script wherever it boots.
fn a_whole_life(ironic: &Ironic) -> Result<()> {
    let node = json!({
        "driver": "fake-hardware",
        "boot_interface": "ipxe",
        "deploy_interface": "ramdisk",
        "automated_clean": true,
        "inspect_interface": "agent",
        "rescue_interface": "agent",
        "driver_info": {
            "deploy_kernel": "http://192.0.2.1/k", "deploy_ramdisk": "http://192.0.2.1/r",
            "rescue_kernel": "http://192.0.2.1/k", "rescue_ramdisk": "http://192.0.2.1/r",
        },
        "instance_info": {
            "kernel": "http://192.0.2.1/k", "ramdisk": "http://192.0.2.1/r",
        },
    });
    let uuid = ironic.enrol(&node, MAC)?;
    let states = format!("/v1/nodes/{uuid}/states/provision");
    let step = json!([{"interface": "deploy", "step": "erase_devices_metadata"}]);
    for (body, state, boots) in [
        (json!({"target": "manage"}), "manageable", false),
        (json!({"target": "inspect"}), "inspect wait", true),
        (json!({"target": "abort"}), "inspect failed", false),
        (json!({"target": "manage"}), "manageable", false),
        (
            json!({"target": "clean", "clean_steps": step}),
            "clean wait",
            true,
        ),
        (json!({"target": "abort"}), "clean failed", false),
        (json!({"target": "manage"}), "manageable", false),
        (json!({"target": "provide"}), "clean wait", true),
        (json!({"target": "abort"}), "clean failed", false),
        (json!({"target": "manage"}), "manageable", false),
        (json!({"target": "adopt"}), "active", true),
        (json!({"target": "rebuild"}), "active", true),
        (
            json!({"target": "rescue", "rescue_password": "p"}),
            "rescue wait",
            true,
        ),
        (json!({"target": "abort"}), "rescue failed", false),
        (json!({"target": "unrescue"}), "active", true),
        (json!({"target": "deleted"}), "clean wait", true),
        (json!({"target": "abort"}), "clean failed", false),
        (json!({"target": "manage"}), "manageable", false),
    ] {
        ironic.put(&states, &body)?.expect_status(202)?;
        ironic.wait_state(&uuid, state, TIMEOUT)?;
        let script = ironic.get_as_firmware(&format!("{BOOT_PATH}?port_address={MAC}"))?;
        ensure!(script.text.starts_with("#!ipxe\n"), "{state}: {script:?}");
        ensure!(
            script.text.contains("\nkernel ") == boots,
            "{state}: {}",
            script.text
        );
    }
    ironic
        .delete(&format!("/v1/nodes/{uuid}"))?
        .expect_status(204)?;
    Ok(())
}

#[test]
fn only_the_database_is_written() -> Result<()> {
    if !Writes::can_be_watched() {
        println!("skipped: watching what a process writes needs root");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let state = folder.path().canonicalize()?;
    // A file is what can be told from others; another database has its own.
    let connection = format!("sqlite:////{}", state.join("ironpxe.sqlite").display());
    let options = ServerOptions::default()
        .state_dir(&state)
        .database(connection);
    let mut server = app::start(&options)?;
    let writes = Writes::of(server.id(), &[Path::new("/"), &state])?;
    a_whole_life(&Ironic::new(server.base_url())?)?;
    server.terminate()?;

    let written = writes.end()?;
    ensure!(!written.is_empty(), "not even the database was seen");
    for path in &written {
        ensure!(is_database(path, &state), "{} was written", path.display());
    }
    for path in everything_in(&state)? {
        ensure!(
            is_database(&state.join(&path), &state),
            "{} is left",
            path.display()
        );
    }
    Ok(())
}
