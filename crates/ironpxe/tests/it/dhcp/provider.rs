//! The service writes for a dnsmasq: each node is sent to its own script.

use std::fs;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::dhcp_client::{ClientKind, DhcpClient, Offer};
use ironpxe_testkit::lan::{HOST, HOST6, Lan};
use ironpxe_testkit::machine::Hardware;
use ironpxe_testkit::payload::toy;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::fixture::{ROUTER, TFTP, bare_bios, bare_uefi, knowing_bare_bios, uefi_loader};
use super::{BOOT, DhcpFixture, MAC, MACHINES, TIMEOUT};
use crate::app::eventually;

/// No node has it.
const UNKNOWN_NODE: &str = "11111111-2222-4333-8444-555555555555";

/// The two folders of a dnsmasq, and the lines and settings that name them.
struct Folders {
    folder: TempDir,
}

impl Folders {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        for name in ["hosts", "opts"] {
            fs::create_dir(folder.path().join(name))?;
        }
        Ok(Self { folder })
    }

    /// docs/with-your-own-dhcp.md has these lines.
    fn lines(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "dhcp-range=10.77.0.128,10.77.0.254,255.255.255.0,1h\n\
             dhcp-match=set:ipxe,175\n\
             dhcp-userclass=set:ipxe6,iPXE\n\
             dhcp-option-force=tag:ipxe,encap:175,176,1b\n\
             dhcp-hostsdir={folder}/hosts\n\
             dhcp-optsdir={folder}/opts\n{ROUTER}"
        )
    }

    /// Waits until there is no file any more.
    fn wait_until_empty(&self) -> Result<()> {
        eventually("no file is left behind", || {
            let mut left = Vec::new();
            for name in ["hosts", "opts"] {
                for entry in fs::read_dir(self.folder.path().join(name))? {
                    left.push(entry?.path());
                }
            }
            Ok(left.is_empty())
        })
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let folder = self.folder.path().display();
        vec![
            ("IRONPXE_DHCP__DHCP_PROVIDER", "dnsmasq".to_owned()),
            ("IRONPXE_DNSMASQ__DHCP_HOSTSDIR", format!("{folder}/hosts")),
            ("IRONPXE_DNSMASQ__DHCP_OPTSDIR", format!("{folder}/opts")),
        ]
    }
}

#[test]
fn bios_is_directed_to_the_script_of_its_node() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let dhcp = lan.dnsmasq(&folders.lines())?;
        let site = DhcpFixture::start(lan, toy::KERNEL, &folders.settings())?;
        let node = site.deploy("bios", "ipxe")?;
        dhcp.daemon
            .wait_for_log(&format!("ironic-{MAC}.conf"), TIMEOUT)?;
        let _permit = MACHINES.acquire();
        let mut machine = Hardware::on_lan(MAC, lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        machine.wait_until_off(TIMEOUT)?;
        let sent = dhcp
            .daemon
            .wait_for_log(&format!("?node_uuid={node}"), TIMEOUT)?;
        ensure!(sent.contains("/v1/drivers/fake-hardware/"), "{sent}");
        Ok(())
    })
}

#[test]
fn machine_boots_by_the_token_of_its_dhcp_options_and_not_by_its_address() -> Result<()> {
    const UNKNOWN: &str = "52:54:00:dd:00:09";
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let dhcp = lan.dnsmasq(&folders.lines())?;
        let mut settings = folders.settings();
        settings.push(("IRONPXE_PXE__BOOT_TOKEN_LIFETIME", "3600".to_owned()));
        settings.push(("IRONPXE_API__RESTRICT_BOOT_CONFIG", "true".to_owned()));
        let site = DhcpFixture::start(lan, toy::KERNEL, &settings)?;
        let node = site.deploy("bios", "ipxe")?;
        dhcp.daemon
            .wait_for_log(&format!("ironic-{MAC}.conf"), TIMEOUT)?;
        let asked = |path: &str| -> Result<(u16, String)> {
            let reply = site.ironic.get(path)?;
            let words = reply.text.split_whitespace();
            let words: Vec<&str> = words.filter(|word| !word.contains("req-")).collect();
            Ok((reply.status, words.join(" ")))
        };
        let passthru = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";
        for (known, unknown) in [
            (
                format!("/v1/boot/{MAC}/boot.ipxe"),
                format!("/v1/boot/{UNKNOWN}/boot.ipxe"),
            ),
            (
                format!("{passthru}?node_uuid={node}"),
                format!("{passthru}?node_uuid={UNKNOWN_NODE}"),
            ),
            (
                format!("/v1/boot/{node}/ks.cfg"),
                format!("/v1/boot/{UNKNOWN_NODE}/ks.cfg"),
            ),
        ] {
            let (known, unknown) = (asked(&known)?, asked(&unknown)?);
            ensure!(known == unknown && known.0 == 404, "{known:?} {unknown:?}");
        }
        let _permit = MACHINES.acquire();
        let mut machine = Hardware::on_lan(MAC, lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        machine.wait_until_off(TIMEOUT)?;
        let sent = format!("?node_uuid={node}&token=");
        dhcp.daemon.wait_for_log(&sent, TIMEOUT)?;

        // The same machine, with a boot script that asks by its address.
        let mut hardware = Hardware::on_lan(MAC, lan);
        hardware.typed = vec![
            "dhcp net0",
            "chain http://10.77.0.1:6385/v1/boot/${net0/mac}/boot.ipxe",
        ];
        let machine = hardware.power_on()?;
        machine.wait_for("nothing to boot for this machine", BOOT)?;
        let console = machine.console();
        ensure!(!console.contains("rack-1"), "{console}");
        machine.power_off()?;
        let refused = site
            .server
            .wait_for_log("it gets what unknown machines do", TIMEOUT)?;
        ensure!(
            refused.contains("requested without a boot token"),
            "{refused}"
        );
        let log = site.server.log.entries();
        ensure!(!log.iter().any(|line| line.contains("token=")), "{log:#?}");
        Ok(())
    })
}

#[test]
fn bios_gets_the_loader_of_its_node_by_tftp_and_then_its_script() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let dhcp = lan.dnsmasq(&(knowing_bare_bios(&folders.lines())? + TFTP))?;
        let site = DhcpFixture::start(lan, toy::KERNEL, &folders.settings())?;
        site.deploy("bios", "ipxe")?;
        dhcp.daemon
            .wait_for_log(&format!("ironic-{MAC}.conf"), TIMEOUT)?;
        let _permit = MACHINES.acquire();
        let mut machine = bare_bios(lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        dhcp.daemon
            .wait_for_log("/undionly.kpxe to 10.77.0.", TIMEOUT)?;
        machine.wait_until_off(TIMEOUT)?;
        Ok(())
    })
}

#[test]
#[ignore = "cargo xtask test --full: more than 10 s"]
fn uefi_gets_the_loader_of_its_node_by_tftp_and_then_its_script() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let dhcp = lan.dnsmasq(&(folders.lines() + TFTP))?;
        let site = DhcpFixture::start(lan, toy::EFI_KERNEL, &folders.settings())?;
        site.deploy("uefi", "ipxe")?;
        dhcp.daemon
            .wait_for_log(&format!("ironic-{MAC}.conf"), TIMEOUT)?;
        let _permit = MACHINES.acquire();
        let machine = bare_uefi(lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        dhcp.daemon
            .wait_for_log("/snponly.efi to 10.77.0.", TIMEOUT)?;
        Ok(())
    })
}

#[test]
#[ignore = "cargo xtask test --full: UEFI tries its PXE first, which takes long"]
fn uefi_gets_the_loader_of_its_node_by_http() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let dhcp = lan.dnsmasq(&folders.lines())?;
        let mut settings = folders.settings();
        settings.push(("IRONPXE_DEPLOY__HTTP_URL", format!("http://{HOST}:8080")));
        let site = DhcpFixture::start(lan, toy::EFI_KERNEL, &settings)?;
        site.images.serve("/snponly.efi", uefi_loader()?);
        site.deploy("uefi", "http-ipxe")?;
        dhcp.daemon
            .wait_for_log(&format!("ironic-{MAC}.conf"), TIMEOUT)?;
        let _permit = MACHINES.acquire();
        let machine = bare_uefi(lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        ensure!(
            !site.images.requests_to("/snponly.efi").is_empty(),
            "the loader was not fetched by HTTP"
        );
        Ok(())
    })
}

/// Asks until the answer is as wanted, as dnsmasq reads a file a moment after it is there.
fn offered(
    client: &DhcpClient,
    kind: ClientKind,
    wanted: impl Fn(&Offer) -> bool,
) -> Result<Offer> {
    let mut last = None;
    let offered = eventually("the wanted offer comes", || {
        last = Some(client.ask(kind)?);
        Ok(last.as_ref().is_some_and(&wanted))
    });
    offered.with_context(|| format!("the last offer: {last:?}"))?;
    last.context("no offer")
}

#[test]
fn dnsmasq_follows_every_change_of_the_node() -> Result<()> {
    const OTHER: &str = "52:54:00:dd:00:02";
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let _dhcp = lan.dnsmasq(&folders.lines())?;
        let site = DhcpFixture::start(lan, toy::KERNEL, &folders.settings())?;
        let (client, other) = (
            DhcpClient::attach(lan, MAC)?,
            DhcpClient::attach(lan, OTHER)?,
        );
        // An unknown machine is given an address, and nothing to boot.
        ensure!(
            client.ask(ClientKind::Ipxe)?.boot_file.is_none(),
            "not told yet"
        );

        let node = site.deploy("uefi", "ipxe")?;
        let script = format!(
            "http://{HOST}:6385/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?node_uuid={node}"
        );
        let is_script = |offer: &Offer| offer.boot_file.as_ref() == Some(&script);
        offered(&client, ClientKind::Ipxe, is_script)?;
        let firmware = client.ask(ClientKind::Uefi)?;
        ensure!(firmware.boots()? == "snponly.efi", "{firmware:?}");
        ensure!(
            firmware
                .next_server
                .is_some_and(|it| it.to_string() == HOST),
            "{firmware:?}"
        );
        ensure!(firmware.options.get(&150) == Some(&vec![10, 77, 0, 1]));
        ensure!(
            other.ask(ClientKind::Ipxe)?.boot_file.is_none(),
            "it is not known"
        );

        // The port has another address: so has the machine, at once.
        let port = site
            .ironic
            .get(&format!("/v1/ports?address={MAC}"))?
            .expect_status(200)?;
        let port = port.pointer("/ports/0/uuid").and_then(Value::as_str);
        let path = format!("/v1/ports/{}", port.context("no port")?);
        let change = json!([{"op": "replace", "path": "/address", "value": OTHER}]);
        site.ironic.patch(&path, &change)?.expect_status(200)?;
        offered(&other, ClientKind::Ipxe, is_script)?;
        offered(&client, ClientKind::Ipxe, |offer| offer.boot_file.is_none())?;

        // The node is gone, and nothing is left of it: neither here nor in what dnsmasq knows.
        let node_path = format!("/v1/nodes/{node}");
        site.drive(&node, "undeploy", "available")?;
        site.ironic.delete(&node_path)?.expect_status(204)?;
        offered(&other, ClientKind::Ipxe, |offer| offer.boot_file.is_none())?;
        folders.wait_until_empty()
    })
}

#[test]
fn machine_boots_the_same_way_over_ipv6() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let lines = format!("{}dhcp-range=fd77::100,fd77::1ff,64,1h\n", folders.lines());
        let _dhcp = lan.dnsmasq(&lines)?;
        let mut settings = folders.settings();
        settings.push(("IRONPXE_DEFAULT__MY_IPV6", HOST6.to_owned()));
        let site = DhcpFixture::start(lan, toy::KERNEL, &settings)?;
        let node = site.deploy("uefi", "ipxe")?;
        let client = DhcpClient::attach(lan, MAC)?;
        // That the file is read shows over IPv4.
        offered(&client, ClientKind::Ipxe, |offer| offer.boot_file.is_some())?;
        let ipxe = client.ask6(ClientKind::Ipxe)?;
        ensure!(
            ipxe.boots()?.ends_with(&format!("?node_uuid={node}")),
            "{ipxe:?}"
        );
        let firmware = client.ask6(ClientKind::Uefi)?;
        ensure!(
            firmware.boots()? == format!("tftp://[{HOST6}]/snponly.efi"),
            "{firmware:?}"
        );
        Ok(())
    })
}
