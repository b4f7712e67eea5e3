//! With UEFI: iPXE is a driver of the network card, and what it boots is an application.

use std::time::Duration;

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::machine::{Bus, Disk};
use ironpxe_testkit::payload::{disk, toy};

use super::{BOOT, MACHINES, machine, machine_for};

/// Before it comes to the disk, OVMF tries its own HTTP boot, and now and then waits for it.
const NEXT_DEVICE: Duration = Duration::from_mins(4);

#[test]
fn toy_kernel_gets_its_arguments_and_ramdisk() -> Result<()> {
    let _permit = MACHINES.acquire();
    let ramdisk = toy::ramdisk(1_234_567);
    let server = ImageServer::start()?;
    server.serve("/toy.efi", toy::EFI_KERNEL);
    server.serve("/images/rd.img", &*ramdisk);
    let arguments = format!("console=ttyS0 long={} initrd=ramdisk", "x".repeat(300));
    let commands = format!(
        "imgfree\nkernel --name kernel {} {arguments}\ninitrd --name ramdisk {}\nboot",
        server.url("/toy.efi"),
        server.url("/images/rd.img"),
    );
    let mut machine = machine_for(&server, &commands).uefi().power_on()?;
    let expected = toy::report(&format!("kernel {arguments}"), &ramdisk);
    machine.wait_for(&expected, BOOT)?;
    machine.wait_until_off(BOOT)?;
    Ok(())
}

#[test]
fn ramdisk_with_another_name_is_not_found() -> Result<()> {
    let _permit = MACHINES.acquire();
    let server = ImageServer::start()?;
    server.serve("/toy.efi", toy::EFI_KERNEL);
    server.serve("/images/rd.img", [1, 2, 3]);
    let commands = format!(
        "kernel {} initrd=ramdisk\ninitrd {}\nboot",
        server.url("/toy.efi"),
        server.url("/images/rd.img"),
    );
    let machine = machine_for(&server, &commands).uefi().power_on()?;
    machine.wait_for(&toy::report("toy.efi initrd=ramdisk", &[]), BOOT)?;
    Ok(())
}

/// The disk boots after these commands.
fn boots_disk(commands: &str, bus: Bus) -> Result<()> {
    let _permit = MACHINES.acquire();
    let (_server, hardware) = machine(commands)?;
    let mut hardware = hardware.uefi();
    let mut disk = Disk::new(disk::image("first")?);
    disk.bus = bus;
    hardware.disks.push(disk);
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(disk::MARKER, NEXT_DEVICE)?;
    machine.wait_until_off(BOOT)?;
    ensure!(line == disk::uefi_report("first"), "{line}");
    Ok(())
}

#[test]
fn failed_script_continues_with_the_disk() -> Result<()> {
    boots_disk("exit 1", Bus::Virtio)
}

/// True for the iPXE of a card, which firmware started by itself. When iPXE was chain-loaded,
/// the firmware takes a success for the end of booting, and shows its menu.
#[test]
#[ignore = "OVMF's own attempts take long: cargo xtask test --full"]
fn ended_script_continues_with_the_disk() -> Result<()> {
    boots_disk("exit 0", Bus::Ide)
}

/// A drive number means nothing to UEFI.
#[test]
#[ignore = "OVMF's own attempts take long: cargo xtask test --full"]
fn sanboot_of_a_local_drive_fails() -> Result<()> {
    boots_disk("sanboot --no-describe --drive 0x80 || exit 1", Bus::Virtio)
}
