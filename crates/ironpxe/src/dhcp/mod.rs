//! The DHCP server that sends machines here: who tells it what.
//!
//! What it is told is decided by `ironpxe_core::dhcp`; here is who carries it there, by
//! `[dhcp]dhcp_provider`. With `none` nobody does: the operator's own server has a few lines that
//! serve every machine (docs/with-your-own-dhcp.md).
//!
//! Nothing that is told depends on what a machine boots just now. That is decided when it asks.

mod dnsmasq;
mod neutron;

use std::path::PathBuf;

use ironpxe_core::dhcp::DhcpOption;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;

pub use self::dnsmasq::Dnsmasq;
pub use self::neutron::Neutron;

/// Who tells the DHCP server. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub enum Dhcp {
    /// Nobody (`none`).
    #[default]
    None,
    /// Files that a dnsmasq reads (`dnsmasq`).
    Dnsmasq(Dnsmasq),
    /// The ports of a Neutron (`neutron`).
    Neutron(Neutron),
}

/// Why the DHCP server was not told.
#[derive(Debug, thiserror::Error)]
pub enum DhcpError {
    /// A file could not be written or removed.
    #[error("the DHCP server cannot be told: {path:?} ({setting}): {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// The setting that says where it is.
        setting: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// None of the node's cards has a Neutron port.
    #[error(
        "node {0} has no port that may boot (pxe_enabled) and is tied to a port of Neutron: give it \
         one with `baremetal node vif attach`"
    )]
    NoVif(NodeUuid),
    /// None of the node's cards could be told.
    #[error("Neutron's DHCP server cannot be told: {0}")]
    Neutron(String),
    /// It took too long.
    #[error("the DHCP server was not told within {0} s")]
    TooLong(u64),
}

impl Dhcp {
    /// Whether a server is told anything.
    pub fn is_told(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether the server puts the tag `ipxe` (`ipxe6`) on clients that are iPXE, so that options
    /// can be for them, or for the others.
    pub fn knows_ipxe(&self) -> bool {
        match self {
            Self::None => false,
            Self::Dnsmasq(_) | Self::Neutron(_) => true,
        }
    }

    /// Whether what it is told depends on the VIFs of the node's ports.
    pub fn follows_vifs(&self) -> bool {
        matches!(self, Self::Neutron(_))
    }

    /// Whether it was told about this node, and not told since to forget it.
    pub fn knows(&self, node: &Node) -> bool {
        match self {
            Self::None => false,
            Self::Dnsmasq(_) => dnsmasq::has_tag(node),
            Self::Neutron(_) => neutron::is_told_of(node),
        }
    }

    /// Notes in the node that it is told of, for [`Dhcp::knows`].
    pub fn note(&self, node: &mut Node) {
        match self {
            Self::None => {}
            Self::Dnsmasq(_) => dnsmasq::set_tag(node),
            Self::Neutron(_) => neutron::note(node, true),
        }
    }

    /// Notes in the node that what was told has been taken back.
    pub fn note_cleared(&self, node: &mut Node) {
        match self {
            Self::None => {}
            Self::Dnsmasq(_) => dnsmasq::remove_tag(node),
            Self::Neutron(_) => neutron::note(node, false),
        }
    }

    /// Tells what the node is booted with, on those of its `ports` that it may boot from. What was
    /// told before is replaced.
    pub async fn update(
        &self,
        node: &Node,
        ports: &[Port],
        options: &[DhcpOption],
    ) -> Result<(), DhcpError> {
        match self {
            Self::None => Ok(()),
            Self::Dnsmasq(dnsmasq) => dnsmasq.update(node, ports, options).await,
            Self::Neutron(neutron) => neutron.update(node, ports, options).await,
        }
    }

    /// Takes back what was told: the node is not to be booted until the next update.
    pub async fn clear(&self, node: &Node, ports: &[Port]) -> Result<(), DhcpError> {
        match self {
            Self::None => Ok(()),
            Self::Dnsmasq(dnsmasq) => dnsmasq.clear(node, ports).await,
            Self::Neutron(neutron) => {
                neutron.clear(node.uuid, ports).await;
                Ok(())
            }
        }
    }

    /// Takes back what was told of a node that is gone, and of its `ports`. What is left then is
    /// for [`Leftovers::remove`].
    pub async fn forget(&self, node: NodeUuid, ports: &[Port]) -> Result<Leftovers, DhcpError> {
        match self {
            Self::None => Ok(Leftovers(None)),
            Self::Dnsmasq(dnsmasq) => {
                let left = dnsmasq.forget(Some(node), ports).await?;
                Ok(Leftovers(Some((dnsmasq.clone(), left))))
            }
            Self::Neutron(neutron) => {
                neutron.clear(node, ports).await;
                Ok(Leftovers(None))
            }
        }
    }

    /// The same of ports that are gone, or have another address now, or belong to another node.
    pub async fn forget_ports(&self, ports: &[Port]) -> Result<Leftovers, DhcpError> {
        match self {
            Self::None => Ok(Leftovers(None)),
            Self::Dnsmasq(dnsmasq) => {
                let left = dnsmasq.forget(None, ports).await?;
                Ok(Leftovers(Some((dnsmasq.clone(), left))))
            }
            Self::Neutron(neutron) => {
                for port in ports {
                    neutron
                        .clear(port.node_uuid, std::slice::from_ref(port))
                        .await;
                }
                Ok(Leftovers(None))
            }
        }
    }
}

/// What has no meaning any more, and can be removed when the server has noticed that.
#[derive(Debug)]
pub struct Leftovers(Option<(Dnsmasq, Vec<MacAddress>)>);

impl Leftovers {
    /// Removes it, after a while.
    pub async fn remove(self) -> Result<(), DhcpError> {
        match self.0 {
            Some((dnsmasq, addresses)) => dnsmasq.remove(addresses).await,
            None => Ok(()),
        }
    }
}
