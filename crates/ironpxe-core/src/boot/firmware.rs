//! How BIOS and UEFI execute a boot plan.
//!
//! Scripts are the same for all firmware: they branch on `${platform}` on the machine. So nothing
//! here changes a script; it explains it in previews.

use super::capabilities;
use super::explain::Reason;
use super::kernel_args::MAX_BYTES;
use super::plan::{BootPlan, LinuxBoot};
use super::refusal::Refusal;
use super::settings::{BootSettings, GiveUpAction, LocalBoot, LocalBootMethod};
use super::variables::PAUSE_KNOWN;
use crate::node::Node;

/// The firmware, as in iPXE's `${platform}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// UEFI.
    Efi,
    /// A PC's BIOS, or UEFI that behaves like one (CSM).
    Pcbios,
}

/// The text is not a firmware name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected efi (or uefi) or pcbios (or bios)")]
pub struct ParseFirmwareError;

impl Firmware {
    /// Parses iPXE's name, or Ironic's (`boot_mode`).
    pub fn parse(word: &str) -> Result<Self, ParseFirmwareError> {
        match word {
            "efi" | "uefi" => Ok(Self::Efi),
            "pcbios" | "bios" => Ok(Self::Pcbios),
            _ => Err(ParseFirmwareError),
        }
    }

    /// iPXE's name, the value of `${platform}`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Efi => "efi",
            Self::Pcbios => "pcbios",
        }
    }
}

/// What a machine with this firmware does with the script of `plan`, and what it cannot do.
pub fn explain_firmware(
    plan: &BootPlan,
    node: &Node,
    settings: &BootSettings,
    firmware: Firmware,
) -> Vec<Reason> {
    let mut texts = vec![format!(
        "for a machine where ${{platform}} is {}; the script is the same on all firmware",
        firmware.name()
    )];
    texts.extend(other_boot_mode(node, firmware));
    match plan {
        BootPlan::Linux(linux) => texts.extend(of_linux(linux, firmware)),
        BootPlan::Volume(volume) => texts.push(of_volume(volume.drives.len(), firmware)),
        BootPlan::Iso(_) => texts.push(of_iso(firmware).to_owned()),
        BootPlan::LocalDisk(local) => texts.push(of_disk(*local, firmware)),
        BootPlan::Refuse(_) => texts.push(format!(
            "after {PAUSE_KNOWN} s iPXE exits with an error, and the firmware tries its \
             next boot device"
        )),
    }
    if downloads(plan) {
        texts.push(of_giving_up(settings.downloads.give_up, firmware).to_owned());
    }
    let topic = "firmware";
    texts
        .into_iter()
        .map(|text| Reason { topic, text })
        .collect()
}

/// Notes if the node has another boot mode.
fn other_boot_mode(node: &Node, firmware: Firmware) -> Option<String> {
    // Invalid capabilities are reported by the decision.
    let boot_mode = |read: fn(&Node, &str) -> Result<Option<String>, Refusal>| {
        read(node, "boot_mode").unwrap_or_default()
    };
    let of_instance = boot_mode(capabilities::of_instance).map(|mode| (mode, "instance_info"));
    let of_node = || boot_mode(capabilities::of_node).map(|mode| (mode, "properties"));
    let (mode, map) = of_instance.or_else(of_node)?;
    (Firmware::parse(&mode) != Ok(firmware)).then(|| {
        format!("the node is configured differently: boot_mode is {mode} in {map}.capabilities")
    })
}

fn of_linux(linux: &LinuxBoot, firmware: Firmware) -> Vec<String> {
    let bytes = linux.command_line_bytes();
    let name = linux.role.ramdisk_name();
    match firmware {
        Firmware::Pcbios => vec![format!(
            "the kernel command line is {bytes} bytes long; iPXE would truncate it to {MAX_BYTES}"
        )],
        Firmware::Efi => {
            let with_name = bytes + "kernel ".len();
            let mut texts = vec![format!(
                "the kernel command line is {with_name} bytes long, with the kernel's name that \
                 UEFI prepends; the limit of an x86 kernel is {MAX_BYTES}"
            )];
            if with_name > MAX_BYTES {
                texts.push(format!(
                    "its last {} bytes are lost: shorten it",
                    with_name - MAX_BYTES
                ));
            }
            texts.push(format!(
                "the kernel finds its ramdisk by initrd={name}, the name the script gives it; \
                 the kernel must have an EFI stub"
            ));
            if !linux.extra_ramdisks.is_empty() {
                texts.push("so it does each of the extra ramdisks".to_owned());
            }
            texts
        }
    }
}

fn of_volume(drives: usize, firmware: Firmware) -> String {
    match (firmware, drives) {
        (Firmware::Pcbios, 1) => "the volume is BIOS drive 0x80; its boot sector is executed".to_owned(),
        (Firmware::Pcbios, drives) => format!(
            "the {drives} volumes are BIOS drives from 0x80; the boot sector of the first is \
             executed"
        ),
        (Firmware::Efi, _) => {
            r"the boot loader \EFI\BOOT\BOOT<ARCH>.EFI is started from the first volume's EFI system partition"
                .to_owned()
        }
    }
}

fn of_iso(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Pcbios => {
            "the image must be bootable by El Torito; its drive disappears once its system \
             accesses the hardware directly"
        }
        Firmware::Efi => {
            r"the image must contain \EFI\BOOT\BOOT<ARCH>.EFI; its drive disappears once its system accesses the hardware directly"
        }
    }
}

fn of_disk(local: LocalBoot, firmware: Firmware) -> String {
    let (method, field) = match firmware {
        Firmware::Efi => (local.uefi, "UEFI"),
        Firmware::Pcbios => (local.bios, "the BIOS"),
    };
    let meaning = match (method, firmware) {
        (LocalBootMethod::Sanboot, Firmware::Pcbios) => {
            "iPXE boots the first disk, drive 0x80; if that fails, it exits as with \"exit\""
        }
        (LocalBootMethod::Sanboot, Firmware::Efi) => {
            "UEFI has no drive numbers: this fails, and iPXE exits as with \"exit\""
        }
        (LocalBootMethod::Exit, _) => {
            "iPXE exits with an error, and the firmware tries its next boot device: \
             the disk must be in its boot order"
        }
        (LocalBootMethod::Reboot, _) => {
            "the machine reboots, and gets here again unless its boot order was changed"
        }
        (LocalBootMethod::Poweroff, _) => {
            "the machine powers off; if iPXE lacks that command, it exits as with \"exit\""
        }
    };
    format!(
        "the branch of {field} is taken, {}: {meaning}",
        method.name()
    )
}

fn downloads(plan: &BootPlan) -> bool {
    matches!(
        plan,
        BootPlan::Linux(_) | BootPlan::Volume(_) | BootPlan::Iso(_)
    )
}

fn of_giving_up(action: GiveUpAction, firmware: Firmware) -> &'static str {
    match (action, firmware) {
        (GiveUpAction::Reboot, _) => "if all attempts fail, the machine reboots and starts again",
        (GiveUpAction::Poweroff, _) => {
            "if all attempts fail, the machine powers off; if iPXE lacks that command, it halts with a message"
        }
        (GiveUpAction::Shell, _) => "if all attempts fail, iPXE opens a shell on the console",
        (GiveUpAction::Exit, Firmware::Pcbios) => {
            "if all attempts fail, the BIOS tries its next boot device"
        }
        (GiveUpAction::Exit, Firmware::Efi) => {
            "if all attempts fail, iPXE exits with an error, and UEFI tries its next boot \
             option"
        }
    }
}
