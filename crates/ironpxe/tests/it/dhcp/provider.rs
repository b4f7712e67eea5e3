//! The service writes for a dnsmasq: each node is sent to its own script.

use std::fs;

use anyhow::{Result, ensure};
use ironpxe_testkit::lan::{HOST, Lan};
use ironpxe_testkit::machine::Hardware;
use ironpxe_testkit::payload::toy;
use tempfile::TempDir;

use super::site::{ROUTER, bare_uefi, tftp, uefi_loader};
use super::{MAC, SOON, Site};

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
fn a_bios_is_sent_to_the_script_of_its_node() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let dhcp = lan.dnsmasq(&folders.lines())?;
        let site = Site::start(lan, toy::KERNEL, &folders.settings())?;
        let node = site.deploy("bios", "ipxe")?;
        dhcp.daemon
            .wait_for_log(&format!("ironic-{MAC}.conf"), SOON)?;
        let mut machine = Hardware::on_lan(MAC, lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        machine.wait_until_off(SOON)?;
        let sent = dhcp
            .daemon
            .wait_for_log(&format!("?node_uuid={node}"), SOON)?;
        ensure!(sent.contains("/v1/drivers/fake-hardware/"), "{sent}");
        Ok(())
    })
}

#[test]
#[ignore = "cargo xtask test --full: more than 10 s"]
fn uefi_gets_the_loader_of_its_node_by_tftp_and_then_the_script_of_its_node() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let folders = Folders::new()?;
        let (_files, tftp) = tftp()?;
        let dhcp = lan.dnsmasq(&(folders.lines() + &tftp))?;
        let site = Site::start(lan, toy::EFI_KERNEL, &folders.settings())?;
        site.deploy("uefi", "ipxe")?;
        dhcp.daemon
            .wait_for_log(&format!("ironic-{MAC}.conf"), SOON)?;
        let machine = bare_uefi(lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        dhcp.daemon.wait_for_log("/snponly.efi to 10.77.0.", SOON)?;
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
        let site = Site::start(lan, toy::EFI_KERNEL, &settings)?;
        site.images.serve("/snponly.efi", uefi_loader()?);
        site.deploy("uefi", "http-ipxe")?;
        dhcp.daemon
            .wait_for_log(&format!("ironic-{MAC}.conf"), SOON)?;
        let machine = bare_uefi(lan).power_on()?;
        site.boots_by(&machine, "node_uuid")?;
        ensure!(
            !site.images.requests_to("/snponly.efi").is_empty(),
            "the loader was not fetched by HTTP"
        );
        Ok(())
    })
}
