//! The way to the script and to the images, and what happens when it is blocked.

use std::time::Duration;

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::{Answer, ImageServer};
use ironpxe_testkit::machine::{Hardware, Network, Nic};
use ironpxe_testkit::payload::{disk, toy};
use ironpxe_testkit::server::ServerOptions;

use super::{BOOT, DOOR, KERNEL, MAC, MACHINES, Site, boots_the_toy, statuses};

#[test]
fn the_boot_script_finds_the_card_that_is_known() -> Result<()> {
    const UNKNOWN: &str = "52:54:00:aa:00:09";
    let site = Site::with(toy::KERNEL, &toy::ramdisk(1000))?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let bootfile = format!("{}/boot.ipxe", site.server.url_for_machines());
    let mut hardware = Hardware::with_bootfile(UNKNOWN, &bootfile);
    let network = Network::User { bootfile: None };
    hardware.nics.push(Nic {
        mac: MAC.to_owned(),
        boots: false,
        network,
    });

    let _turn = MACHINES.enter();
    let machine = hardware.power_on()?;
    let line = machine.wait_for_line("IRONPXE-TOY", BOOT)?;
    ensure!(line.contains(&format!(" BOOTIF={MAC} ")), "{line}");
    ensure!(machine.console().contains(UNKNOWN), "{}", machine.console());
    Ok(())
}

#[test]
fn a_machine_waits_for_a_server_that_says_retry_after() -> Result<()> {
    let site = Site::with(toy::KERNEL, &toy::ramdisk(1000))?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let front = ImageServer::start()?;
    front.relay_to(site.server.base_url())?;
    front.fail_next(DOOR, 1, Answer::status(503).header("Retry-After", "1"));
    let bootfile = format!("{}?port_address=${{mac}}", front.url(DOOR));

    let _turn = MACHINES.enter();
    let machine = Hardware::with_bootfile(MAC, &bootfile).power_on()?;
    boots_the_toy(&machine)?;
    ensure!(
        statuses(&front, DOOR) == [503, 200],
        "{:?}",
        front.requests.entries()
    );
    Ok(())
}

#[test]
fn a_machine_tries_again_when_an_image_cannot_be_fetched() -> Result<()> {
    let site = Site::with(toy::KERNEL, &toy::ramdisk(1000))?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    site.images.fail_next(KERNEL, 2, Answer::status(500));

    let _turn = MACHINES.enter();
    let machine = site.machine().power_on()?;
    boots_the_toy(&machine)?;
    ensure!(
        statuses(&site.images, KERNEL) == [500, 500, 200],
        "{:?}",
        site.images.requests
    );
    Ok(())
}

#[test]
#[ignore = "it waits as long as an operator would have time to read: cargo xtask test --full"]
fn a_machine_gives_up_and_goes_on_to_its_disk() -> Result<()> {
    let options = ServerOptions::for_machines()
        .set("IRONPXE_PXE__IPXE_RETRIES", "1")
        .set("IRONPXE_PXE__IPXE_GIVE_UP_ACTION", "exit");
    let site = Site::start(&options)?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;

    let _turn = MACHINES.enter();
    let mut machine = site.machine().disk(disk::image("own")?).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, Duration::from_mins(2))?;
    machine.wait_until_off(BOOT)?;
    ensure!(line == disk::bios_report(0x80, "own"), "{line}");
    ensure!(
        statuses(&site.images, KERNEL) == [404, 404],
        "{:?}",
        site.images.requests.entries()
    );
    // What a person at the screen needs to know.
    let console = machine.console();
    let kernel = site.images.url(KERNEL);
    for needle in ["Gave up after 1 more tries", &kernel, "next boot device"] {
        ensure!(console.contains(needle), "no {needle:?} in:\n{console}");
    }
    Ok(())
}
