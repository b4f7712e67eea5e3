//! An active node that lives on remote volumes, served by a real iSCSI target.

use anyhow::{Result, ensure};
use ironpxe_testkit::iscsi::Target;
use ironpxe_testkit::machine::Platform;
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::disk;
use serde_json::json;

use super::{BOOT, FirmwareFixture, MAC, MACHINES, TIMEOUT, disk_report, looks_as_documented};

const INITIATOR: &str = "iqn.2026-01.example:rack-1";
const USER: &str = "reader";
/// Nothing that would survive as words of a script.
const PASSWORD: &str = "${uuid}  || #16 chars";
const BOOT_LUN: u16 = 1;
const DATA_LUN: u16 = 26;

/// A target with two disks, for our initiator only.
fn target() -> Result<Target> {
    let target = Target::start("iqn.2026-01.example:volumes")?;
    target.add_disk(BOOT_LUN, &disk::image("root")?)?;
    target.add_disk(DATA_LUN, &disk::image("data")?)?;
    target.require_chap(USER, PASSWORD)?;
    target.admit(INITIATOR)?;
    Ok(target)
}

/// A node deployed onto the target's volumes, which are at these portals.
fn site(target: &Target, portals: &[String]) -> Result<(FirmwareFixture, String)> {
    let site = FirmwareFixture::with(&[], &[])?;
    let fields = json!({"storage_interface": "external", "instance_info": {"image_source": null}});
    let node = site.enrol_with(MAC, &fields)?;
    let connector = json!({"node_uuid": node, "type": "iqn", "connector_id": INITIATOR});
    let created = site.ironic.post("/v1/volume/connectors", &connector)?;
    created.expect_status(201)?;
    // Not in the order they are booted in.
    for (boot_index, lun) in [(1, DATA_LUN), (0, BOOT_LUN)] {
        let volume = json!({
            "node_uuid": node,
            "volume_type": "iscsi",
            "volume_id": format!("volume-{lun}"),
            "boot_index": boot_index,
            "properties": {
                "target_portals": portals,
                "target_iqn": target.iqn,
                "target_lun": lun,
                "auth_method": "CHAP",
                "auth_username": USER,
                "auth_password": PASSWORD,
            },
        });
        let created = site.ironic.post("/v1/volume/targets", &volume)?;
        created.expect_status(201)?;
    }
    site.make_available(&node)?;
    site.drive(&node, "active", "active")?;
    Ok((site, node))
}

/// A BIOS sees the second volume as the drive after the first.
fn the_first_volume_boots(platform: Platform) -> Result<()> {
    let target = target()?;
    let (site, node) = site(&target, &[target.portal()])?;
    let _permit = MACHINES.acquire();
    let mut machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    let mut expected = disk_report(platform, "root");
    if !platform.is_uefi() {
        expected.push_str(" next=[data]");
    }
    ensure!(line == expected, "{line}");
    let console = machine.console();
    ensure!(!console.contains("16 chars"), "{console}");
    looks_as_documented(&machine, "remote volume", &node)
}
on_platforms!(the_first_volume_boots: bios, bios_current, uefi, uefi_current);

/// iPXE then shows the machine's own disk as 0x81, in front of the second volume.
fn a_disk_of_its_own_does_not_come_first(platform: Platform) -> Result<()> {
    let target = target()?;
    let (site, _) = site(&target, &[target.portal()])?;
    let _permit = MACHINES.acquire();
    let hardware = site.machine(platform).disk(disk::image("own")?);
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    ensure!(line.starts_with(&disk_report(platform, "root")), "{line}");
    Ok(())
}
on_platforms!(a_disk_of_its_own_does_not_come_first: bios, bios_current, uefi_current);

fn a_portal_with_an_ipv6_address_will_do(platform: Platform) -> Result<()> {
    let target = target()?;
    let portal = format!("[fec0::2]:{}", target.listen_v6()?);
    let (site, _) = site(&target, &[portal])?;
    let _permit = MACHINES.acquire();
    let mut machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(TIMEOUT)?;
    ensure!(line.contains("label=[root] next=[data]"), "{line}");
    Ok(())
}
on_platforms!(a_portal_with_an_ipv6_address_will_do: bios, bios_current);
