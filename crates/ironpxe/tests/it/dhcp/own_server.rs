//! The operator's own server, with the lines that `ironpxe dhcp example` prints.

use anyhow::{Result, ensure};
use ironpxe_testkit::lan::{BRIDGE, HOST, Lan};
use ironpxe_testkit::machine::Hardware;
use ironpxe_testkit::payload::toy;

use super::fixture::{ROUTER, TFTP, bare_bios, bare_uefi, example, knowing_bare_bios, uefi_loader};
use super::{DhcpFixture, MAC, MACHINES, TIMEOUT};

#[test]
fn bios_finds_its_script_by_mac_address() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let _dhcp = lan.dnsmasq(&(example("dnsmasq", BRIDGE, None)? + ROUTER))?;
        let site = DhcpFixture::start(lan, toy::KERNEL, &[])?;
        site.deploy("bios", "ipxe")?;
        let _permit = MACHINES.acquire();
        let mut machine = Hardware::on_lan(MAC, lan).power_on()?;
        site.boots_by(&machine, "port_address")?;
        machine.wait_until_off(TIMEOUT)?;
        Ok(())
    })
}

#[test]
fn bios_loads_ipxe_by_tftp_and_then_its_script_by_http() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let lines = knowing_bare_bios(&example("dnsmasq", BRIDGE, None)?)?;
        let dhcp = lan.dnsmasq(&(lines + ROUTER + TFTP))?;
        let site = DhcpFixture::start(lan, toy::KERNEL, &[])?;
        site.deploy("bios", "ipxe")?;
        let _permit = MACHINES.acquire();
        let mut machine = bare_bios(lan).power_on()?;
        site.boots_by(&machine, "port_address")?;
        dhcp.daemon
            .wait_for_log("/undionly.kpxe to 10.77.0.", TIMEOUT)?;
        machine.wait_until_off(TIMEOUT)?;
        Ok(())
    })
}

#[test]
fn uefi_loads_ipxe_by_tftp_and_then_its_script_by_http() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let dhcp = lan.dnsmasq(&(example("dnsmasq", BRIDGE, None)? + ROUTER + TFTP))?;
        let site = DhcpFixture::start(lan, toy::EFI_KERNEL, &[])?;
        site.deploy("uefi", "ipxe")?;
        let _permit = MACHINES.acquire();
        let machine = bare_uefi(lan).power_on()?;
        site.boots_by(&machine, "port_address")?;
        dhcp.daemon
            .wait_for_log("/snponly.efi to 10.77.0.", TIMEOUT)?;
        Ok(())
    })
}

#[test]
#[ignore = "cargo xtask test --full: the same machine, with iPXE in its card"]
fn uefi_with_ipxe_in_its_nic_finds_its_script() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let _dhcp = lan.dnsmasq(&(example("dnsmasq", BRIDGE, None)? + ROUTER))?;
        let site = DhcpFixture::start(lan, toy::EFI_KERNEL, &[])?;
        site.deploy("uefi", "ipxe")?;
        let _permit = MACHINES.acquire();
        let machine = Hardware::on_lan(MAC, lan).uefi().power_on()?;
        site.boots_by(&machine, "port_address")
    })
}

#[test]
#[ignore = "cargo xtask test --full: UEFI tries its PXE first, which takes long"]
fn uefi_boots_by_http_alone() -> Result<()> {
    Lan::run(&["dnsmasq"], |lan| {
        let http_url = format!("http://{HOST}:8080");
        let dhcp = example("dnsmasq", BRIDGE, Some(&http_url))?;
        let _dhcp = lan.dnsmasq(&(dhcp + ROUTER))?;
        let site = DhcpFixture::start(lan, toy::EFI_KERNEL, &[])?;
        site.images.serve("/snponly.efi", uefi_loader()?);
        site.deploy("uefi", "ipxe")?;
        let _permit = MACHINES.acquire();
        let machine = bare_uefi(lan).power_on()?;
        site.boots_by(&machine, "port_address")?;
        ensure!(
            !site.images.requests_to("/snponly.efi").is_empty(),
            "the loader was not fetched by HTTP"
        );
        Ok(())
    })
}
