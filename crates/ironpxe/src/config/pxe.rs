//! `[pxe]`

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::endpoint::Host;
use super::section::section;
use super::values::{BootFile, KernelParams};

section! {
    /// What boot scripts do.
    ["pxe"] pub struct Pxe {
        /// Kernel parameters for ramdisks, unless the node has `kernel_append_params` of its own
        /// (where `%default%` stands for these).
        pub kernel_append_params: KernelParams = KernelParams("nofb vga=normal".to_owned());
        /// A file with a template of your own for the boot script of every known machine, in the
        /// place of the built-in `boot.ipxe`. See `ironpxe script template boot.ipxe`, and
        /// `docs/templates.md`. It is read again on SIGHUP.
        pub ipxe_config_template: Option<PathBuf> = None;
        /// `ipxe_config_template` by architecture (the node's `properties.cpu_arch`), which goes
        /// first, for example `{ aarch64 = "/etc/ironpxe/boot-arm.ipxe" }`.
        pub ipxe_config_template_by_arch: BTreeMap<String, PathBuf> = BTreeMap::new();
        /// Send machines to Swift for images of Glance, by temporary URLs that are made when a
        /// machine asks; needs `[glance]swift_temp_url_key`. Not set: this service passes them on.
        pub ipxe_use_swift: bool = false;
        /// A download that makes no progress for so many seconds has failed; 0: never.
        pub ipxe_timeout: u32 = 60, in 0..=86_400;
        /// How often a failed download is tried again.
        pub ipxe_retries: u32 = 10, in 0..=1000;
        /// What a machine does when its downloads keep failing: `reboot`, `poweroff`, `shell`
        /// (an iPXE shell on the console) or `exit` (on to the next boot device).
        pub ipxe_give_up_action: GiveUpAction = GiveUpAction::Reboot;
        /// How a machine with BIOS is sent to its disk: `sanboot` (iPXE starts the first disk),
        /// `exit` (on to the next boot device), `reboot` or `poweroff`.
        pub local_boot_bios: LocalBoot = LocalBoot::Sanboot;
        /// How a machine with UEFI is sent to its disk; as `local_boot_bios`.
        pub local_boot_uefi: LocalBoot = LocalBoot::Exit;
        /// The address of the TFTP server with the loaders, without a port. Not set: the host of
        /// `[api]public_endpoint`.
        pub tftp_server: Option<Host> = None;
        /// The loader that is iPXE for machines with BIOS: a file of the TFTP server.
        pub ipxe_bootfile_name: BootFile = BootFile("undionly.kpxe".to_owned());
        /// The loader that is iPXE for machines with UEFI.
        pub uefi_ipxe_bootfile_name: BootFile = BootFile("snponly.efi".to_owned());
        /// The loader by architecture (the node's `properties.cpu_arch`), or by architecture and
        /// boot mode, which goes first: `{ aarch64 = "snponly-arm64.efi", x86_64-bios = "ipxe.pxe" }`.
        pub ipxe_bootfile_name_by_arch: BTreeMap<String, BootFile> = BTreeMap::new();
    }
}

/// What a machine does when its downloads keep failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GiveUpAction {
    /// Start again from its firmware.
    Reboot,
    /// Power off.
    Poweroff,
    /// An iPXE shell.
    Shell,
    /// The next boot device.
    Exit,
}

/// How a machine is sent to its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalBoot {
    /// iPXE starts the first disk.
    Sanboot,
    /// The next boot device.
    Exit,
    /// Start again from its firmware.
    Reboot,
    /// Power off.
    Poweroff,
}
