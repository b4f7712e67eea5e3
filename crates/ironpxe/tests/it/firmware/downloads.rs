//! The way to the images, and what happens when it is blocked.

use std::time::Duration;

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::{Answer, ImageServer};
use ironpxe_testkit::machine::{HOST, Hardware, Ipxe, Platform};
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::{disk, toy};
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::json;

use super::{
    BOOT, BOOT_PATH, FirmwareFixture, KERNEL, MAC, MACHINES, NEXT_DEVICE, RAMDISK, boots_the_toy,
    disk_report, kernel, looks_as_documented, statuses,
};

fn a_machine_waits_for_a_server_that_says_retry_after(platform: Platform) -> Result<()> {
    let site = FirmwareFixture::with(kernel(platform), &toy::ramdisk(1000))?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let front = ImageServer::start()?;
    front.relay_to(site.server.base_url())?;
    front.fail_next(BOOT_PATH, 1, Answer::status(503).header("Retry-After", "1"));
    let bootfile = format!("{}?port_address=${{mac}}", front.url(BOOT_PATH));

    let _permit = MACHINES.acquire();
    let hardware = Hardware::with_bootfile(MAC, &bootfile).on(platform);
    let machine = hardware.power_on()?;
    boots_the_toy(&machine)?;
    ensure!(
        statuses(&front, BOOT_PATH) == [503, 200],
        "{:?}",
        front.requests.entries()
    );
    Ok(())
}
on_platforms!(
    a_machine_waits_for_a_server_that_says_retry_after:
    bios, bios_current, uefi_current,
    #[ignore = "cargo xtask test --full: HTTP is iPXE's, whatever the firmware"] uefi,
);

/// At first no server listens, then the kernel is not there, then the ramdisk's server is busy.
fn a_machine_tries_until_its_images_are_there(platform: Platform) -> Result<()> {
    let port = Server::free_port()?;
    let url = |path: &str| format!("http://{HOST}:{port}{path}");
    let site = FirmwareFixture::start(&ServerOptions::for_machines())?;
    let fields = json!({
        "driver_info": {"deploy_kernel": url(KERNEL), "deploy_ramdisk": url(RAMDISK)},
    });
    let node = site.enrol_with(MAC, &fields)?;
    site.deploy(&node)?;

    let _permit = MACHINES.acquire();
    let machine = site.machine(platform).power_on()?;
    machine.wait_for("retry 1 of 10 in 1 s.", BOOT)?;
    let images = ImageServer::start_on(port)?;
    images.serve(RAMDISK, toy::ramdisk(1000));
    images.fail_next(RAMDISK, 1, Answer::status(503).header("Retry-After", "1"));
    images.wait_for(KERNEL, 404, BOOT)?;
    images.serve(KERNEL, kernel(platform));
    boots_the_toy(&machine)?;
    let kernel = statuses(&images, KERNEL);
    ensure!(kernel.ends_with(&[404, 200]), "{kernel:?}");
    let ramdisk = statuses(&images, RAMDISK);
    ensure!(ramdisk == [503, 200], "{ramdisk:?}");
    looks_as_documented(&machine, "a download that fails", &node)
}
on_platforms!(
    a_machine_tries_until_its_images_are_there:
    bios, bios_current, uefi_current,
    #[ignore = "cargo xtask test --full: HTTP is iPXE's, whatever the firmware"] uefi,
);

/// A site whose machines try once more and then do this; there are no images.
fn hopeless(platform: Platform, action: &str) -> Result<(FirmwareFixture, Hardware)> {
    let options = ServerOptions::for_machines()
        .set("IRONPXE_PXE__IPXE_RETRIES", "1")
        .set("IRONPXE_PXE__IPXE_GIVE_UP_ACTION", action);
    let site = FirmwareFixture::start(&options)?;
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    let hardware = site.machine(platform).disk(disk::image("own")?);
    Ok((site, hardware))
}

/// What a person at the screen needs to know.
fn says_what_it_needs(site: &FirmwareFixture, console: &str) -> Result<()> {
    for needle in ["Gave up after 1 retries", &site.images.url(KERNEL)] {
        ensure!(console.contains(needle), "no {needle:?} in:\n{console}");
    }
    ensure!(
        statuses(&site.images, KERNEL) == [404, 404],
        "{:?}",
        site.images.requests.entries()
    );
    Ok(())
}

fn a_machine_gives_up_and_goes_on_to_its_disk(platform: Platform) -> Result<()> {
    let (site, hardware) = hopeless(platform, "exit")?;
    let _permit = MACHINES.acquire();
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(disk::MARKER, NEXT_DEVICE)?;
    machine.wait_until_off(BOOT)?;
    ensure!(line == disk_report(platform, "own"), "{line}");
    says_what_it_needs(&site, &machine.console())
}
on_platforms!(
    a_machine_gives_up_and_goes_on_to_its_disk:
    #[ignore = "cargo xtask test --full: it waits as long as a person would need to read"] bios,
    #[ignore = "cargo xtask test --full: it waits as long as a person would need to read"]
    bios_current,
    #[ignore = "cargo xtask test --full: it waits as long as a person would need to read"]
    uefi_current,
);

/// Here a reboot ends the machine.
fn a_machine_gives_up_and_reboots(platform: Platform) -> Result<()> {
    goes_off(platform, "reboot")
}
on_platforms!(
    a_machine_gives_up_and_reboots:
    #[ignore = "cargo xtask test --full: it waits as long as a person would need to read"] bios,
    #[ignore = "cargo xtask test --full: it waits as long as a person would need to read"]
    uefi_current,
);

/// iPXE of 2019 has no `poweroff`: the machine stays where it is, and boots nothing by mistake.
fn a_machine_gives_up_and_powers_off(platform: Platform) -> Result<()> {
    if platform.ipxe == Ipxe::Current {
        return goes_off(platform, "poweroff");
    }
    let (site, hardware) = hopeless(platform, "poweroff")?;
    let _permit = MACHINES.acquire();
    let machine = hardware.power_on()?;
    machine.wait_for("This iPXE cannot power off; it halts here.", BOOT)?;
    says_what_it_needs(&site, &machine.console())?;
    machine.power_off()
}
on_platforms!(
    a_machine_gives_up_and_powers_off:
    #[ignore = "cargo xtask test --full: it waits as long as a person would need to read"] bios,
    #[ignore = "cargo xtask test --full: it waits as long as a person would need to read"]
    bios_current,
    #[ignore = "cargo xtask test --full: it waits as long as a person would need to read"]
    uefi_current,
);

fn a_machine_gives_up_and_shows_a_shell(platform: Platform) -> Result<()> {
    let (site, hardware) = hopeless(platform, "shell")?;
    let _permit = MACHINES.acquire();
    let machine = hardware.power_on()?;
    machine.wait_for("iPXE> ", BOOT)?;
    says_what_it_needs(&site, &machine.console())?;
    machine.power_off()
}
on_platforms!(a_machine_gives_up_and_shows_a_shell: bios, bios_current, uefi_current);

fn goes_off(platform: Platform, action: &str) -> Result<()> {
    let (site, hardware) = hopeless(platform, action)?;
    let _permit = MACHINES.acquire();
    let mut machine = hardware.power_on()?;
    machine.wait_until_off(BOOT + Duration::from_secs(30))?;
    let console = machine.console();
    ensure!(!console.contains(disk::MARKER), "{console}");
    says_what_it_needs(&site, &console)
}
