//! What an active node boots over the network: its own ramdisk, its CD.

use anyhow::{Result, ensure};
use ironpxe_testkit::payload::{disk, iso, toy};
use serde_json::json;

use super::{BOOT, MAC, MACHINES, SOON, Site};

#[test]
fn the_instances_ramdisk_boots_with_its_own_arguments() -> Result<()> {
    const OWN_KERNEL: &str = "/images/own.kernel";
    const OWN_RAMDISK: &str = "/images/own.initramfs";
    let ramdisk = toy::ramdisk(4321);
    let site = Site::with(toy::KERNEL, &[])?;
    site.images.serve(OWN_KERNEL, toy::KERNEL);
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

    let _turn = MACHINES.enter();
    let mut machine = site.machine().power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    machine.wait_until_off(SOON)?;
    // Nothing of the agent's: this is somebody's system.
    let expected = "root=/dev/ram0 console=ttyS0 quiet panic=-1 site=test my=instance debug \
                    initrd=ramdisk";
    ensure!(line == toy::report(expected, &ramdisk), "{line}");
    Ok(())
}

#[test]
fn the_instances_cd_boots() -> Result<()> {
    const CD: &str = "/images/rescue.iso";
    let site = Site::with(toy::KERNEL, &[])?;
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
    let _turn = MACHINES.enter();
    for (hardware, expected) in [
        (site.machine(), disk::bios_report(0x80, "cd")),
        (site.machine().uefi(), disk::uefi_report("cd")),
    ] {
        let mut machine = hardware.power_on()?;
        let line = machine.wait_for_line(disk::MARKER, BOOT)?;
        machine.wait_until_off(SOON)?;
        ensure!(line == expected, "{line}");
    }
    Ok(())
}
