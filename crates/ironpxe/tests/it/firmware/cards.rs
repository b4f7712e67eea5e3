//! Machines with several cards, and one script for them all: `/boot.ipxe`.

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::{Answer, ImageServer};
use ironpxe_testkit::machine::{HOST, Hardware, Platform};
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::{disk, toy};

use super::screen::looks_as_documented_at;
use super::{
    BOOT, FirmwareFixture, MAC, MACHINES, NEXT_DEVICE, boots_the_toy, disk_report, kernel,
    looks_as_documented,
};

/// No node has a port with it.
const UNKNOWN_MAC: &str = "52:54:00:aa:00:09";
const OTHER_UNKNOWN_MAC: &str = "52:54:00:aa:00:0a";

fn site(platform: Platform) -> Result<FirmwareFixture> {
    let site = FirmwareFixture::with(kernel(platform), &toy::ramdisk(1000))?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    Ok(site)
}

/// A machine that boots from a card with this address.
fn machine(site: &FirmwareFixture, mac: &str) -> Hardware {
    let bootfile = format!("{}/boot.ipxe", site.server.url_for_machines());
    Hardware::with_bootfile(mac, &bootfile)
}

/// `BOOTIF` names the card that the node is known by, whichever booted.
fn the_second_card_is_known_and_the_first_is_not(platform: Platform) -> Result<()> {
    let site = site(platform)?;
    let _permit = MACHINES.acquire();
    let hardware = machine(&site, UNKNOWN_MAC).card(MAC).on(platform);
    let machine = hardware.power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    ensure!(line.contains(&format!(" BOOTIF={MAC} ")), "{line}");
    let console = machine.console();
    for asked in [
        format!("ironpxe: looking up net0, {UNKNOWN_MAC}"),
        format!("ironpxe: looking up net1, {MAC}"),
    ] {
        ensure!(console.contains(&asked), "no {asked:?} in:\n{console}");
    }
    Ok(())
}
on_platforms!(
    the_second_card_is_known_and_the_first_is_not: bios, bios_current, uefi_current
);

/// With UEFI the iPXE in a card's ROM sees that card only. Its script fails, and then it is the
/// turn of the next card's.
fn each_card_asks_for_itself(platform: Platform) -> Result<()> {
    let site = site(platform)?;
    let _permit = MACHINES.acquire();
    let mut hardware = machine(&site, UNKNOWN_MAC).on(platform);
    // The second card's network knows this host by another address; no image is to be had there.
    let bootfile = format!("{}/boot.ipxe", site.server.url_for_machines());
    let bootfile = bootfile.replace(HOST, "10.0.3.2");
    hardware
        .nics
        .extend(Hardware::with_bootfile(MAC, &bootfile).nics);
    let machine = hardware.power_on()?;
    machine.wait_for_line("-> deploy ramdisk", NEXT_DEVICE)?;
    let console = machine.console();
    for asked in [UNKNOWN_MAC, MAC] {
        let asked = format!("ironpxe: looking up net0, {asked}");
        ensure!(console.contains(&asked), "no {asked:?} in:\n{console}");
    }
    Ok(())
}
on_platforms!(
    each_card_asks_for_itself:
    #[ignore = "cargo xtask test --full: OVMF's own attempts take long"] uefi,
);

fn the_first_card_is_known_and_the_second_is_not_asked_for(platform: Platform) -> Result<()> {
    let site = site(platform)?;
    let _permit = MACHINES.acquire();
    let hardware = machine(&site, MAC).card(UNKNOWN_MAC).on(platform);
    let machine = hardware.power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    ensure!(line.contains(&format!(" BOOTIF={MAC} ")), "{line}");
    let console = machine.console();
    ensure!(!console.contains(UNKNOWN_MAC), "{console}");
    Ok(())
}
on_platforms!(the_first_card_is_known_and_the_second_is_not_asked_for: bios, bios_current);

fn unknown_machine_goes_on_to_its_disk(platform: Platform) -> Result<()> {
    let site = site(platform)?;
    let _permit = MACHINES.acquire();
    let hardware = machine(&site, UNKNOWN_MAC)
        .card(OTHER_UNKNOWN_MAC)
        .on(platform);
    let mut machine = hardware.disk(disk::image("own")?).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, NEXT_DEVICE)?;
    machine.wait_until_off(BOOT)?;
    ensure!(line == disk_report(platform, "own"), "{line}");
    let console = machine.console();
    let sees_all = platform != Platform::uefi();
    ensure!(console.contains(OTHER_UNKNOWN_MAC) == sees_all, "{console}");
    let images = site.images.requests.entries();
    ensure!(images.is_empty(), "{images:?}");
    looks_as_documented(&machine, "an unknown machine", UNKNOWN_MAC)
}
on_platforms!(
    unknown_machine_goes_on_to_its_disk:
    bios, bios_current,
    #[ignore = "cargo xtask test --full: OVMF's own attempts take long"] uefi,
    #[ignore = "cargo xtask test --full: OVMF's own attempts take long"] uefi_current,
);

/// `[api]public_endpoint` and `DHCP` name a proxy that takes a prefix away from each path.
fn a_machine_behind_a_path_prefix_boots(platform: Platform) -> Result<()> {
    let site = site(platform)?;
    let front = ImageServer::start()?;
    front.relay_below("/baremetal", site.server.base_url())?;
    let _permit = MACHINES.acquire();
    let hardware = Hardware::with_bootfile(MAC, &front.url("/baremetal/boot.ipxe")).on(platform);
    let machine = hardware.power_on()?;
    boots_the_toy(&machine)?;
    let path = format!("/baremetal/v1/boot/{}/boot.ipxe", MAC.replace(':', "-"));
    front.wait_for(&path, 200, BOOT)?;
    Ok(())
}
on_platforms!(a_machine_behind_a_path_prefix_boots: bios, bios_current, uefi_current);

/// What is in the way of the machine's script: a proxy, or no server at all.
fn a_script_that_cannot_be_fetched_is_not_a_missing_port(platform: Platform) -> Result<()> {
    let site = site(platform)?;
    let _permit = MACHINES.acquire();
    for status in [403, 404] {
        let front = ImageServer::start()?;
        front.relay_to(site.server.base_url())?;
        let path = format!("/v1/boot/{}/boot.ipxe", MAC.replace(':', "-"));
        front.fail_next(&path, 100, Answer::status(status));
        let hardware = Hardware::with_bootfile(MAC, &front.url("/boot.ipxe")).on(platform);
        let machine = hardware.power_on()?;
        machine.wait_for("Trying the next boot device in 10 s.", BOOT)?;
        front.wait_for(&path, status, BOOT)?;
        let console = machine.console();
        if platform == Platform::bios() {
            let shown = format!(
                "{}, beside {}",
                path.trim_start_matches('/'),
                front.url("/boot.ipxe")
            );
            // It may be longer than a row of the screen.
            let rows = console.replace(['\r', '\n'], "");
            ensure!(rows.contains(&shown), "no {shown:?} in:\n{console}");
        } else {
            looks_as_documented_at(
                &machine,
                "an address that cannot be looked up",
                MAC,
                &front.url("/"),
            )?;
        }
        ensure!(!console.contains("port create"), "{console}");
        machine.power_off()?;
    }
    Ok(())
}
on_platforms!(
    a_script_that_cannot_be_fetched_is_not_a_missing_port: bios, bios_current, uefi_current
);
