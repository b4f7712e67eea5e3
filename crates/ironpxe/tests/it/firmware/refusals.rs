//! What a machine is told that boots nothing.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::machine::Hardware;
use ironpxe_testkit::machine::Platform;
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::server::ServerOptions;
use serde_json::json;

use super::{BOOT, FirmwareFixture, MAC, MACHINES, NODE, TIMEOUT, looks_as_documented, request_id};

#[test]
fn node_in_enroll_shows_why_it_boots_nothing() -> Result<()> {
    let site = FirmwareFixture::with(&[], &[])?;
    let node = site.enrol(MAC)?;
    refuses(Platform::bios(), &site, &node, "enroll")
}

fn an_available_node_is_told_why_it_boots_nothing(platform: Platform) -> Result<()> {
    let site = FirmwareFixture::with(&[], &[])?;
    let node = site.enrol(MAC)?;
    site.make_available(&node)?;
    refuses(platform, &site, &node, "available")
}
on_platforms!(
    an_available_node_is_told_why_it_boots_nothing:
    bios, bios_current, uefi_current,
    #[ignore = "cargo xtask test --full: a refusal prints and waits"] uefi,
);

/// The reason is on the console, and in one warning of the log under the same request id.
fn refuses(platform: Platform, site: &FirmwareFixture, node: &str, state: &str) -> Result<()> {
    let _permit = MACHINES.acquire();
    let machine = site.machine(platform).power_on()?;
    let line = machine.wait_for_line("req-", BOOT)?;
    let console = machine.console();
    let told = console.split_once("ironpxe:").context("no script ran")?.1;
    for needle in [NODE, node, state] {
        ensure!(
            told.contains(needle),
            "the console does not say {needle:?}:\n{console}"
        );
    }
    let request = request_id(&line)?;
    site.server.wait_for_log(&request, TIMEOUT)?;
    let mut warnings = site.server.log_with(&request);
    warnings.retain(|line| line.contains("WARN"));
    ensure!(
        warnings.len() == 1,
        "not one warning with {request}: {warnings:#?}"
    );
    ensure!(
        site.images.requests.entries().is_empty(),
        "{:?}",
        site.images.requests.entries()
    );
    if state == "available" {
        looks_as_documented(&machine, "nothing", node)?;
    }
    machine.power_off()
}

/// By default the console tells nothing about the node, but where the reason is.
fn reason_is_in_the_log_by_default(platform: Platform) -> Result<()> {
    let options = ServerOptions::for_machines().set("IRONPXE_API__RESTRICT_BOOT_CONFIG", "true");
    let site = FirmwareFixture::start(&options)?;
    let node = site.enrol(MAC)?;
    site.make_available(&node)?;
    let _permit = MACHINES.acquire();
    let machine = site.machine(platform).power_on()?;
    machine.wait_for("nothing to boot for this machine", BOOT)?;
    let request = request_id(&machine.wait_for_line("req-", BOOT)?)?;
    let console = machine.console();
    ensure!(
        !console.contains(&node) && !console.contains("available"),
        "{console}"
    );
    let line = site.server.wait_for_log(&request, TIMEOUT)?;
    ensure!(line.contains("this state boots nothing"), "{line}");
    machine.power_off()
}
on_platforms!(reason_is_in_the_log_by_default: bios, uefi_current);

/// The DHCP server's file name lost its path: iPXE with a BIOS would run an answer of the API as
/// machine code.
fn a_machine_at_the_root_is_told_the_right_url(platform: Platform) -> Result<()> {
    let site = FirmwareFixture::with(&[], &[])?;
    let server = site.server.url_for_machines();
    let _permit = MACHINES.acquire();
    let hardware = Hardware::with_bootfile(MAC, &format!("{server}/")).on(platform);
    let machine = hardware.power_on()?;
    machine.wait_for("ironpxe: / is not a boot script.", BOOT)?;
    machine.wait_for(
        &format!("set the DHCP boot file to {server}/boot.ipxe"),
        BOOT,
    )?;
    let request = request_id(&machine.wait_for_line("req-", BOOT)?)?;
    let line = site.server.wait_for_log(&request, TIMEOUT)?;
    ensure!(
        line.contains("WARN") && line.contains("is not a script"),
        "{line}"
    );
    machine.power_off()
}
on_platforms!(a_machine_at_the_root_is_told_the_right_url: bios, bios_current, uefi_current);

/// `port_address=${net7/mac}`, and there is no such card.
fn a_mac_address_that_is_not_set_is_told(platform: Platform) -> Result<()> {
    let site = FirmwareFixture::with(&[], &[])?;
    let server = site.server.url_for_machines();
    let _permit = MACHINES.acquire();
    let bootfile = format!("{server}/v1/boot/${{net7/mac}}/boot.ipxe");
    let machine = Hardware::with_bootfile(MAC, &bootfile)
        .on(platform)
        .power_on()?;
    machine.wait_for("but it is empty;", BOOT)?;
    let request = request_id(&machine.wait_for_line("req-", BOOT)?)?;
    let line = site.server.wait_for_log(&request, TIMEOUT)?;
    ensure!(
        line.contains("WARN") && line.contains("it is empty"),
        "{line}"
    );
    machine.power_off()
}
on_platforms!(a_mac_address_that_is_not_set_is_told: bios, bios_current, uefi_current);

/// The advice is long, and its second line must not begin with what `echo` takes for an option.
fn a_node_without_a_name_is_shown_all_of_the_advice(platform: Platform) -> Result<()> {
    let site = FirmwareFixture::with(&[], &[])?;
    let node = site.enrol_with(MAC, &json!({"name": null}))?;
    site.deploy(&node)?;
    site.drive(&node, "abort", "deploy failed")?;
    let _permit = MACHINES.acquire();
    let machine = site.machine(platform).power_on()?;
    machine.wait_for("Fix: see last_error: baremetal node show", BOOT)?;
    machine.wait_for(&format!("{node} --fields last_error."), BOOT)?;
    machine.wait_for_line("req-", BOOT)?;
    let console = machine.console();
    ensure!(!console.contains("Unrecognised option"), "{console}");
    machine.power_off()
}
on_platforms!(a_node_without_a_name_is_shown_all_of_the_advice: bios, bios_current, uefi_current);
