//! `[deploy]`

use serde::{Deserialize, Serialize};

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
