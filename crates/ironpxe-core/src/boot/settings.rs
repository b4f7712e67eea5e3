//! What an operator configured that the boot decision depends on.

use std::collections::BTreeMap;

/// Everything of the configuration that decides or shapes a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootSettings {
    /// Where the ramdisk finds the API, without a trailing slash (`[api]public_endpoint`).
    pub api_url: String,
    /// Which settings say so.
    pub api_url_source: ApiUrlSource,
    /// Whether ramdisks shall be talkative (`[DEFAULT]debug`).
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
    /// `[deploy]default_boot_option`.
    pub default_boot_option: BootOption,
    /// How downloads are tried, and what comes when they fail.
    pub downloads: Downloads,
    /// How a machine is sent to its own disk.
    pub local_boot: LocalBoot,
}

/// Which settings say where ramdisks find the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiUrlSource {
    /// `[api]public_endpoint`.
    PublicEndpoint,
    /// The address that the API listens on, because `public_endpoint` is not set.
    ListenAddress,
}

impl ApiUrlSource {
    /// The settings, for messages.
    pub fn settings(self) -> &'static str {
        match self {
            Self::PublicEndpoint => "[api]public_endpoint",
            Self::ListenAddress => "[api]host_ip and port (public_endpoint is not set)",
        }
    }
}

/// Kernels and ramdisks for nodes that do not name their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RamdiskImages {
    /// For every architecture.
    pub kernel: Option<String>,
    /// For every architecture.
    pub ramdisk: Option<String>,
    /// By `properties.cpu_arch`.
    pub kernel_by_arch: BTreeMap<String, String>,
    /// By `properties.cpu_arch`.
    pub ramdisk_by_arch: BTreeMap<String, String>,
}

/// Where a deployed partition image's kernel comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootOption {
    /// From the machine's disk.
    Local,
    /// From the network, at every boot.
    Netboot,
}

impl BootOption {
    /// Reads the capability's or the option's word.
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
    /// How often a failed download is tried again, with a pause that grows by a second each time
    /// (`[pxe]ipxe_retries`).
    pub retries: u32,
    /// What the machine does then (`[pxe]ipxe_give_up_action`).
    pub give_up: GiveUpAction,
}

/// What a machine does when it could not download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpAction {
    /// Start again from its firmware.
    Reboot,
    /// Power off; where the firmware cannot, stop and say so.
    Poweroff,
    /// An iPXE shell on the console.
    Shell,
    /// Go on to the next boot device.
    Exit,
}

impl GiveUpAction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reboot, Self::Poweroff, Self::Shell, Self::Exit];

    /// The word of the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::Poweroff => "poweroff",
            Self::Shell => "shell",
            Self::Exit => "exit",
        }
    }
}

/// How a machine is sent to its own disk, by boot mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalBoot {
    /// For machines with a BIOS (`[pxe]local_boot_bios`).
    pub bios: LocalBootMethod,
    /// For machines with UEFI (`[pxe]local_boot_uefi`).
    pub uefi: LocalBootMethod,
}

/// One way to get from iPXE to the machine's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalBootMethod {
    /// iPXE starts the first disk itself; if it cannot, as [`LocalBootMethod::Exit`].
    Sanboot,
    /// Leave iPXE with a failure, upon which the firmware goes on to its next boot device. (Leaving
    /// with success ends many UEFI machines in their set-up menu.)
    Exit,
    /// Reboot, for machines whose boot order is changed from outside.
    Reboot,
    /// Power off; where the firmware cannot, as [`LocalBootMethod::Exit`].
    Poweroff,
}

impl LocalBootMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sanboot, Self::Exit, Self::Reboot, Self::Poweroff];

    /// Reads the word of the configuration or of a node.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sanboot => "sanboot",
            Self::Exit => "exit",
            Self::Reboot => "reboot",
            Self::Poweroff => "poweroff",
        }
    }
}

impl Default for BootSettings {
    /// Ironic's defaults; no images.
    fn default() -> Self {
        Self {
            api_url: "http://127.0.0.1:6385".to_owned(),
            api_url_source: ApiUrlSource::PublicEndpoint,
            debug: false,
            kernel_append_params: "nofb vga=normal".to_owned(),
            inspection_kernel_params: String::new(),
            fast_track: false,
            deploy: RamdiskImages::default(),
            rescue: RamdiskImages::default(),
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
        }
    }
}
