//! From a CD image on an HTTP server.

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::payload::{disk, iso};

use super::{BOOT, MACHINES, machine_for};

const CD: &str = "/cd.iso";

fn server() -> Result<ImageServer> {
    let server = ImageServer::start()?;
    server.serve(CD, iso::image("cd")?);
    Ok(server)
}

#[test]
fn bios_boots_an_iso_and_fetches_only_the_parts_it_reads() -> Result<()> {
    let _permit = MACHINES.acquire();
    let server = server()?;
    let commands = format!("sanboot {}", server.url(CD));
    let mut machine = machine_for(&server, &commands).power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(BOOT)?;
    ensure!(line == disk::bios_report(0x80, "cd"), "{line}");
    let requests = server.requests_to(CD);
    let (head, parts) = requests.split_first().expect("it was asked for");
    ensure!((head.method.as_str(), head.status) == ("HEAD", 200));
    ensure!(parts.iter().all(|it| it.status == 206), "{parts:?}");
    ensure!(parts.len() < 10, "{parts:?}");
    Ok(())
}

#[test]
fn uefi_boots_an_iso() -> Result<()> {
    let _permit = MACHINES.acquire();
    let server = server()?;
    let commands = format!("sanboot {}", server.url(CD));
    let mut machine = machine_for(&server, &commands).uefi().power_on()?;
    machine.wait_for(&disk::uefi_report("cd"), BOOT)?;
    machine.wait_until_off(BOOT)?;
    Ok(())
}

#[test]
fn iso_from_a_server_without_ranges_fails() -> Result<()> {
    let _permit = MACHINES.acquire();
    let server = server()?;
    server.forget_ranges();
    let commands = format!("sanboot {} || echo went on", server.url(CD));
    let machine = machine_for(&server, &commands).power_on()?;
    machine.wait_for("went on", BOOT)?;
    let console = machine.console();
    let reason = "Could not open SAN device: Operation not supported (http://ipxe.org/3c202003)";
    ensure!(console.contains(reason), "{console}");
    machine.power_off()
}

#[test]
fn missing_iso_fails_and_the_script_continues() -> Result<()> {
    let _permit = MACHINES.acquire();
    let server = ImageServer::start()?;
    let commands = format!("sanboot {} || echo went on", server.url(CD));
    let machine = machine_for(&server, &commands).power_on()?;
    machine.wait_for("went on", BOOT)?;
    let console = machine.console();
    ensure!(console.contains("No such file or directory"), "{console}");
    machine.power_off()
}
