//! What real servers offer to each kind of firmware when they are configured with the lines that
//! `ironpxe dhcp example` prints.

use std::fs;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::dhcp_client::{ClientKind, DhcpClient};
use ironpxe_testkit::lan::{BRIDGE, Daemon, HOST, Lan};
use tempfile::TempDir;

use super::MAC;
use super::fixture::example;

const SCRIPT: &str = "http://10.77.0.1:6385/v1/drivers/fake-hardware/vendor_passthru/ipxe_config\
                      ?port_address=${mac}";
const HTTP_URL: &str = "http://10.77.0.1:8080";

/// Each firmware gets what it can boot.
fn serves_every_firmware(lan: &Lan) -> Result<()> {
    let client = DhcpClient::attach(lan, MAC)?;
    for (kind, file) in [
        (ClientKind::Ipxe, SCRIPT),
        (ClientKind::Bios, "undionly.kpxe"),
        (ClientKind::Uefi, "snponly.efi"),
        (ClientKind::UefiHttp, "http://10.77.0.1:8080/snponly.efi"),
        (ClientKind::UefiArm64, "snponly-arm64.efi"),
        (
            ClientKind::UefiArm64Http,
            "http://10.77.0.1:8080/snponly-arm64.efi",
        ),
    ] {
        let offer = client.ask(kind)?;
        ensure!(offer.boots()? == file, "{kind:?}: {offer:?}");
        let server = offer.next_server.map(|address| address.to_string());
        match kind {
            ClientKind::Bios | ClientKind::Uefi | ClientKind::UefiArm64 => {
                ensure!(server.as_deref() == Some(HOST), "{kind:?}: {offer:?}");
            }
            ClientKind::UefiHttp | ClientKind::UefiArm64Http => {
                let class = offer.options.get(&60).context("no option 60")?;
                ensure!(class == b"HTTPClient", "{offer:?}");
            }
            // It need not wait for a proxy.
            ClientKind::Ipxe => {
                let own = offer.options.get(&175).context("no option 175")?;
                // Some end it with an end.
                ensure!(own.starts_with(&[176, 1, 1]), "{offer:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn dnsmasq_serves_every_firmware() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let _server = lan.dnsmasq(&example("dnsmasq", BRIDGE, Some(HTTP_URL))?)?;
        serves_every_firmware(lan)
    })
}

/// Neutron's agent has its dnsmasq find out who is iPXE, and gives the network.
#[test]
fn dnsmasq_of_neutron_serves_every_firmware() -> Result<()> {
    const AGENT: &str = "dhcp-match=set:ipxe,175\ndhcp-userclass=set:ipxe6,iPXE\n\
                         dhcp-range=10.77.0.128,10.77.0.254,255.255.255.0,1h\n";
    Lan::run(&["dnsmasq"], |lan| {
        let lines = example("neutron", BRIDGE, Some(HTTP_URL))?;
        let _server = lan.dnsmasq(&(AGENT.to_owned() + &lines))?;
        serves_every_firmware(lan)
    })
}

#[test]
fn kea_serves_every_firmware() -> Result<()> {
    Lan::run(&["kea-dhcp4"], |lan| {
        let (_files, _server) = start_kea(lan)?;
        serves_every_firmware(lan)
    })
}

fn start_kea(lan: &Lan) -> Result<(TempDir, Daemon)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kea-dhcp4.conf");
    fs::write(&file, example("kea", BRIDGE, Some(HTTP_URL))?)?;
    let path = folder.path().display();
    let environment = [
        ("KEA_PIDFILE_DIR", path.to_string()),
        ("KEA_LOCKFILE_DIR", path.to_string()),
    ];
    let arguments = ["-c".to_owned(), file.display().to_string()];
    let server = lan.serve("kea-dhcp4", arguments, &environment, "DHCP4_STARTED")?;
    Ok((folder, server))
}

#[test]
fn isc_dhcpd_serves_every_firmware() -> Result<()> {
    Lan::run(&["dhcpd"], |lan| {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name).display().to_string();
        fs::write(file("dhcpd.conf"), example("isc", BRIDGE, Some(HTTP_URL))?)?;
        fs::write(file("leases"), "")?;
        let (configuration, leases, pid) = (file("dhcpd.conf"), file("leases"), file("pid"));
        let arguments = [
            "-f",
            "-4",
            "-cf",
            &configuration,
            "-lf",
            &leases,
            "-pf",
            &pid,
            BRIDGE,
        ]
        .map(str::to_owned);
        let _server = lan.serve("dhcpd", arguments, &[], "Sending on   Socket/fallback")?;
        serves_every_firmware(lan)
    })
}
