//! `[deploy]`

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::section::section;

section! {
    /// Deployment.
    ["deploy"] pub struct Deploy {
        /// Where a deployed machine boots from unless its node says otherwise: `local` (its
        /// disk) or `netboot` (the image's kernel and ramdisk, each time).
        pub default_boot_option: BootOption = BootOption::Local;
        /// Whether a ramdisk that inspects is told where the API is as well (`ipa-api-url`), to stay
        /// with it for fast track. `driver_info.fast_track` says so for one node.
        pub fast_track: bool = false;
        /// What the firmware is of machines of which nothing says it: `bios` or `uefi`. Both are
        /// served; by this the loader is chosen that the DHCP server names.
        pub default_boot_mode: BootMode = BootMode::Uefi;
        /// Where a web server of yours has the loaders (`[pxe]ipxe_bootfile_name` and the others),
        /// for the boot interface `http-ipxe`: an `http://` or `https://` URL.
        pub http_url: Option<Endpoint> = None;
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

/// What a machine's firmware is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootMode {
    /// A PC's BIOS.
    Bios,
    /// UEFI.
    Uefi,
}
