//! Images that the service relays, requested by hand: what a machine gets when all is
//! well, and what when it is not. `firmware/images.rs` has machines behind it.

mod concurrent_downloads;
mod glance;
mod origins;
mod relay_policy;
mod secrets;
mod serve;
mod wire;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use wire::{Got, fetch};

const SOON: Duration = crate::app::TIMEOUT;
const MAC: &str = "52:54:00:aa:00:01";
const KEY: &str = "a key that only these tests know of";

/// A service that gives out the files of a folder.
struct ImagesFixture {
    folder: TempDir,
    server: Server,
    ironic: Ironic,
}

impl ImagesFixture {
    fn new() -> Result<Self> {
        Self::with(ServerOptions::default())
    }

    fn with(options: ServerOptions) -> Result<Self> {
        let folder = TempDir::new()?;
        let allowed = folder.path().display().to_string();
        let options = options
            .set("IRONPXE_CONDUCTOR__FILE_URL_ALLOWED_PATHS", allowed)
            .set("IRONPXE_IMAGES__URL_KEY", KEY);
        let server = crate::app::start(&options)?;
        Ok(Self {
            ironic: Ironic::new(server.base_url())?,
            folder,
            server,
        })
    }

    /// Writes a file; its URL.
    fn file(&self, name: &str, content: &[u8]) -> Result<String> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content)?;
        Ok(format!("file://{}", path.display()))
    }

    /// Enrols a node with a port.
    fn enrol(&self, mac: &str, fields: &Value) -> Result<String> {
        let mut node = json!({
            "driver": "fake-hardware",
            "boot_interface": "ipxe",
            "deploy_interface": "direct",
            "inspect_interface": "agent",
            "rescue_interface": "agent",
            "automated_clean": false,
            "instance_info": {"image_source": "http://127.0.0.1/system.qcow2"},
        });
        let node_fields = node.as_object_mut().context("no object")?;
        node_fields.extend(fields.as_object().context("no object")?.clone());
        self.ironic.enrol(&node, mac)
    }

    /// A node that waits for its deploy ramdisk, which is made of these images.
    fn waits_for(&self, mac: &str, kernel: &str, ramdisk: &str) -> Result<String> {
        let info = json!({"deploy_kernel": kernel, "deploy_ramdisk": ramdisk});
        let node = self.enrol(mac, &json!({"driver_info": info}))?;
        let way = [
            ("manage", "manageable"),
            ("provide", "available"),
            ("active", "wait call-back"),
        ];
        self.go(&node, &way)?;
        Ok(node)
    }

    /// A node that is active, with a kernel and a ramdisk of its instance.
    fn runs(&self, mac: &str, kernel: &str, ramdisk: &str) -> Result<String> {
        let fields = json!({
            "deploy_interface": "ramdisk",
            "instance_info": {"kernel": kernel, "ramdisk": ramdisk},
        });
        let node = self.enrol(mac, &fields)?;
        self.go(&node, &[("manage", "manageable"), ("adopt", "active")])?;
        Ok(node)
    }

    /// Gives a node that is active another kernel.
    fn set_kernel(&self, node: &str, image: &str) -> Result<()> {
        let patch = json!([
            {"op": "replace", "path": "/instance_info/kernel", "value": image},
        ]);
        let changed = self.ironic.patch(&format!("/v1/nodes/{node}"), &patch)?;
        changed.expect_status(200)?;
        Ok(())
    }

    /// Drives a node through states.
    fn go(&self, node: &str, way: &[(&str, &str)]) -> Result<()> {
        self.ironic.walk(node, way)
    }

    /// The script of a machine.
    fn script(&self, mac: &str) -> Result<String> {
        let script = self
            .ironic
            .get_as_firmware(&format!("/v1/boot/{mac}/boot.ipxe"))?;
        ensure!(script.status == 200, "{script:?}");
        Ok(script.text)
    }

    /// Where the machine's script sends it for its kernel (or `initrd`): the path of this service.
    fn path_of(&self, mac: &str, command: &str) -> Result<String> {
        let script = self.script(mac)?;
        let url = url_in(&script, command)?;
        let path = url.strip_prefix(self.server.base_url());
        Ok(path
            .with_context(|| format!("{url} is not ours"))?
            .to_owned())
    }

    fn get(&self, path: &str) -> Result<Got> {
        fetch(self.server.base_url(), "GET", path, &[])
    }
}

/// The URL behind a command of a script.
fn url_in(script: &str, command: &str) -> Result<String> {
    let line = script.lines().find(|line| {
        let mut words = line.split(' ');
        words.next() == Some(command)
    });
    let line = line.with_context(|| format!("no {command} in:\n{script}"))?;
    let url = line.split(' ').find(|word| word.starts_with("http"));
    Ok(url.with_context(|| format!("no URL in {line}"))?.to_owned())
}

/// Something that looks like an image.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251).to_le_bytes()[0]).collect()
}
