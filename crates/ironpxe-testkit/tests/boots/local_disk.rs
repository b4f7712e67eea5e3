//! From the network card on to the disk, with a BIOS. (With UEFI: `uefi.rs`.)

use anyhow::{Result, ensure};
use ironpxe_testkit::machine::{Bus, Disk};
use ironpxe_testkit::payload::disk;

use super::{BOOT, MACHINES, machine};

/// Which disk boots after these commands, and as which drive.
fn boots_disk(commands: &str, bus: Bus) -> Result<()> {
    let _permit = MACHINES.acquire();
    let (_server, mut hardware) = machine(commands)?;
    for label in ["first", "second"] {
        let mut disk = Disk::new(disk::image(label)?);
        disk.bus = bus;
        hardware.disks.push(disk);
    }
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(BOOT)?;
    ensure!(
        line == format!("{} next=[second]", disk::bios_report(0x80, "first")),
        "{line}"
    );
    Ok(())
}

#[test]
fn sanboot_of_a_drive_boots_a_virtio_disk() -> Result<()> {
    boots_disk("sanboot --no-describe --drive 0x80", Bus::Virtio)
}

#[test]
fn sanboot_of_a_drive_boots_an_ide_disk() -> Result<()> {
    boots_disk("sanboot --no-describe --drive 0x80", Bus::Ide)
}

#[test]
fn failed_script_continues_with_the_disk() -> Result<()> {
    boots_disk("exit 1", Bus::Virtio)
}

#[test]
fn ended_script_continues_with_the_disk() -> Result<()> {
    boots_disk("exit 0", Bus::Ide)
}

#[test]
fn sanboot_without_a_disk_fails_and_the_script_continues() -> Result<()> {
    let _permit = MACHINES.acquire();
    let commands = "sanboot --no-describe --drive 0x80 || echo went on with ${errno:hexraw}";
    let (_server, hardware) = machine(commands)?;
    let machine = hardware.power_on()?;
    machine.wait_for("went on with", BOOT)?;
    ensure!(
        machine.console().contains("Input/output error"),
        "{}",
        machine.console()
    );
    machine.power_off()
}
