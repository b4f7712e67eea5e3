//! The configuration that boot decisions depend on.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All settings that affect a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootSettings {
    /// The API's URL as ramdisks reach it, without a trailing slash (`[api]public_endpoint`).
    pub api_url: String,
    /// The settings it comes from.
    pub api_url_source: ApiUrlSource,
    /// Whether URLs of this service in scripts have a boot token (`[pxe]boot_token_lifetime`).
    pub boot_tokens: bool,
    /// Whether ramdisks log verbosely (`[DEFAULT]debug`).
    pub debug: bool,
    /// `[pxe]kernel_append_params`.
    pub kernel_append_params: String,
    /// `[inspector]extra_kernel_params`.
    pub inspection_kernel_params: String,
    /// `[deploy]fast_track`.
    pub fast_track: bool,
    /// `[conductor]deploy_kernel`, `deploy_ramdisk` and their `_by_arch` forms.
    pub deploy: RamdiskImages,
    /// `[conductor]rescue_kernel`, `rescue_ramdisk` and their `_by_arch` forms.
    pub rescue: RamdiskImages,
    /// `[conductor]extra_ramdisks`.
    pub extra_ramdisks: Vec<String>,
    /// `[deploy]default_boot_option`.
    pub default_boot_option: BootOption,
    /// Retries of downloads, and what happens when they fail.
    pub downloads: Downloads,
    /// How a machine boots from its own disk.
    pub local_boot: LocalBoot,
    /// Where each setting comes from (`[section]key`, and a file and line, for example), for
    /// explanations.
    pub origins: BTreeMap<String, String>,
}

/// The settings that the API's URL comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiUrlSource {
    /// `[api]public_endpoint`.
    PublicEndpoint,
    /// The API's listen address, because `public_endpoint` is not set.
    ListenAddress,
    /// `[beside]api_url`: it is an existing Ironic's.
    Beside,
}

impl ApiUrlSource {
    /// The settings' names, for messages.
    pub fn settings(self) -> &'static str {
        match self {
            Self::PublicEndpoint => "[api]public_endpoint",
            Self::Beside => "[beside]api_url",
            Self::ListenAddress => "[api]host_ip and port (public_endpoint is not set)",
        }
    }
}

/// Kernels and ramdisks for nodes that do not set their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RamdiskImages {
    /// The default for all architectures.
    pub kernel: Option<String>,
    /// The default for all architectures.
    pub ramdisk: Option<String>,
    /// By `properties.cpu_arch`.
    pub kernel_by_arch: BTreeMap<String, String>,
    /// By `properties.cpu_arch`.
    pub ramdisk_by_arch: BTreeMap<String, String>,
}

/// Where the kernel of a deployed partition image is booted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootOption {
    /// From the machine's disk.
    Local,
    /// From the network, at every boot.
    Netboot,
}

impl BootOption {
    /// Parses the name in the capability or the option.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "local" => Some(Self::Local),
            "netboot" => Some(Self::Netboot),
            _ => None,
        }
    }
}

/// How a script downloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downloads {
    /// Seconds without progress after which a download has failed; 0 means never
    /// (`[pxe]ipxe_timeout`).
    pub timeout_seconds: u32,
    /// How often a failed download is retried; the pause grows by a second each time
    /// (`[pxe]ipxe_retries`).
    pub retries: u32,
    /// What the machine does when all attempts fail (`[pxe]ipxe_give_up_action`).
    pub give_up: GiveUpAction,
}

/// What a machine does when its downloads fail.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum GiveUpAction {
    /// Reboot.
    Reboot,
    /// Power off; if iPXE cannot, halt with a message.
    Poweroff,
    /// Open an iPXE shell on the console.
    Shell,
    /// Exit, so that the firmware tries its next boot device.
    Exit,
}

impl GiveUpAction {
    /// All actions.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in the configuration.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// How a machine boots from its own disk, by boot mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalBoot {
    /// For machines with a BIOS (`[pxe]local_boot_bios`).
    pub bios: LocalBootMethod,
    /// For machines with UEFI (`[pxe]local_boot_uefi`).
    pub uefi: LocalBootMethod,
}

/// A way to boot from the machine's disk.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum LocalBootMethod {
    /// iPXE boots the first disk; if that fails, as [`LocalBootMethod::Exit`].
    Sanboot,
    /// Exit with an error, so that the firmware tries its next boot device. (After exit without an
    /// error many UEFI machines enter their set-up menu.)
    Exit,
    /// Reboot, for machines whose boot order is changed out-of-band.
    Reboot,
    /// Power off; if iPXE cannot, as [`LocalBootMethod::Exit`].
    Poweroff,
}

impl LocalBootMethod {
    /// All methods.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Parses the name in the configuration or of a node.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|method| method.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl Default for BootSettings {
    /// Ironic's defaults; no images.
    fn default() -> Self {
        Self {
            api_url: "http://127.0.0.1:6385".to_owned(),
            api_url_source: ApiUrlSource::PublicEndpoint,
            boot_tokens: false,
            debug: false,
            kernel_append_params: "nofb vga=normal".to_owned(),
            inspection_kernel_params: String::new(),
            fast_track: false,
            deploy: RamdiskImages::default(),
            rescue: RamdiskImages::default(),
            extra_ramdisks: Vec::new(),
            default_boot_option: BootOption::Local,
            downloads: Downloads {
                timeout_seconds: 60,
                retries: 10,
                give_up: GiveUpAction::Reboot,
            },
            local_boot: LocalBoot {
                bios: LocalBootMethod::Sanboot,
                uefi: LocalBootMethod::Exit,
            },
            origins: BTreeMap::new(),
        }
    }
}
