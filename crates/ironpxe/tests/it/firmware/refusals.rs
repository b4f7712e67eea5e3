//! What a machine is told that boots nothing.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::payload::toy;

use super::{BOOT, MAC, MACHINES, NODE, SOON, Site, request_id};

#[test]
fn a_node_in_enroll_is_told_why_it_boots_nothing() -> Result<()> {
    let site = Site::with(toy::KERNEL, &[])?;
    let node = site.enrol(MAC)?;
    refuses(&site, &node, "enroll")
}

#[test]
fn an_available_node_is_told_why_it_boots_nothing() -> Result<()> {
    let site = Site::with(toy::KERNEL, &[])?;
    let node = site.enrol(MAC)?;
    site.make_available(&node)?;
    refuses(&site, &node, "available")
}

/// The reason is on the console, and in one warning of the log under the same request id.
fn refuses(site: &Site, node: &str, state: &str) -> Result<()> {
    let _turn = MACHINES.enter();
    let machine = site.machine().power_on()?;
    let line = machine.wait_for_line("req-", BOOT)?;
    let console = machine.console();
    let told = console.split_once("[script]").context("no script ran")?.1;
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
    machine.power_off()
}
