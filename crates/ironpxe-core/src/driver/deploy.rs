//! Deploy interfaces: how an image is deployed to a machine.

use super::agent::OperationKind;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::provision_state::ProvisionState;

/// The deploy interfaces of this release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeployInterface {
    /// `direct`: the agent writes the image to disk.
    Direct,
    /// `custom-agent`: the agent executes the deploy steps.
    CustomAgent,
    /// `anaconda`: the operating system's installer deploys and reports its status.
    Anaconda,
    /// `ramdisk`: the machine boots a kernel and a ramdisk; nothing is written to disk.
    Ramdisk,
    /// `fake` and `noop`: nothing is done.
    Fake,
}

impl DeployInterface {
    /// Parses the interface's name.
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

    /// The node's deploy interface; `None` if it is unknown.
    pub fn of(node: &Node) -> Option<Self> {
        Self::from_name(node.interface(InterfaceKind::Deploy))
    }

    /// What carries out deployments.
    pub fn deploys(self) -> OperationKind {
        match self {
            Self::Direct | Self::CustomAgent | Self::Anaconda => OperationKind::Agent,
            Self::Ramdisk | Self::Fake => OperationKind::Noop,
        }
    }

    /// The state in which the machine boots the deploy ramdisk, installer or instance.
    pub fn boots_in(self) -> ProvisionState {
        match self.deploys() {
            OperationKind::Agent => ProvisionState::DeployWait,
            OperationKind::Noop | OperationKind::Unsupported => ProvisionState::Active,
        }
    }

    /// What carries out cleaning and servicing.
    pub fn cleans(self) -> OperationKind {
        match self {
            Self::Direct | Self::CustomAgent | Self::Anaconda | Self::Ramdisk => {
                OperationKind::Agent
            }
            Self::Fake => OperationKind::Noop,
        }
    }

    /// Whether a deployment needs `instance_info.image_source`.
    pub fn needs_image_source(self) -> bool {
        matches!(self, Self::Direct | Self::Anaconda)
    }

    /// Whether the machine boots over the network for a deployment, so that it needs a port and
    /// images.
    pub fn boots_over_network(self) -> bool {
        self != Self::Fake
    }
}
