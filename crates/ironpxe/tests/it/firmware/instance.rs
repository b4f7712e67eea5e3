//! What an active node boots over the network: its own ramdisk, its CD, the kernel of its image.

use anyhow::{Result, ensure};
use ironpxe_testkit::machine::Platform;
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::linux::{self, Linux};
use ironpxe_testkit::payload::{disk, iso, toy};
use serde_json::json;

use super::fixture::ROOT;
use super::{
    BOOT, FirmwareFixture, KERNEL, MAC, MACHINES, RAMDISK, TIMEOUT, as_passed, disk_report, kernel,
    looks_as_documented,
};

fn the_instances_ramdisk_boots_with_its_own_arguments(platform: Platform) -> Result<()> {
    const OWN_KERNEL: &str = "/images/own.kernel";
    const OWN_RAMDISK: &str = "/images/own.initramfs";
    let ramdisk = toy::ramdisk(4321);
    let site = FirmwareFixture::with(toy::KERNEL, &[])?;
    site.images.serve(OWN_KERNEL, kernel(platform));
    site.images.serve(OWN_RAMDISK, &*ramdisk);
    let node = site.enrol_with(
        MAC,
        &json!({
            "deploy_interface": "ramdisk",
            "instance_info": {
                "image_source": null,
                "kernel": site.images.url(OWN_KERNEL),
                "ramdisk": site.images.url(OWN_RAMDISK),
                "ramdisk_kernel_arguments": "my=instance debug",
            },
        }),
    )?;
    site.make_available(&node)?;
    site.drive(&node, "active", "active")?;

    let _permit = MACHINES.acquire();
    let mut machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    // Nothing of the agent's: this is an operator's system.
    let expected = "root=/dev/ram0 console=ttyS0 quiet panic=-1 site=test my=instance debug \
                    initrd=ramdisk";
    let expected = as_passed(platform, expected);
    ensure!(line == toy::report(&expected, &ramdisk), "{line}");
    looks_as_documented(&machine, "instance ramdisk", &node)
}
on_platforms!(
    the_instances_ramdisk_boots_with_its_own_arguments:
    bios, bios_current, uefi_current,
    #[ignore = "cargo xtask test --full: a ramdisk boots like the deploy ramdisk"] uefi,
);

fn the_instances_cd_boots(platform: Platform) -> Result<()> {
    const CD: &str = "/images/rescue.iso";
    let site = FirmwareFixture::with(toy::KERNEL, &[])?;
    site.images.serve(CD, iso::image("cd")?);
    let node = site.enrol_with(
        MAC,
        &json!({
            "deploy_interface": "ramdisk",
            "instance_info": {"image_source": null, "boot_iso": site.images.url(CD)},
        }),
    )?;
    site.make_available(&node)?;
    site.drive(&node, "active", "active")?;
    let _permit = MACHINES.acquire();
    let mut machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    ensure!(line == disk_report(platform, "cd"), "{line}");
    looks_as_documented(&machine, "ISO image", &node)
}
on_platforms!(the_instances_cd_boots: bios, bios_current, uefi, uefi_current);

/// A partition image with `boot_option: netboot`: the image's own kernel and ramdisk, a real Linux,
/// and neither the agent's nor the disk.
fn a_partition_images_own_kernel_boots(platform: Platform) -> Result<()> {
    const OWN_KERNEL: &str = "/images/system.kernel";
    const OWN_RAMDISK: &str = "/images/system.initramfs";
    let linux = Linux::ensure()?;
    let site = FirmwareFixture::with(kernel(platform), &toy::ramdisk(1000))?;
    site.images.serve(OWN_KERNEL, &*linux.kernel);
    site.images.serve(OWN_RAMDISK, &*linux.initramfs);
    let node = site.enrol_with(
        MAC,
        &json!({
            "instance_info": {
                "image_type": "partition",
                "kernel": site.images.url(OWN_KERNEL),
                "ramdisk": site.images.url(OWN_RAMDISK),
                "capabilities": {"boot_option": "netboot"},
            },
        }),
    )?;
    site.wrote_the_partition(&node)?;
    site.adopt(&node)?;

    let _permit = MACHINES.acquire();
    let mut hardware = site.machine(platform).disk(disk::image("own")?);
    hardware.memory_mib = 256;
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(linux::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    // In Ironic's order, and nothing of the agent's.
    let expected =
        format!("root=UUID={ROOT} ro console=ttyS0 quiet panic=-1 site=test initrd=ramdisk");
    let expected = linux::report(&as_passed(platform, &expected));
    ensure!(line == expected, "printed {line}\nexpected {expected}");
    for (path, times) in [(OWN_KERNEL, 1), (OWN_RAMDISK, 1), (KERNEL, 0), (RAMDISK, 0)] {
        let requests = site.images.requests_to(path).len();
        ensure!(requests == times, "{path} was fetched {requests} times");
    }
    looks_as_documented(&machine, "instance kernel", &node)
}
on_platforms!(a_partition_images_own_kernel_boots: bios, bios_current, uefi, uefi_current);
