//! Machines without a port, with each response that can be configured for them.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::machine::{Hardware, Platform};
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::{disk, toy};
use ironpxe_testkit::server::ServerOptions;

use super::{
    BOOT, FirmwareFixture, KERNEL, MAC, MACHINES, NEXT_DEVICE, RAMDISK, boots_the_toy, disk_report,
    kernel,
};

/// No node has a port with it.
const UNKNOWN_MAC: &str = "52:54:00:aa:00:09";
/// What inspects machines, or any other script of the operator.
const INSPECTOR: &str = "/inspector.ipxe";
const PAGE: &str = include_str!("../../../../../docs/unknown-machines.md");
const MARK: &str = "inspector=yes";

/// A site with a known machine, where unknown ones get this; `URL` is the inspector's.
fn site(platform: Platform, unknown_machines: &str) -> Result<FirmwareFixture> {
    let images = ImageServer::start()?;
    let unknown_machines = unknown_machines.replace("URL", &images.url(INSPECTOR));
    let options =
        ServerOptions::for_machines().set("IRONPXE_PXE__UNKNOWN_MACHINES", unknown_machines);
    let site = FirmwareFixture::start_beside(images, &options)?;
    site.images.serve(KERNEL, kernel(platform));
    site.images.serve(RAMDISK, toy::ramdisk(1000));
    let (kernel, ramdisk) = (site.images.url(KERNEL), site.images.url(RAMDISK));
    let inspector = format!(
        "#!ipxe\nimgfree\nkernel --name kernel {kernel} {MARK} initrd=ramdisk\n\
         initrd --name ramdisk {ramdisk}\nboot\n"
    );
    site.images.serve(INSPECTOR, inspector.into_bytes());
    let node = site.enrol(MAC)?;
    site.deploy(&node)?;
    Ok(site)
}

/// The URL that tries every card, or the one for a single address.
fn url(site: &FirmwareFixture, path: &str) -> String {
    format!("{}{path}", site.server.url_for_machines())
}

const NIC_LOOP: &str = "/boot.ipxe";
const OF_ONE_CARD: &str = "/v1/boot/${mac:hexhyp}/boot.ipxe";

/// The inspector is for machines of which no card is known.
fn a_known_second_card_boots_its_node_and_not_the_inspector(platform: Platform) -> Result<()> {
    let site = site(platform, "URL")?;
    let _permit = MACHINES.acquire();
    let hardware = Hardware::with_bootfile(UNKNOWN_MAC, &url(&site, NIC_LOOP));
    let machine = hardware.card(MAC).on(platform).power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    ensure!(line.contains(&format!(" BOOTIF={MAC} ")), "{line}");
    ensure!(!line.contains(MARK), "{line}");
    let asked = site.images.requests_to(INSPECTOR);
    ensure!(asked.is_empty(), "{asked:?}");
    Ok(())
}
on_platforms!(
    a_known_second_card_boots_its_node_and_not_the_inspector: bios, bios_current, uefi_current
);

fn unknown_machine_is_chained_by(platform: Platform, path: &str) -> Result<()> {
    let site = site(platform, "URL")?;
    let _permit = MACHINES.acquire();
    let hardware = Hardware::with_bootfile(UNKNOWN_MAC, &url(&site, path)).on(platform);
    let machine = hardware.power_on()?;
    boots_the_toy(&machine)?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    ensure!(line.contains(MARK), "{line}");
    let console = machine.console();
    ensure!(console.contains("Going on with this script:"), "{console}");
    Ok(())
}

fn unknown_machine_is_chained_to_the_inspector(platform: Platform) -> Result<()> {
    unknown_machine_is_chained_by(platform, NIC_LOOP)
}
on_platforms!(
    unknown_machine_is_chained_to_the_inspector: bios, bios_current, uefi, uefi_current
);

fn unknown_address_is_chained_to_the_inspector(platform: Platform) -> Result<()> {
    unknown_machine_is_chained_by(platform, OF_ONE_CARD)
}
on_platforms!(
    unknown_address_is_chained_to_the_inspector:
    bios, uefi_current,
    #[ignore = "cargo xtask test --full: as by /boot.ipxe"] bios_current,
    #[ignore = "cargo xtask test --full: as by /boot.ipxe"] uefi,
);

/// An inspector that is not there is said so, and then it is the next boot device's turn.
fn an_inspector_that_is_away_is_shown(platform: Platform) -> Result<()> {
    let site = site(platform, "URL.away")?;
    let _permit = MACHINES.acquire();
    let hardware = Hardware::with_bootfile(UNKNOWN_MAC, &url(&site, OF_ONE_CARD)).on(platform);
    let machine = hardware.power_on()?;
    machine.wait_for("this script could not be fetched, or it failed:", BOOT)?;
    machine.wait_for("Trying the next boot device in 10 s.", BOOT)?;
    Ok(())
}
on_platforms!(an_inspector_that_is_away_is_shown: bios, bios_current, uefi_current);

fn unknown_machine_boots_its_disk(platform: Platform) -> Result<()> {
    let site = site(platform, "local")?;
    let _permit = MACHINES.acquire();
    let hardware = Hardware::with_bootfile(UNKNOWN_MAC, &url(&site, NIC_LOOP)).on(platform);
    let mut machine = hardware.disk(disk::image("own")?).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, NEXT_DEVICE)?;
    machine.wait_until_off(BOOT)?;
    ensure!(line == disk_report(platform, "own"), "{line}");
    let console = machine.console();
    ensure!(
        console.contains("Booting from the local disk."),
        "{console}"
    );
    Ok(())
}
on_platforms!(
    unknown_machine_boots_its_disk:
    bios, bios_current,
    #[ignore = "cargo xtask test --full: OVMF's own attempts take long"] uefi,
    #[ignore = "cargo xtask test --full: OVMF's own attempts take long"] uefi_current,
);

/// A boot script of the operator asks first, and has a script of its own for what gets 404.
fn after_404_the_operators_own_script_goes_on(platform: Platform) -> Result<()> {
    let site = site(platform, "404")?;
    let own = format!(
        "#!ipxe\nimgfetch --name script {} || goto own\nimgexec script ||\nexit 1\n:own\nchain {}\n",
        url(&site, OF_ONE_CARD),
        site.images.url(INSPECTOR)
    );
    boots_by(&site, platform, own, &[UNKNOWN_MAC], true)?;
    Ok(())
}
on_platforms!(
    after_404_the_operators_own_script_goes_on: bios, bios_current, uefi_current
);

/// The script on the operator's page tries each card, and has its own end for unknown machines.
fn the_documented_script_tries_each_card(platform: Platform) -> Result<()> {
    let site = site(platform, "404")?;
    let script = PAGE
        .split_once("```\n#!ipxe\n")
        .and_then(|(_, it)| it.split_once("```"));
    let (script, _) = script.context("no script on the page")?;
    let own = format!("#!ipxe\n{script}")
        .replace("http://192.0.2.1:6385", &site.server.url_for_machines())
        .replace(
            "http://192.0.2.1:6180/inspector.ipxe",
            &site.images.url(INSPECTOR),
        );
    boots_by(&site, platform, own.clone(), &[UNKNOWN_MAC, MAC], false)?;
    boots_by(&site, platform, own, &[UNKNOWN_MAC], true)
}
on_platforms!(the_documented_script_tries_each_card: bios, bios_current, uefi_current);

/// Boots a machine with these cards by this script: its node, or the inspector.
fn boots_by(
    site: &FirmwareFixture,
    platform: Platform,
    script: String,
    cards: &[&str],
    is_inspected: bool,
) -> Result<()> {
    const OWN: &str = "/own.ipxe";
    site.images.serve(OWN, script.into_bytes());
    let (first, others) = cards.split_first().context("no card")?;
    let hardware = Hardware::with_bootfile(first, &site.images.url(OWN));
    let hardware = others
        .iter()
        .fold(hardware, |machine, mac| machine.card(mac));
    let _permit = MACHINES.acquire();
    let machine = hardware.on(platform).power_on()?;
    let line = machine.wait_for_line(toy::MARKER, BOOT)?;
    ensure!(line.contains(MARK) == is_inspected, "{line}");
    machine.power_off()?;
    Ok(())
}
