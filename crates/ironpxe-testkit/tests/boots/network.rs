//! From the network card: scripts, kernels and ramdisks, and what goes wrong with them.

use anyhow::{Result, ensure};
use ironpxe_testkit::imageserver::{Answer, ImageServer};
use ironpxe_testkit::machine::{Firmware, HOST, Hardware, Ipxe, Network, Nic};
use ironpxe_testkit::payload::linux::{self, Linux};
use ironpxe_testkit::payload::toy;

use super::{BOOT, MAC, MACHINES};

/// A server with a kernel, a ramdisk, and a script that boots them.
fn images(kernel: &[u8], ramdisk: &[u8], arguments: &str) -> Result<ImageServer> {
    let server = ImageServer::start()?;
    let script = format!(
        "#!ipxe\nimgfree\nkernel {} {arguments}\ninitrd {}\nboot\n",
        server.url("/kernel"),
        server.url("/ramdisk"),
    );
    server.serve("/script", script.into_bytes());
    server.serve("/kernel", kernel);
    server.serve("/ramdisk", ramdisk);
    Ok(server)
}

#[test]
fn firmware_boots_the_toy_kernel_with_its_arguments_and_its_ramdisk() -> Result<()> {
    let _permit = MACHINES.acquire();
    // More than one row of the console, and a ramdisk that is no multiple of anything.
    let arguments = format!(
        "console=ttyS0 long={} mac=${{mac}} initrd=ramdisk",
        "x".repeat(300)
    );
    let ramdisk = toy::ramdisk(1_234_567);
    let server = images(toy::KERNEL, &ramdisk, &arguments)?;
    let bootfile = server.url("/script?port_address=${mac}");
    let mut machine = Hardware::with_bootfile(MAC, &bootfile).power_on()?;
    machine.wait_for(
        &toy::report(&arguments.replace("${mac}", MAC), &ramdisk),
        BOOT,
    )?;
    machine.wait_until_off(BOOT)?;

    let script = server.wait_for("/script", 200, BOOT)?;
    ensure!(
        script.query == "port_address=52%3A54%3A00%3A12%3A34%3A56",
        "{script:?}"
    );
    ensure!(server.wait_for("/ramdisk", 200, BOOT)?.bytes == 1_234_567);
    Ok(())
}

#[test]
fn firmware_boots_a_linux_kernel() -> Result<()> {
    let linux = Linux::ensure()?;
    let _permit = MACHINES.acquire();
    let arguments = "console=ttyS0 quiet panic=-1 hello=world";
    let server = images(&linux.kernel, &linux.initramfs, arguments)?;
    let mut hardware = Hardware::with_bootfile(MAC, &server.url("/script"));
    hardware.memory_mib = 256;
    let mut machine = hardware.power_on()?;
    machine.wait_for(&linux::report(arguments), BOOT)?;
    machine.wait_until_off(BOOT)?;
    Ok(())
}

#[test]
fn firmware_obeys_retry_after_and_shows_the_failed_url() -> Result<()> {
    let _permit = MACHINES.acquire();
    let server = ImageServer::start()?;
    let long = "this sentence is longer than a row of the console and will be broken by it";
    server.serve(
        "/script",
        format!("#!ipxe\necho refused: {long}\nexit 3\n").into_bytes(),
    );
    server.fail_next("/script", 1, Answer::status(503).header("Retry-After", "1"));
    let machine = Hardware::with_bootfile(MAC, &server.url("/script")).power_on()?;
    machine.wait_for(&format!("refused: {long}"), BOOT)?;
    ensure!(machine.console().contains(long), "{}", machine.console());
    let statuses: Vec<u16> = server
        .requests_to("/script")
        .iter()
        .map(|it| it.status)
        .collect();
    ensure!(statuses.starts_with(&[503, 200]), "{statuses:?}");
    machine.power_off()
}

#[test]
fn every_nic_exists_and_the_chosen_one_boots() -> Result<()> {
    let _permit = MACHINES.acquire();
    let server = ImageServer::start()?;
    let script = "#!ipxe\necho cards ${net0/mac} ${net1/mac} booted ${mac} uuid ${uuid}\n";
    server.serve("/script", script.as_bytes());
    let bootfile = Some(server.url("/script"));
    let nic = |mac: &str, boots, bootfile| Nic {
        mac: mac.to_owned(),
        boots,
        network: Network::User { bootfile },
    };
    let hardware = Hardware {
        firmware: Firmware::Bios,
        ipxe: Ipxe::Installed,
        memory_mib: 64,
        uuid: Some("01234567-89ab-cdef-0123-456789abcdef".to_owned()),
        nics: vec![
            nic("52:54:00:00:00:01", true, bootfile),
            nic("52:54:00:00:00:02", false, None),
        ],
        disks: Vec::new(),
        typed: Vec::new(),
    };
    let machine = hardware.power_on()?;
    machine.wait_for(
        "cards 52:54:00:00:00:01 52:54:00:00:00:02 booted 52:54:00:00:00:01 \
         uuid 01234567-89ab-cdef-0123-456789abcdef",
        BOOT,
    )?;
    ensure!(server.url("/").starts_with(&format!("http://{HOST}:")));
    Ok(())
}
