//! What a test has: a real Ironic on a network with machines, whose DHCP server names the boot script
//! that Ironic's conductor writes; and ironpxe beside it, as its configuration says.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::ironic_server::{IronicOptions, IronicServer, venv};
use ironpxe_testkit::lan::{BRIDGE, Dnsmasq, HOST, Lan};
use ironpxe_testkit::machine::{Hardware, Machine};
use ironpxe_testkit::payload::{disk, toy};
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;

use crate::app::eventually;
use crate::firmware::MACHINES;

/// Of the web server on the conductor's host.
const WEB_PORT: u16 = 8088;
const IMAGES_PORT: u16 = 8090;
/// What iPXE prints when nothing on the network boots the machine, and what the boot script that comes
/// with Ironic does.
const NOTHING: [&str; 2] = ["No more network devices", "PXE boot failed!"];

/// The node of a machine with this MAC address and this IP address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) name: &'static str,
    pub(super) mac: &'static str,
    ip: &'static str,
}

pub(super) const RACK_1: Node = Node {
    name: "rack-1",
    mac: "52:54:00:be:00:01",
    ip: "10.77.0.20",
};
pub(super) const RACK_2: Node = Node {
    name: "rack-2",
    mac: "52:54:00:be:00:02",
    ip: "10.77.0.40",
};
/// Its instance boots from its disk.
pub(super) const RACK_3: Node = Node {
    name: "rack-3",
    mac: "52:54:00:be:00:03",
    ip: "10.77.0.50",
};
/// Its DHCP server names the boot script that comes with Ironic, whatever the conductor is told.
pub(super) const UNCHANGED: Node = Node {
    name: "rack-4",
    mac: "52:54:00:be:00:04",
    ip: "10.77.0.60",
};
/// Its DHCP server names ironpxe.
pub(super) const DIRECT: Node = Node {
    name: "rack-5",
    mac: "52:54:00:be:00:05",
    ip: "10.77.0.70",
};
/// No node has it.
pub(super) const NO_NODE: Node = Node {
    name: "none",
    mac: "52:54:00:be:00:06",
    ip: "10.77.0.80",
};
/// The network of [`RACK_2`] and no other machine.
pub(super) const NETWORK_OF_RACK_2: &str = "10.77.0.32/28";

/// What a machine did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boot {
    /// It booted the node's kernel by ironpxe's script.
    Ironpxe,
    /// It booted the node's kernel by the file that Ironic's conductor wrote.
    Ironic,
    /// It booted its disk.
    Disk,
    /// It found nothing to boot on the network, nor on a disk.
    Nothing,
}

/// What a machine did, and all that was on its console.
#[derive(Debug)]
pub(super) struct Booted {
    pub(super) boot: Boot,
    pub(super) console: String,
}

impl Booted {
    /// Fails with the console if it is not so.
    pub(super) fn is(self, boot: Boot) -> Result<String> {
        ensure!(
            self.boot == boot,
            "{:?} instead of {boot:?}:\n{}",
            self.boot,
            self.console
        );
        Ok(self.console)
    }
}

pub(super) struct Site {
    lan: Lan,
    pub(super) ironic: IronicServer,
    /// The web server on the conductor's host, while that runs.
    pub(super) web: Option<ImageServer>,
    images: ImageServer,
    _dhcp: Dnsmasq,
}

impl Site {
    /// An Ironic with what it needs.
    pub(super) fn start(lan: &Lan) -> Result<Self> {
        Self::start_with(lan, IronicOptions::default())
    }

    pub(super) fn start_with(lan: &Lan, options: IronicOptions) -> Result<Self> {
        let images = ImageServer::start_at(SocketAddr::new(Lan::address(), IMAGES_PORT))?;
        images.serve("/kernel", toy::KERNEL);
        images.serve("/ramdisk", &*toy::ramdisk(1000));
        images.serve("/disk.raw", vec![0; 65_536]);
        let options = IronicOptions {
            lan: Some(lan.clone()),
            http_url: format!("http://{HOST}:{WEB_PORT}"),
            ..options
        };
        let ironic = IronicServer::start(&venv()?, options)?;
        let web = ImageServer::start_at(SocketAddr::new(Lan::address(), WEB_PORT))?;
        web.serve_folder(ironic.http_root());
        let unchanged = ironic.http_root().join("unchanged.ipxe");
        fs::copy(ironic.http_root().join("boot.ipxe"), unchanged).context("no boot script")?;
        let mut lines = format!(
            "dhcp-range=10.77.0.100,10.77.0.199,255.255.255.0,1h\n\
             enable-ra\ndhcp-range=fd77::,ra-only,64\n\
             dhcp-match=set:ipxe,175\ndhcp-option-force=tag:ipxe,encap:175,176,1b\n\
             dhcp-boot=tag:ipxe,tag:!unchanged,tag:!direct,http://{HOST}:{WEB_PORT}/boot.ipxe\n\
             dhcp-boot=tag:ipxe,tag:unchanged,http://{HOST}:{WEB_PORT}/unchanged.ipxe\n\
             dhcp-boot=tag:ipxe,tag:direct,http://{HOST}:6385/boot.ipxe\n"
        );
        for (node, tag) in [
            (RACK_1, "usual"),
            (RACK_2, "usual"),
            (RACK_3, "usual"),
            (UNCHANGED, "unchanged"),
            (DIRECT, "direct"),
            (NO_NODE, "usual"),
        ] {
            writeln!(lines, "dhcp-host={},{},set:{tag}", node.mac, node.ip)?;
        }
        let dhcp = lan
            .dnsmasq(&lines)
            .with_context(|| format!("no DHCP on {BRIDGE}"))?;
        Ok(Self {
            lan: lan.clone(),
            ironic,
            web: Some(web),
            images,
            _dhcp: dhcp,
        })
    }

    /// Enrols a node that boots the kernel from then on, without any agent, and returns its UUID.
    pub(super) fn deploy(&self, client: &Ironic, node: Node) -> Result<String> {
        let uuid = client.enrol(
            &json!({
                "name": node.name,
                "driver": "fake-hardware",
                "deploy_interface": "ramdisk",
                "properties": {"capabilities": "boot_mode:bios"},
                "instance_info": {
                    "kernel": self.images.local_url("/kernel"),
                    "ramdisk": self.images.local_url("/ramdisk"),
                },
            }),
            node.mac,
        )?;
        client.walk(
            &uuid,
            &[
                ("manage", "manageable"),
                ("provide", "available"),
                ("active", "active"),
            ],
        )?;
        Ok(uuid)
    }

    /// Deploys it again after its instance was deleted, which took its images from the node.
    pub(super) fn deploy_again(&self, client: &Ironic, node: Node) -> Result<()> {
        let image = |name: &str| {
            json!({
                "op": "add",
                "path": format!("/instance_info/{name}"),
                "value": self.images.local_url(&format!("/{name}")),
            })
        };
        let patch = json!([image("kernel"), image("ramdisk")]);
        client
            .patch(&format!("/v1/nodes/{}", node.name), &patch)?
            .expect_status(200)?;
        client.walk(node.name, &[("active", "active")])
    }

    /// Enrols a node whose instance is on its disk already.
    pub(super) fn adopt(&self, node: Node) -> Result<String> {
        let client = self.ironic.client()?;
        let uuid = client.enrol(
            &json!({
                "name": node.name,
                "driver": "fake-hardware",
                "deploy_interface": "direct",
                "properties": {"capabilities": "boot_mode:bios"},
                "driver_info": {
                    "deploy_kernel": self.images.local_url("/kernel"),
                    "deploy_ramdisk": self.images.local_url("/ramdisk"),
                },
                "instance_info": {
                    "image_source": self.images.local_url("/disk.raw"),
                    "image_checksum": "0".repeat(64),
                    "image_type": "whole-disk",
                },
            }),
            node.mac,
        )?;
        client.walk(&uuid, &[("manage", "manageable"), ("adopt", "active")])?;
        Ok(uuid)
    }

    /// Starts ironpxe beside this Ironic, with more lines of `[beside]`.
    pub(super) fn ironpxe(&self, lines: &str) -> Result<Server> {
        let source = format!(
            "source = \"sqlite\"\nconnection = \"sqlite:///{}\"\n",
            self.ironic.database_file().display()
        );
        self.ironpxe_on(&source, lines)
    }

    /// The same from this source.
    pub(super) fn ironpxe_on(&self, source: &str, lines: &str) -> Result<Server> {
        let configuration = self.ironic.folder().join("ironpxe.toml");
        let text = format!(
            "[beside]\n{source}api_url = \"{}\"\nironic_conf = [\"{}\"]\n{lines}",
            self.ironic.url(),
            self.ironic.configuration().display(),
        );
        fs::write(&configuration, text)?;
        crate::app::start(&ServerOptions::on_lan(&self.lan).config(configuration))
    }

    /// Restarts the conductor with `[pxe]ipxe_boot_script` from `packaging/`.
    pub(super) fn use_our_boot_script(&mut self) -> Result<()> {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/ironic/boot.ipxe");
        let text = fs::read_to_string(&ours)?;
        let placeholder = "set ironpxe http://192.0.2.1:6385\n";
        ensure!(text.contains(placeholder), "{text}");
        let text = text.replace(placeholder, &format!("set ironpxe http://{HOST}:6385\n"));
        let file = self.ironic.folder().join("boot.ipxe");
        fs::write(&file, text)?;
        self.restart_ironic(&format!("[pxe]\nipxe_boot_script = {}\n", file.display()))
    }

    pub(super) fn restart_ironic(&mut self, settings: &str) -> Result<()> {
        self.ironic.kill()?;
        self.ironic.restart(settings)
    }

    /// Switches the machine on, and waits for what it does.
    pub(super) fn boot(&self, node: Node) -> Result<Booted> {
        let _permit = MACHINES.acquire();
        let before = self.images.requests.entries().len();
        let disk = (node.mac == RACK_3.mac)
            .then(|| disk::image("system"))
            .transpose()?;
        let mut hardware = Hardware::on_lan(node.mac, &self.lan);
        if let Some(disk) = disk {
            hardware = hardware.disk(disk);
        }
        let machine = hardware.power_on()?;
        let kernel = Self::wait(&machine)?;
        let console = machine.console();
        machine.power_off()?;
        let requests = self.images.requests.entries();
        let new = requests.get(before..).unwrap_or_default();
        let ours = new.iter().any(|it| it.path == "/kernel");
        let boot = match kernel {
            Screen::Kernel if ours => Boot::Ironpxe,
            Screen::Kernel => Boot::Ironic,
            Screen::Disk => Boot::Disk,
            Screen::Nothing => Boot::Nothing,
        };
        Ok(Booted { boot, console })
    }

    fn wait(machine: &Machine) -> Result<Screen> {
        let mut seen = None;
        let waited = eventually("the machine boots, or says that it cannot", || {
            let console = machine.console();
            seen = [
                (toy::MARKER, Screen::Kernel),
                (disk::MARKER, Screen::Disk),
                (NOTHING[0], Screen::Nothing),
                (NOTHING[1], Screen::Nothing),
            ]
            .into_iter()
            .find_map(|(marker, screen)| console.contains(marker).then_some(screen));
            Ok(seen.is_some())
        });
        match (waited, seen) {
            (Ok(()), Some(seen)) => Ok(seen),
            (waited, _) => bail!("{waited:?}:\n{}", machine.console()),
        }
    }
}

/// What decides on a machine's console.
#[derive(Clone, Copy, Debug)]
enum Screen {
    Kernel,
    Disk,
    Nothing,
}
