//! An active node goes on to its disk, in every way that can be configured.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::machine::Machine;
use ironpxe_testkit::payload::disk;
use ironpxe_testkit::server::ServerOptions;

use super::{BOOT, MAC, MACHINES, NODE, SOON, Site};

const FOR_BIOS: &str = "IRONPXE_PXE__LOCAL_BOOT_BIOS";
const FOR_UEFI: &str = "IRONPXE_PXE__LOCAL_BOOT_UEFI";
/// OVMF tries its own HTTP boot before it comes to the disk, and now and then waits for it.
const NEXT_DEVICE: Duration = Duration::from_mins(4);

/// A site with an active node. The way of the other firmware would not reach the disk.
fn site(variable: &str, way: &str) -> Result<Site> {
    let other = if variable == FOR_BIOS {
        FOR_UEFI
    } else {
        FOR_BIOS
    };
    let options = ServerOptions::for_machines()
        .set(variable, way)
        .set(other, "reboot");
    let site = Site::start(&options)?;
    let node = site.enrol(MAC)?;
    site.adopt(&node)?;
    Ok(site)
}

/// A BIOS machine with two disks boots the first.
fn bios_boots_its_disk(way: &str) -> Result<()> {
    let site = site(FOR_BIOS, way)?;
    let _turn = MACHINES.enter();
    let hardware = site.machine().disk(disk::image("system")?);
    let mut machine = hardware.disk(disk::image("data")?).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(SOON)?;
    let expected = format!("{} next=[data]", disk::bios_report(0x80, "system"));
    ensure!(line == expected, "{line}");
    says_who_it_is(&machine)
}

fn uefi_boots_its_disk(way: &str) -> Result<()> {
    let site = site(FOR_UEFI, way)?;
    let _turn = MACHINES.enter();
    let hardware = site.machine().uefi().disk(disk::image("system")?);
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(disk::MARKER, NEXT_DEVICE)?;
    machine.wait_until_off(SOON)?;
    ensure!(line == disk::uefi_report("system"), "{line}");
    says_who_it_is(&machine)
}

fn says_who_it_is(machine: &Machine) -> Result<()> {
    let console = machine.console();
    let told = console.split_once("[script]").context("no script ran")?.1;
    ensure!(told.contains(NODE), "{console}");
    Ok(())
}

#[test]
fn bios_by_sanboot() -> Result<()> {
    bios_boots_its_disk("sanboot")
}

#[test]
fn bios_by_exit() -> Result<()> {
    bios_boots_its_disk("exit")
}

/// This iPXE has no `poweroff`; then the disk is better than a machine that stands still.
#[test]
fn bios_by_poweroff_that_does_not_exist() -> Result<()> {
    bios_boots_its_disk("poweroff")
}

/// Here a reboot ends the machine.
#[test]
fn bios_by_reboot() -> Result<()> {
    let site = site(FOR_BIOS, "reboot")?;
    let _turn = MACHINES.enter();
    let hardware = site.machine().disk(disk::image("system")?);
    let mut machine = hardware.power_on()?;
    machine.wait_for("Rebooting", BOOT)?;
    machine.wait_until_off(SOON)?;
    let console = machine.console();
    ensure!(!console.contains(disk::MARKER), "{console}");
    Ok(())
}

#[test]
fn uefi_by_exit() -> Result<()> {
    uefi_boots_its_disk("exit")
}

/// UEFI has no drive numbers: `sanboot` fails, and the script goes on to the next device.
#[test]
#[ignore = "OVMF's own attempts take long: cargo xtask test --full"]
fn uefi_by_sanboot_that_fails() -> Result<()> {
    uefi_boots_its_disk("sanboot")
}
