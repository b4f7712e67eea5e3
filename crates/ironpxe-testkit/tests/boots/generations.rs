//! What iPXE of 2019 and the current one have in common, and where they differ.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::machine::{CurrentIpxe, Ipxe, Platform};
use ironpxe_testkit::on_platforms;
use ironpxe_testkit::payload::disk;

use super::{BOOT, MAC, MACHINES, machine};

/// OVMF tries HTTP boot before it comes to the disk, and now and then waits for it.
const NEXT_DEVICE: Duration = Duration::from_mins(4);

/// What these commands print, which end with a line `done`.
fn console(platform: Platform, commands: &str) -> Result<String> {
    let _permit = MACHINES.acquire();
    let (_server, hardware) = machine(&format!("{commands}\necho done"))?;
    let machine = hardware.on(platform).power_on()?;
    machine.wait_for_line("done", BOOT)?;
    let console = machine.console();
    machine.power_off()?;
    Ok(console)
}

#[expect(
    clippy::print_stdout,
    reason = "which version the tests ran on belongs into their output"
)]
fn it_is_the_version_it_should_be(platform: Platform) -> Result<()> {
    let console = console(
        platform,
        "echo it is ${version} on ${platform}\npoweroff --help || echo no poweroff",
    )?;
    let version = match platform.ipxe {
        Ipxe::Installed | Ipxe::Absent => String::new(),
        Ipxe::Current => CurrentIpxe::find()?.context("no current iPXE")?.version,
    };
    let firmware = if platform.is_uefi() { "efi" } else { "pcbios" };
    let said = console.lines().find(|line| line.starts_with("it is "));
    let said = said.context("it does not say what it is")?;
    println!("{said}");
    ensure!(said.starts_with(&format!("it is {version}")), "{said}");
    ensure!(said.ends_with(&format!(" on {firmware}")), "{said}");
    // What is installed may be anything; the current one is not that of 2019.
    if platform.ipxe == Ipxe::Current {
        ensure!(!console.contains("command not found"), "{console}");
    }
    Ok(())
}
on_platforms!(it_is_the_version_it_should_be: bios, uefi, bios_current, uefi_current);

/// `inc` counts in every type, but only signed numbers print, and so compare, as decimals.
fn a_counter_that_is_compared_must_be_signed(platform: Platform) -> Result<()> {
    let count = |kind: &str| {
        format!(
            "set n:{kind} 0\ninc n\necho {kind} is ${{n}}\n\
             iseq ${{n}} 1 && echo {kind} is equal || echo {kind} differs\n"
        )
    };
    let console = console(platform, &format!("{}{}", count("uint32"), count("int32")))?;
    for line in [
        "uint32 is 0x1",
        "uint32 differs",
        "int32 is 1",
        "int32 is equal",
    ] {
        ensure!(console.contains(line), "no {line:?} in:\n{console}");
    }
    Ok(())
}
on_platforms!(a_counter_that_is_compared_must_be_signed: bios, bios_current);

/// In hexadecimal can be said what would be code; and the few things scripts rely on besides.
fn a_value_in_hexadecimal_is_not_code(platform: Platform) -> Result<()> {
    let console = console(
        platform,
        "set value:hexraw 7d207c7c2023\necho [${value}] [${value:string}]\n\
         clear nothing || echo not cleared\nisset ${net9/mac} || echo no such card\n\
         echo ${net0/mac:hexhyp} ${netX/mac}",
    )?;
    ensure!(!console.contains("not cleared"), "{console}");
    for needle in [
        "[} || #]",
        "no such card",
        &format!("{} {MAC}", MAC.replace(':', "-")),
    ] {
        ensure!(console.contains(needle), "no {needle:?} in:\n{console}");
    }
    Ok(())
}
on_platforms!(
    a_value_in_hexadecimal_is_not_code: bios, bios_current, uefi_current
);

/// With UEFI that takes a loader with drivers of its own, which is what a machine with several
/// cards gets here. Any other sees the one card that it came from: see `a_card_alone_is_seen`.
fn every_card_is_seen(platform: Platform) -> Result<()> {
    const SECOND: &str = "52:54:00:12:34:57";
    let _permit = MACHINES.acquire();
    let (_server, hardware) = machine("echo cards ${net0/mac} ${net1/mac} booted ${mac}")?;
    let machine = hardware.card(SECOND).on(platform).power_on()?;
    machine.wait_for(&format!("cards {MAC} {SECOND} booted {MAC}"), BOOT)?;
    machine.power_off()
}
on_platforms!(every_card_is_seen: bios, bios_current, uefi_current);

/// The iPXE in the ROM of a card, with UEFI.
fn a_card_alone_is_seen(platform: Platform) -> Result<()> {
    const SECOND: &str = "52:54:00:12:34:57";
    let _permit = MACHINES.acquire();
    let (_server, hardware) = machine("echo cards ${net0/mac} [${net1/mac}] booted ${mac}")?;
    let machine = hardware.card(SECOND).on(platform).power_on()?;
    machine.wait_for(&format!("cards {MAC} [] booted {MAC}"), BOOT)?;
    machine.power_off()
}
on_platforms!(a_card_alone_is_seen: uefi);

/// A BIOS counts a disk in cylinders. One without even one cannot be read by iPXE.
fn a_disk_must_have_a_cylinder(platform: Platform) -> Result<()> {
    let _permit = MACHINES.acquire();
    let (server, hardware) = machine("echo nothing")?;
    let mut small = disk::boot_sector("small")?;
    small.resize(1 << 20, 0);
    server.serve("/small", small);
    let script = format!("#!ipxe\nsanboot {} || echo went on\n", server.url("/small"));
    server.serve("/script", script.into_bytes());
    let machine = hardware.on(platform).power_on()?;
    machine.wait_for("went on", BOOT)?;
    let console = machine.console();
    ensure!(console.contains("Input/output error"), "{console}");
    machine.power_off()
}
on_platforms!(a_disk_must_have_a_cylinder: bios, bios_current);

/// The disk boots after a script that ends like this.
fn goes_on_to_the_disk(platform: Platform, last_command: &str) -> Result<()> {
    let _permit = MACHINES.acquire();
    let (_server, hardware) = machine(last_command)?;
    let hardware = hardware.disk(disk::image("first")?).on(platform);
    let mut machine = hardware.power_on()?;
    let line = machine.wait_for_line(disk::MARKER, NEXT_DEVICE)?;
    machine.wait_until_off(BOOT)?;
    ensure!(line.contains("label=[first]"), "{line}");
    Ok(())
}

fn a_script_that_fails_goes_on_to_the_disk(platform: Platform) -> Result<()> {
    goes_on_to_the_disk(platform, "exit 1")
}
on_platforms!(a_script_that_fails_goes_on_to_the_disk: bios_current, uefi_current);

/// Success means that something was booted: the firmware of a chain-loaded iPXE looks no further.
#[test]
fn successful_script_exit_stops_a_chain_loaded_uefi() -> Result<()> {
    Platform::uefi_current().run(|platform| {
        let _permit = MACHINES.acquire();
        let (_server, hardware) = machine("exit 0")?;
        let hardware = hardware.disk(disk::image("first")?).on(platform);
        let machine = hardware.power_on()?;
        machine.wait_for("Select Language", BOOT)?;
        let console = machine.console();
        ensure!(!console.contains(disk::MARKER), "{console}");
        machine.power_off()
    })
}
