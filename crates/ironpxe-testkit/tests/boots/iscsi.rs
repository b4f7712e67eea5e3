//! From disks of an iSCSI target.

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::iscsi::Target;
use ironpxe_testkit::machine::Hardware;
use ironpxe_testkit::payload::disk;
use ironpxe_testkit::server::Server;

use super::{BOOT, MACHINES, machine};

const INITIATOR: &str = "iqn.2026-01.example:rack-1";
const USER: &str = "reader";
/// Words that no other way than in hexadecimal gets through a script.
const PASSWORD: &str = "a  password ${mac} || 16";
const BOOT_VOLUME: u16 = 1;
const DATA_VOLUME: u16 = 26;

fn target() -> Result<Target> {
    let target = Target::start("iqn.2026-01.example:volumes")?;
    target.add_disk(BOOT_VOLUME, &disk::image("root")?)?;
    target.add_disk(DATA_VOLUME, &disk::image("data")?)?;
    target.require_chap(USER, PASSWORD)?;
    target.admit(INITIATOR)?;
    Ok(target)
}

fn hexadecimal(text: &str) -> String {
    let digits: Vec<String> = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// A machine that introduces itself and then runs these commands.
fn initiator(commands: &str) -> Result<(ImageServer, Hardware)> {
    let (user, password) = (hexadecimal(USER), hexadecimal(PASSWORD));
    machine(&format!(
        "set initiator-iqn {INITIATOR}\nset username:hexraw {user}\n\
         set password:hexraw {password}\n{commands}"
    ))
}

/// What the machine prints after these commands, when a volume boots.
fn boots(commands: &str) -> Result<String> {
    let (_server, hardware) = initiator(commands)?;
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(disk::MARKER, BOOT)?;
    machine.wait_until_off(BOOT)?;
    Ok(line)
}

#[test]
fn bios_boots_a_volume_with_a_second_one_attached() -> Result<()> {
    let _permit = MACHINES.acquire();
    let target = target()?;
    let line = boots(&format!(
        "sanhook --drive 0x80 {} || goto bad\nsanhook --drive 0x81 {} || goto bad\n\
         sanboot --no-describe --drive 0x80\n:bad\n",
        target.uri(BOOT_VOLUME),
        target.uri(DATA_VOLUME),
    ))?;
    let expected = format!("{} next=[data]", disk::bios_report(0x80, "root"));
    ensure!(line.starts_with(&expected), "{line}");
    Ok(())
}

#[test]
fn uefi_boots_a_volume() -> Result<()> {
    let _permit = MACHINES.acquire();
    let target = target()?;
    let (_server, hardware) = initiator(&format!(
        "sanhook --drive 0x80 {} || goto bad\nsanboot --no-describe --drive 0x80\n:bad",
        target.uri(BOOT_VOLUME)
    ))?;
    let mut machine = hardware.uefi().power_on()?;
    machine.wait_for(&disk::uefi_report("root"), BOOT)?;
    machine.wait_until_off(BOOT)?;
    Ok(())
}

/// Several ways to one volume are several URIs of one `sanhook`.
#[test]
fn dead_portal_is_skipped_when_another_is_alive() -> Result<()> {
    let _permit = MACHINES.acquire();
    let target = target()?;
    let living = target.uri(BOOT_VOLUME);
    let dead_port = Server::free_port()?.to_string();
    let dead = living.replace(&target.port.to_string(), &dead_port);
    let line = boots(&format!(
        "sanhook --drive 0x80 {dead} {living}\nsanboot --no-describe --drive 0x80"
    ))?;
    ensure!(line.contains("label=[root]"), "{line}");
    Ok(())
}

/// QEMU's user network maps its own IPv6 address to the host's loopback.
#[test]
fn portal_with_an_ipv6_address_in_brackets_boots() -> Result<()> {
    let _permit = MACHINES.acquire();
    let target = target()?;
    let port = target.listen_v6()?;
    let line = boots(&format!(
        "sanhook --drive 0x80 iscsi:[fec0::2]::{port}:1:{}\nsanboot --no-describe --drive 0x80",
        target.iqn
    ))?;
    ensure!(line.contains("label=[root]"), "{line}");
    Ok(())
}

#[test]
fn drive_can_be_hooked_once_and_unhooked() -> Result<()> {
    let _permit = MACHINES.acquire();
    let target = target()?;
    let hook = format!("sanhook --drive 0x80 {}", target.uri(BOOT_VOLUME));
    let (_server, hardware) = initiator(&format!(
        "{hook}\n{hook} || echo second ${{errno}}\nsanunhook --drive 0x80\n\
         sanunhook --drive 0x80 || echo unhooked before\n{hook}\necho third is fine"
    ))?;
    let machine = hardware.power_on()?;
    machine.wait_for("third is fine", BOOT)?;
    let console = machine.console();
    ensure!(console.contains("second 0x3232019"), "{console}");
    machine.power_off()
}

/// What the console says, for people who look for it.
#[test]
fn refused_login_shows_its_reason() -> Result<()> {
    let _permit = MACHINES.acquire();
    let target = target()?;
    let volume = target.uri(BOOT_VOLUME);
    let hook = |preparation: &str, uri: &str| {
        format!("{preparation}\nsanhook --drive 0x80 {uri} || echo not hooked\n")
    };
    let commands = [
        hook("", &target.uri(7)),
        hook("set password wrong", &volume),
        hook("clear username\nclear password", &volume),
        hook("set initiator-iqn iqn.2026-01.example:other", &volume),
    ];
    let (_server, hardware) = initiator(&format!("{}echo done", commands.concat()))?;
    let machine = hardware.power_on()?;
    machine.wait_for("done", BOOT)?;
    let console = machine.console();
    let mut said = console
        .lines()
        .filter_map(|line| line.strip_prefix("Could not open SAN device: "));
    for expected in [
        "Input/output error (http://ipxe.org/1d704039)",
        "Operation not permitted (http://ipxe.org/410d613c)",
        "Error 0x430d6601 (http://ipxe.org/430d6601)",
        "No such device (http://ipxe.org/2c0d603b)",
    ] {
        let line = said.next().unwrap_or_default();
        ensure!(line.starts_with(expected), "{line} is not {expected}");
    }
    machine.power_off()
}
