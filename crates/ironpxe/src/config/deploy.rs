//! `[deploy]`

use serde::{Deserialize, Serialize};

use super::section::section;

section! {
    /// Deployment.
    ["deploy"] pub struct Deploy {
        /// Where a deployed machine boots from unless its node says otherwise: `local` (its
        /// disk) or `netboot` (the image's kernel and ramdisk, each time).
        pub default_boot_option: BootOption = BootOption::Local;
        /// The firmware of machines whose node does not tell: `uefi` or `bios`.
        pub default_boot_mode: BootMode = BootMode::Uefi;
    }
}

/// Where a deployed machine boots from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootOption {
    /// Its disk.
    Local,
    /// The network.
    Netboot,
}

/// A machine's firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootMode {
    /// UEFI.
    Uefi,
    /// BIOS.
    Bios,
}
