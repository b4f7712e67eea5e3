//! What a machine is told that boots nothing.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::machine::Platform;
use ironpxe_testkit::on_platforms;

use super::{BOOT, MAC, MACHINES, NODE, SOON, Site, looks_as_documented, request_id};

#[test]
fn a_node_in_enroll_is_told_why_it_boots_nothing() -> Result<()> {
    let site = Site::with(&[], &[])?;
    let node = site.enrol(MAC)?;
    refuses(Platform::bios(), &site, &node, "enroll")
}

fn an_available_node_is_told_why_it_boots_nothing(platform: Platform) -> Result<()> {
    let site = Site::with(&[], &[])?;
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
fn refuses(platform: Platform, site: &Site, node: &str, state: &str) -> Result<()> {
    let _turn = MACHINES.enter();
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
    site.server.wait_for_log(&request, SOON)?;
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
