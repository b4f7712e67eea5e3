//! An active node goes on to its disk, in every way that can be configured.

use anyhow::{Result, ensure};
use ironpxe_testkit::machine::{Ipxe, Platform};
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::disk;
use ironpxe_testkit::server::ServerOptions;

use super::{
    BOOT, FirmwareFixture, MAC, MACHINES, NEXT_DEVICE, TIMEOUT, disk_report, looks_as_documented,
};

/// A site with an active node, which this firmware sends to its disk in this way. The way of the
/// other firmware would not reach the disk.
fn site(platform: Platform, way: &str) -> Result<(FirmwareFixture, String)> {
    let (mut own, mut other) = (
        "IRONPXE_PXE__LOCAL_BOOT_BIOS",
        "IRONPXE_PXE__LOCAL_BOOT_UEFI",
    );
    if platform.is_uefi() {
        std::mem::swap(&mut own, &mut other);
    }
    let options = ServerOptions::for_machines()
        .set(own, way)
        .set(other, "reboot");
    let site = FirmwareFixture::start(&options)?;
    let node = site.enrol(MAC)?;
    site.adopt(&node)?;
    Ok((site, node))
}

/// A machine with two disks boots the first.
fn boots_its_disk(platform: Platform, way: &str) -> Result<()> {
    let (site, node) = site(platform, way)?;
    let _permit = MACHINES.acquire();
    let hardware = site.machine(platform).disk(disk::image("system")?);
    let mut machine = hardware.disk(disk::image("data")?).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, NEXT_DEVICE)?;
    machine.wait_until_off(TIMEOUT)?;
    let mut expected = disk_report(platform, "system");
    if !platform.is_uefi() {
        expected.push_str(" next=[data]");
    }
    ensure!(line == expected, "{line}");
    looks_as_documented(&machine, "local disk", &node)
}

/// A machine that goes off, and boots nothing. (After a reboot it would be on again elsewhere.)
fn goes_off(platform: Platform, way: &str) -> Result<()> {
    let (site, node) = site(platform, way)?;
    let _permit = MACHINES.acquire();
    let hardware = site.machine(platform).disk(disk::image("system")?);
    let mut machine = hardware.power_on()?;
    machine.wait_until_off(BOOT)?;
    let console = machine.console();
    ensure!(!console.contains(disk::MARKER), "{console}");
    let said = match way {
        "reboot" => "Rebooting in 5 s.",
        _ => "Powering off in 5 s.",
    };
    ensure!(console.contains(said), "{console}");
    looks_as_documented(&machine, "local disk", &node)
}

/// With UEFI drives have no numbers: `sanboot` fails, and the script goes on to the next device.
fn by_sanboot(platform: Platform) -> Result<()> {
    boots_its_disk(platform, "sanboot")
}
on_platforms!(
    by_sanboot:
    bios, bios_current,
    #[ignore = "cargo xtask test --full: OVMF's own attempts take long"] uefi,
    #[ignore = "cargo xtask test --full: OVMF's own attempts take long"] uefi_current,
);

fn by_exit(platform: Platform) -> Result<()> {
    boots_its_disk(platform, "exit")
}
on_platforms!(by_exit: bios, bios_current, uefi, uefi_current);

fn by_reboot(platform: Platform) -> Result<()> {
    goes_off(platform, "reboot")
}
on_platforms!(
    by_reboot:
    bios, bios_current, uefi_current,
    #[ignore = "cargo xtask test --full: a reboot is a reboot"] uefi,
);

/// iPXE of 2019 has no `poweroff`; then the disk is better than a machine that stands still.
fn by_poweroff(platform: Platform) -> Result<()> {
    match platform.ipxe {
        Ipxe::Installed | Ipxe::Absent => boots_its_disk(platform, "poweroff"),
        Ipxe::Current => goes_off(platform, "poweroff"),
    }
}
on_platforms!(
    by_poweroff:
    bios, bios_current, uefi_current,
    #[ignore = "cargo xtask test --full: OVMF's own attempts take long"] uefi,
);
