//! What a test has: a network, the service on it, and a node that is being deployed.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::lan::{self, Lan};
use ironpxe_testkit::machine::{Hardware, Ipxe, Machine};
use ironpxe_testkit::payload::toy;
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;

use super::{BOOT, MAC, TIMEOUT};

pub(super) const RAMDISK_BYTES: usize = 1000;

pub(super) struct DhcpFixture {
    pub(super) server: Server,
    pub(super) ironic: Ironic,
    pub(super) images: ImageServer,
}

impl DhcpFixture {
    /// The service with these settings, and images for this firmware.
    pub(super) fn start(lan: &Lan, kernel: &[u8], settings: &[(&str, String)]) -> Result<Self> {
        let mut options = ServerOptions::on_lan(lan);
        for (name, value) in settings {
            options = options.set(name, value.clone());
        }
        let server = crate::app::start(&options)?;
        let images = ImageServer::start_at(SocketAddr::new(Lan::address(), 8080))?;
        images.serve("/kernel", kernel);
        images.serve("/ramdisk", &*toy::ramdisk(RAMDISK_BYTES));
        Ok(Self {
            ironic: Ironic::new(server.base_url())?,
            server,
            images,
        })
    }

    /// A node with one port, for which the deploy ramdisk is waited for; its UUID.
    pub(super) fn deploy(&self, boot_mode: &str, boot_interface: &str) -> Result<String> {
        let uuid = self.enrol(boot_mode, boot_interface)?;
        for (verb, state) in [
            ("manage", "manageable"),
            ("provide", "available"),
            ("active", "wait call-back"),
        ] {
            self.drive(&uuid, verb, state)?;
        }
        Ok(uuid)
    }

    /// A node with one port; its UUID.
    pub(super) fn enrol(&self, boot_mode: &str, boot_interface: &str) -> Result<String> {
        let node = json!({
            "name": "rack-1",
            "driver": "fake-hardware",
            "boot_interface": boot_interface,
            "deploy_interface": "direct",
            "automated_clean": false,
            "properties": {"capabilities": format!("boot_mode:{boot_mode}")},
            "driver_info": {
                "deploy_kernel": self.images.url("/kernel"),
                "deploy_ramdisk": self.images.url("/ramdisk"),
            },
            "instance_info": {"image_source": self.images.url("/images/system.qcow2")},
        });
        self.ironic.enrol(&node, MAC)
    }

    pub(super) fn drive(&self, node: &str, verb: &str, state: &str) -> Result<()> {
        self.ironic.walk(node, &[(verb, state)])
    }

    /// The machine boots the deploy ramdisk, by the boot URL with this query.
    pub(super) fn boots_by(&self, machine: &Machine, query: &str) -> Result<()> {
        let line = machine.wait_for_line("IRONPXE-TOY", BOOT)?;
        let ramdisk = toy::report("", &toy::ramdisk(RAMDISK_BYTES));
        let fingerprint = ramdisk.split_once(']').context("no fingerprint")?.1;
        ensure!(line.ends_with(fingerprint), "{line}");
        // The log says which machine was known, and by what.
        let log = self.server.wait_for_log("machine boots: ", TIMEOUT)?;
        let by_port = log.contains(MAC);
        ensure!(by_port == (query == "port_address"), "{log}");
        Ok(())
    }
}

/// What `ironpxe dhcp example` prints for this network.
pub(super) fn example(server: &str, interface: &str, http_url: Option<&str>) -> Result<String> {
    let api_url = format!("http://{}:6385", lan::HOST);
    let mut command = crate::app::command(&["dhcp", "example", server, "--interface", interface]);
    command.args(["--api-url", &api_url, "--subnet", "10.77.0.0/24"]);
    if let Some(url) = http_url {
        command.env("IRONPXE_DEPLOY__HTTP_URL", url);
        let arm = "{ aarch64 = 'snponly-arm64.efi' }";
        command.env("IRONPXE_PXE__IPXE_BOOTFILE_NAME_BY_ARCH", arm);
    }
    let output = command.output().context("cannot run ironpxe")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// A machine with UEFI that has no iPXE of its own: its firmware is a client that has to be told
/// everything.
pub(super) fn bare_uefi(lan: &Lan) -> Hardware {
    let mut hardware = Hardware::on_lan(MAC, lan).uefi();
    hardware.ipxe = Ipxe::Absent;
    hardware
}

/// What iPXE would wait sixteen seconds for on a network without IPv6 routers.
pub(super) const ROUTER: &str = "enable-ra\ndhcp-range=fd77::,ra-only,64\n";

/// The loader for UEFI, of the system's package `ipxe`.
pub(super) fn uefi_loader() -> Result<Vec<u8>> {
    fs::read("/usr/lib/ipxe/snponly.efi").context("no iPXE for UEFI: apt-get install ipxe")
}

/// The lines by which dnsmasq hands it out by TFTP: docs/with-your-own-dhcp.md has them.
pub(super) const TFTP: &str = "enable-tftp\ntftp-root=/usr/lib/ipxe\n";

/// A machine with a BIOS whose card has no iPXE, about. Its only PXE firmware here is iPXE itself,
/// which no DHCP server can tell from the iPXE that it loads. So it is told to name itself, and to do
/// by hand what PXE does: ask for a boot file, and fetch it by TFTP.
pub(super) fn bare_bios(lan: &Lan) -> Hardware {
    let mut hardware = Hardware::on_lan(MAC, lan);
    hardware.typed = vec![
        "set user-class bare",
        "dhcp net0",
        "clear user-class",
        "chain tftp://${next-server}/${filename}",
    ];
    hardware
}

/// The same lines of dnsmasq, by which a [`bare_bios`] is no iPXE until it has loaded one.
pub(super) fn knowing_bare_bios(lines: &str) -> Result<String> {
    const IPXE: &str = "dhcp-match=set:ipxe,175\n";
    ensure!(lines.contains(IPXE), "{lines}");
    let told_apart = "dhcp-userclass=set:bare,bare\n\
         dhcp-match=set:175,175\n\
         tag-if=set:ipxe,tag:175,tag:!bare\n";
    Ok(lines.replace(IPXE, told_apart))
}
