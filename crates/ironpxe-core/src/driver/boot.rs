//! Boot interfaces: how a machine's firmware gets to its boot script.
//!
//! Ironic's implementations write scripts, links and images beforehand; here the script is
//! generated on request. What remains is the [transport](BootInterface::transport) by which
//! firmware loads iPXE, for the DHCP options, and the boot device.
//!
//! Source: Ironic's `drivers/modules/pxe_base.py`, `ipxe.py`.

use super::management;
use crate::boot_device::BootDevice;
use crate::dhcp::Transport;
use crate::interface::InterfaceKind;
use crate::node::Node;

/// The boot interfaces of this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootInterface {
    /// `ipxe`: firmware loads iPXE by TFTP.
    Ipxe,
    /// `http-ipxe`: firmware loads iPXE by HTTP.
    HttpIpxe,
    /// `fake`: the machine is not booted by this service.
    Fake,
}

impl BootInterface {
    /// Parses the interface's name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ipxe" => Some(Self::Ipxe),
            "http-ipxe" => Some(Self::HttpIpxe),
            "fake" => Some(Self::Fake),
            _ => None,
        }
    }

    /// The node's boot interface; an unknown one counts as `fake`.
    pub fn of(node: &Node) -> Self {
        Self::from_name(node.interface(InterfaceKind::Boot)).unwrap_or(Self::Fake)
    }

    /// How firmware loads iPXE; `None` if this service does not boot the machine.
    pub fn transport(self) -> Option<Transport> {
        match self {
            Self::Ipxe => Some(Transport::Tftp),
            Self::HttpIpxe => Some(Transport::Http),
            Self::Fake => None,
        }
    }

    /// Whether this service boots the machine.
    pub fn boots_over_network(self) -> bool {
        self.transport().is_some()
    }

    /// The boot device for network boot; `None` if this service does not boot the machine.
    ///
    /// As in Ironic, PXE is the fallback for hardware without a boot device for HTTP: the firmware
    /// may be configured to use HTTP for its PXE.
    pub fn network_device(self, node: &Node) -> Option<BootDevice> {
        let http = management::supported(node).contains(&BootDevice::UefiHttp);
        match self {
            Self::HttpIpxe if http => Some(BootDevice::UefiHttp),
            Self::Ipxe | Self::HttpIpxe => Some(BootDevice::Pxe),
            Self::Fake => None,
        }
    }
}
