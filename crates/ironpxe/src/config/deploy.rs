//! `[deploy]`

use ironpxe_core::boot::BootOption;
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::section::section;

section! {
    /// Deployment.
    ["deploy"] pub struct Deploy {
        /// Where a deployed machine boots from unless its node overrides it: `local` (its disk) or
        /// `netboot` (the image's kernel and ramdisk, at every boot).
        pub default_boot_option: BootOption = BootOption::Local;
        /// Whether an inspection ramdisk also gets the API's URL (`ipa-api-url`), to keep running
        /// for fast track. `driver_info.fast_track` overrides it for a node.
        pub fast_track: bool = false;
        /// The boot mode of machines for which none is configured: `bios` or `uefi`. Both are
        /// supported; it selects the loader in the DHCP options.
        pub default_boot_mode: BootMode = BootMode::Uefi;
        /// The URL of your web server with the loaders (`[pxe]ipxe_bootfile_name` and the others),
        /// for the boot interface `http-ipxe`: an `http://` or `https://` URL.
        pub http_url: Option<Endpoint> = None;
    }
}

/// The boot mode of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BootMode {
    /// A PC's BIOS.
    Bios,
    /// UEFI.
    Uefi,
}
