//! What a machine is to boot, as data. `decision.rs` makes it, `script.rs` writes it down.

use super::kernel_args::KernelArgs;
use super::reference::ImageRef;
use super::refusal::Refusal;
use super::san::VolumeBoot;
use super::settings::LocalBoot;
use crate::mac::MacAddress;
use crate::node::Node;
use crate::port::Port;
use crate::volume::Volumes;

/// The machine that asks.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// Its node.
    pub node: &'a Node,
    /// The port it was recognized by, if it gave a MAC address.
    pub port: Option<&'a Port>,
    /// The node's volumes; needed only if [`boots_from_volume`] says so.
    pub volumes: Option<&'a Volumes>,
}

impl<'a> Machine<'a> {
    /// A machine of which only the node is known.
    pub fn of(node: &'a Node) -> Self {
        Self {
            node,
            port: None,
            volumes: None,
        }
    }
}

/// The volume target the node boots from, if it does: chosen at deployment.
pub fn boots_from_volume(node: &Node) -> Option<&str> {
    node.driver_internal_info
        .get("boot_from_volume")
        .and_then(|it| it.as_str())
}

/// What a machine is to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootPlan {
    /// A kernel and a ramdisk from the network.
    Linux(LinuxBoot),
    /// Remote volumes.
    Volume(VolumeBoot),
    /// An ISO image from the network, as if it were a disc in the drive.
    Iso(ImageRef),
    /// What is on its own disk.
    LocalDisk(LocalBoot),
    /// Nothing, and why.
    Refuse(Refusal),
}

/// A kernel and a ramdisk to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinuxBoot {
    /// What they are for.
    pub role: LinuxRole,
    /// The kernel.
    pub kernel: ImageRef,
    /// The ramdisk.
    pub ramdisk: ImageRef,
    /// The kernel command line, but for what only the script knows (`initrd=`, `BOOTIF=`).
    pub args: KernelArgs,
    /// The NIC that is told to the ramdisk as `BOOTIF`, if it wants to know.
    pub bootif: Option<BootIf>,
}

impl LinuxBoot {
    /// How long the command line is that iPXE hands to the kernel, in bytes, without a closing
    /// NUL. (With UEFI the kernel's name and a blank stand in front of it.)
    pub fn command_line_bytes(&self) -> usize {
        self.args.to_string().len() + self.bytes_of_the_script()
    }

    /// What the script adds to the arguments: `BOOTIF=` and `initrd=`.
    pub(super) fn bytes_of_the_script(&self) -> usize {
        const BOOTIF: usize = " BOOTIF=52:54:00:aa:00:01".len();
        let initrd = " initrd=".len() + self.role.ramdisk_name().len();
        initrd + if self.bootif.is_some() { BOOTIF } else { 0 }
    }
}

/// Which NIC the machine was booted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootIf {
    /// The one with this address.
    Known(MacAddress),
    /// The one iPXE used last, which only iPXE knows.
    AskIpxe,
}

/// What a network-booted Linux is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinuxRole {
    /// The agent that deploys, cleans, inspects and services.
    DeployRamdisk,
    /// The agent of rescue mode.
    RescueRamdisk,
    /// The instance itself.
    InstanceRamdisk,
    /// The operating system's own installer.
    Installer,
    /// The kernel and ramdisk that belong to the partition image on the machine's disk.
    InstanceKernel,
}

impl LinuxRole {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::DeployRamdisk,
        Self::RescueRamdisk,
        Self::InstanceRamdisk,
        Self::InstanceKernel,
        Self::Installer,
    ];

    /// For humans.
    pub fn title(self) -> &'static str {
        match self {
            Self::DeployRamdisk => "deploy ramdisk",
            Self::RescueRamdisk => "rescue ramdisk",
            Self::InstanceRamdisk => "instance ramdisk",
            Self::InstanceKernel => "instance kernel",
            Self::Installer => "installer",
        }
    }

    /// For templates, in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeployRamdisk => "deploy_ramdisk",
            Self::RescueRamdisk => "rescue_ramdisk",
            Self::InstanceRamdisk => "instance_ramdisk",
            Self::InstanceKernel => "instance_kernel",
            Self::Installer => "installer",
        }
    }

    /// What the ramdisk is called inside of iPXE, and so in `initrd=`: Ironic's file names.
    pub fn ramdisk_name(self) -> &'static str {
        match self {
            Self::DeployRamdisk => "deploy_ramdisk",
            Self::RescueRamdisk => "rescue_ramdisk",
            Self::InstanceRamdisk | Self::InstanceKernel | Self::Installer => "ramdisk",
        }
    }
}

impl BootPlan {
    /// For templates, in one word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Linux(_) => "linux",
            Self::Volume(_) => "volume",
            Self::Iso(_) => "iso",
            Self::LocalDisk(_) => "local_disk",
            Self::Refuse(_) => "refuse",
        }
    }

    /// For humans, in a few words.
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
