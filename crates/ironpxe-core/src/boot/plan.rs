//! Boot plans: what a machine boots. Made by `decision.rs`, rendered by `script.rs`.

use super::fields::Fields;
use super::kernel_args::KernelArgs;
use super::reference::{ImageKind, ImageRef};
use super::refusal::Refusal;
use super::san::VolumeBoot;
use super::settings::LocalBoot;
use crate::boot_token::BootToken;
use crate::mac::MacAddress;
use crate::node::Node;
use crate::port::Port;
use crate::volume::Volumes;

/// The machine that a boot request is about.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// Its node.
    pub node: &'a Node,
    /// The port that matched, if the request has a MAC address.
    pub port: Option<&'a Port>,
    /// The node's volumes; only needed if [`boots_from_volume`] returns one.
    pub volumes: Option<&'a Volumes>,
    /// Where its installer gets the kickstart, if it boots one.
    pub kickstart: KickstartServer<'a>,
    /// The token for URLs of this service in its script, if they have one
    /// ([`BootSettings::boot_tokens`](super::BootSettings::boot_tokens)); otherwise an example,
    /// which gives access to nothing.
    pub boot_token: BootToken,
    /// Why nothing can be decided from its record.
    pub unusable: Option<&'a Refusal>,
}

/// Who serves the kickstart of an installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KickstartServer<'a> {
    /// This service, which renders it.
    #[default]
    Own,
    /// A conductor of another Ironic, which rendered it when it prepared the boot.
    Conductor {
        /// Its host name. `None`: no conductor manages the node.
        name: Option<&'a str>,
        /// The URL of its web server (`[deploy]http_url`), if it is known.
        http_url: Option<&'a str>,
    },
}

impl<'a> Machine<'a> {
    /// A machine of which only the node is known.
    pub fn of(node: &'a Node) -> Self {
        Self {
            node,
            port: None,
            volumes: None,
            kickstart: KickstartServer::Own,
            boot_token: BootToken::EXAMPLE,
            unusable: None,
        }
    }
}

/// The context of a script, which it prints on the console.
#[derive(Debug, Clone, Copy)]
pub struct RenderContext<'a> {
    /// The machine.
    pub machine: Machine<'a>,
    /// `req-<uuid>`, as in the log.
    pub request_id: &'a str,
}

/// The volume target that the node boots from, if any; selected at deployment.
pub fn boots_from_volume(node: &Node) -> Option<&str> {
    boot_volume(node).unwrap_or_default()
}

/// As [`boots_from_volume`], for the decision: a hidden value is a refusal.
pub(super) fn boot_volume(node: &Node) -> Result<Option<&str>, Refusal> {
    Fields::driver_internal_info(node).string_if_any("boot_from_volume")
}

/// What a machine boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootPlan {
    /// A kernel and a ramdisk from the network.
    Linux(LinuxBoot),
    /// Remote volumes.
    Volume(VolumeBoot),
    /// An ISO image from the network, emulated as a CD-ROM.
    Iso(ImageRef),
    /// Its own disk.
    LocalDisk(LocalBoot),
    /// Nothing, and the reason.
    Refuse(Refusal),
}

/// A kernel and a ramdisk to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinuxBoot {
    /// The purpose of the Linux.
    pub role: LinuxRole,
    /// The kernel.
    pub kernel: ImageRef,
    /// The ramdisk.
    pub ramdisk: ImageRef,
    /// Further ramdisks, which the kernel unpacks over it; at most as many as
    /// [`ImageKind::EXTRA_RAMDISKS`].
    pub extra_ramdisks: Vec<ImageRef>,
    /// The kernel command line without what the script adds (`initrd=`, `BOOTIF=`).
    pub args: KernelArgs,
    /// The NIC passed to the ramdisk as `BOOTIF`, if it needs it.
    pub bootif: Option<BootIf>,
}

impl LinuxBoot {
    /// The length of the command line that iPXE passes to the kernel, in bytes without the closing
    /// NUL. (UEFI prepends the kernel's name and a blank.)
    pub fn command_line_bytes(&self) -> usize {
        self.args.to_string().len() + self.bytes_of_the_script()
    }

    /// The additional ramdisks with their kinds, whose names are theirs in iPXE and in `initrd=`.
    pub(super) fn extra_ramdisks(&self) -> impl Iterator<Item = (ImageKind, &ImageRef)> {
        ImageKind::EXTRA_RAMDISKS
            .into_iter()
            .zip(&self.extra_ramdisks)
    }

    /// The length of what the script adds: `BOOTIF=` and `initrd=`.
    pub(super) fn bytes_of_the_script(&self) -> usize {
        const BOOTIF: usize = " BOOTIF=52:54:00:aa:00:01".len();
        let names = self.extra_ramdisks().map(|(kind, _)| kind.name());
        let initrd: usize = std::iter::once(self.role.ramdisk_name())
            .chain(names)
            .map(|name| " initrd=".len() + name.len())
            .sum();
        initrd + if self.bootif.is_some() { BOOTIF } else { 0 }
    }
}

/// The NIC that the machine was booted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootIf {
    /// The NIC with this address.
    Known(MacAddress),
    /// The NIC that iPXE last used, which only iPXE knows.
    AskIpxe,
}

/// The purpose of a network-booted Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum LinuxRole {
    /// The agent that deploys, cleans, inspects and services.
    DeployRamdisk,
    /// The agent of rescue mode.
    RescueRamdisk,
    /// The instance.
    InstanceRamdisk,
    /// The kernel and ramdisk of the partition image on the machine's disk.
    InstanceKernel,
    /// The operating system's installer.
    Installer,
}

impl LinuxRole {
    /// All roles.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// A description for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::DeployRamdisk => "deploy ramdisk",
            Self::RescueRamdisk => "rescue ramdisk",
            Self::InstanceRamdisk => "instance ramdisk",
            Self::InstanceKernel => "instance kernel",
            Self::Installer => "installer",
        }
    }

    /// The name for templates.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeployRamdisk => "deploy_ramdisk",
            Self::RescueRamdisk => "rescue_ramdisk",
            Self::InstanceRamdisk => "instance_ramdisk",
            Self::InstanceKernel => "instance_kernel",
            Self::Installer => "installer",
        }
    }

    /// The ramdisk's name in iPXE and in `initrd=`: Ironic's file name.
    pub fn ramdisk_name(self) -> &'static str {
        match self {
            Self::DeployRamdisk => "deploy_ramdisk",
            Self::RescueRamdisk => "rescue_ramdisk",
            Self::InstanceRamdisk | Self::InstanceKernel | Self::Installer => "ramdisk",
        }
    }
}

impl BootPlan {
    /// The name for templates.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Linux(_) => "linux",
            Self::Volume(_) => "volume",
            Self::Iso(_) => "iso",
            Self::LocalDisk(_) => "local_disk",
            Self::Refuse(_) => "refuse",
        }
    }

    /// Whether its script has a URL with the machine's boot token: the installer's kickstart.
    pub fn has_boot_token(&self) -> bool {
        matches!(self, Self::Linux(linux) if linux.role == LinuxRole::Installer)
    }

    /// A description for people.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Linux(linux) => linux.role.title(),
            Self::Volume(_) => "remote volume",
            Self::Iso(_) => "ISO image",
            Self::LocalDisk(_) => "local disk",
            Self::Refuse(_) => "nothing",
        }
    }
}
