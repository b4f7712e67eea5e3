//! Deploy interfaces: how an image gets onto a machine.

use super::agent::Worker;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::provision_state::ProvisionState;

/// The deploy interfaces of this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeployInterface {
    /// `direct`: the agent writes the image to disk.
    Direct,
    /// `custom-agent`: the agent does what its deploy steps say.
    CustomAgent,
    /// `anaconda`: the operating system's own installer does it, and reports.
    Anaconda,
    /// `ramdisk`: the machine boots a kernel and a ramdisk and nothing is written.
    Ramdisk,
    /// `fake` and `noop`: nothing is done.
    Fake,
}

impl DeployInterface {
    /// Reads the name of the interface.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "direct" => Some(Self::Direct),
            "custom-agent" => Some(Self::CustomAgent),
            "anaconda" => Some(Self::Anaconda),
            "ramdisk" => Some(Self::Ramdisk),
            "fake" | "noop" => Some(Self::Fake),
            _ => None,
        }
    }

    /// That of the node; `None` if it is not known.
    pub fn of(node: &Node) -> Option<Self> {
        Self::from_name(node.interface(InterfaceKind::Deploy))
    }

    /// Who deploys.
    pub fn deploys(self) -> Worker {
        match self {
            Self::Direct | Self::CustomAgent | Self::Anaconda => Worker::Agent,
            Self::Ramdisk | Self::Fake => Worker::Nobody,
        }
    }

    /// The state in which the machine boots what this interface is about.
    pub fn boots_in(self) -> ProvisionState {
        match self.deploys() {
            Worker::Agent => ProvisionState::DeployWait,
            Worker::Nobody | Worker::Unsupported => ProvisionState::Active,
        }
    }

    /// Who cleans and services.
    pub fn cleans(self) -> Worker {
        match self {
            Self::Direct | Self::CustomAgent | Self::Anaconda | Self::Ramdisk => Worker::Agent,
            Self::Fake => Worker::Nobody,
        }
    }

    /// Whether a deployment needs `instance_info.image_source`.
    pub fn needs_image_source(self) -> bool {
        matches!(self, Self::Direct | Self::Anaconda)
    }

    /// Whether the machine boots over the network to be deployed, so that it needs a port and
    /// images.
    pub fn boots_over_network(self) -> bool {
        self != Self::Fake
    }
}
