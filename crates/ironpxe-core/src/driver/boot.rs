//! Boot interfaces: how a machine is brought to its boot script.
//!
//! What Ironic's do by writing scripts, links and images is not done here, as the script is made
//! when the machine asks. What remains is which [way](BootInterface::transport) firmware comes to
//! iPXE, by which the DHCP server is told, and the boot device.
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
    /// `fake`: somebody else boots the machine.
    Fake,
}

impl BootInterface {
    /// Reads the name of the interface.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ipxe" => Some(Self::Ipxe),
            "http-ipxe" => Some(Self::HttpIpxe),
            "fake" => Some(Self::Fake),
            _ => None,
        }
    }

    /// That of the node. One that is not known is somebody else's.
    pub fn of(node: &Node) -> Self {
        Self::from_name(node.interface(InterfaceKind::Boot)).unwrap_or(Self::Fake)
    }

    /// How firmware comes to iPXE; `None` if the machine is not booted by us.
    pub fn transport(self) -> Option<Transport> {
        match self {
            Self::Ipxe => Some(Transport::Tftp),
            Self::HttpIpxe => Some(Transport::Http),
            Self::Fake => None,
        }
    }

    /// Whether the machine boots what we say.
    pub fn boots_over_network(self) -> bool {
        self.transport().is_some()
    }

    /// The boot device by which the machine boots over the network; `None` if it is not booted by
    /// us.
    ///
    /// Where HTTP is wanted and the hardware has no word for it, PXE is said, as by Ironic: the
    /// firmware may be set up so that its PXE tries HTTP.
    pub fn network_device(self, node: &Node) -> Option<BootDevice> {
        let http = management::supported(node).contains(&BootDevice::UefiHttp);
        match self {
            Self::HttpIpxe if http => Some(BootDevice::UefiHttp),
            Self::Ipxe | Self::HttpIpxe => Some(BootDevice::Pxe),
            Self::Fake => None,
        }
    }
}
