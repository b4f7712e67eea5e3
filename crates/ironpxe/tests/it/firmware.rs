//! Machines with real iPXE firmware boot from the real executable.
//!
//! Each test has a [`FirmwareFixture`] of its own: a server on an empty database, images, and a node enrolled
//! through the API. What booted is judged by what the machine itself printed on its console, and
//! by what it fetched.
//!
//! Each plan boots on every [`Platform`]: the same script must do for iPXE of 2019 and of today,
//! with BIOS and UEFI. Where another platform would hardly show anything new and takes long, its
//! test is `#[ignore]`d: `cargo xtask test --full` runs it.

mod cards;
mod downloads;
mod fixture;
mod images;
mod installer;
mod instance;
mod local_disk;
mod ramdisks;
mod refusals;
mod screen;
mod template;
mod unknown_machines;
mod volume;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::machine::{Machine, Platform};
use ironpxe_testkit::payload::{disk, toy};
use ironpxe_testkit::semaphore::Semaphore;

use crate::app::TIMEOUT;
use fixture::FirmwareFixture;
use screen::looks_as_documented;

const NODE: &str = "rack-1";
const MAC: &str = "52:54:00:aa:00:01";
const KERNEL: &str = "/images/deploy.kernel";
const RAMDISK: &str = "/images/deploy.initramfs";
const ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 site=test";
const BOOT_PATH: &str = "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config";

const BOOT: Duration = Duration::from_mins(2);
/// OVMF tries its own HTTP boot before it comes to the disk, and now and then waits for it.
const NEXT_DEVICE: Duration = Duration::from_mins(4);

/// More machines than cores make each other slow.
pub(crate) static MACHINES: Semaphore = Semaphore::new(2);

/// The toy kernel for this firmware.
fn kernel(platform: Platform) -> &'static [u8] {
    if platform.is_uefi() {
        toy::EFI_KERNEL
    } else {
        toy::KERNEL
    }
}

/// The command line that a kernel gets: UEFI passes the image's name first, as a program's.
fn as_passed(platform: Platform, command_line: &str) -> String {
    if platform.is_uefi() {
        format!("kernel {command_line}")
    } else {
        command_line.to_owned()
    }
}

/// What the first disk prints that is booted; with a BIOS it is drive 0x80.
fn disk_report(platform: Platform, label: &str) -> String {
    if platform.is_uefi() {
        disk::uefi_report(label)
    } else {
        disk::bios_report(0x80, label)
    }
}

fn boots_the_toy(machine: &Machine) -> Result<()> {
    let line = machine.wait_for_line("IRONPXE-TOY", BOOT)?;
    let ramdisk = toy::report("", &toy::ramdisk(1000));
    let fingerprint = ramdisk.split_once(']').context("no fingerprint")?.1;
    ensure!(
        line.ends_with(fingerprint),
        "{line} does not end with{fingerprint}"
    );
    Ok(())
}

fn statuses(server: &ImageServer, path: &str) -> Vec<u16> {
    server
        .requests_to(path)
        .iter()
        .map(|request| request.status)
        .collect()
}

/// The `req-<uuid>` in a line.
fn request_id(line: &str) -> Result<String> {
    let rest = line.split_once("req-").map(|(_, rest)| rest);
    let uuid = rest.and_then(|rest| rest.get(..36));
    match uuid {
        Some(uuid) if uuid.chars().all(|it| it == '-' || it.is_ascii_hexdigit()) => {
            Ok(format!("req-{uuid}"))
        }
        _ => bail!("no request id in {line:?}"),
    }
}

/// A text without the id of the request that it answers.
fn anonymous(text: &str) -> String {
    match request_id(text) {
        Ok(request) => text.replace(&request, "req-*"),
        Err(_) => text.to_owned(),
    }
}
