//! Configures the DHCP server that directs machines to this service.
//!
//! `ironpxe_core::dhcp` determines the options; this passes them on by `[dhcp]dhcp_provider`. With
//! `none`, the operator's server has a static configuration for all machines
//! (docs/with-your-own-dhcp.md).
//!
//! The options do not depend on what a machine boots, which is decided on request.

mod dnsmasq;
mod neutron;

use std::path::PathBuf;

use ironpxe_core::dhcp::DhcpOption;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;

pub(crate) use self::dnsmasq::Dnsmasq;
pub(crate) use self::neutron::Neutron;

/// The DHCP provider. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) enum Dhcp {
    /// None (`none`).
    #[default]
    None,
    /// dnsmasq by files (`dnsmasq`).
    Dnsmasq(Dnsmasq),
    /// Neutron ports (`neutron`).
    Neutron(Neutron),
}

/// Why the DHCP server could not be configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DhcpError {
    /// A file could not be written or removed.
    #[error("cannot write DHCP options: {path:?} ({setting}): {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The setting of its directory.
        setting: &'static str,
        /// The cause.
        source: std::io::Error,
    },
    /// No port of the node has a VIF.
    #[error(
        "node {0} has no port with pxe_enabled and a Neutron VIF: attach \
         one with `baremetal node vif attach`"
    )]
    NoVif(NodeUuid),
    /// All ports failed.
    #[error("cannot set DHCP options in Neutron: {0}")]
    Neutron(String),
    /// Timeout.
    #[error("setting the DHCP options timed out after {0} s")]
    TimedOut(u64),
    /// Writing the files panicked, or the service is stopping.
    #[error("cannot write DHCP options: {0}")]
    Panicked(tokio::task::JoinError),
}

impl Dhcp {
    /// Whether a DHCP server is configured by this service.
    pub(crate) fn is_configured(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Its name in `[dhcp]dhcp_provider`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dnsmasq(_) => "dnsmasq",
            Self::Neutron(_) => "neutron",
        }
    }

    /// The key in `driver_internal_info` of every node that [`Dhcp::has_options_for`].
    pub(crate) fn record_key(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Dnsmasq(_) => Some(dnsmasq::TAG),
            Self::Neutron(_) => Some(neutron::TOLD),
        }
    }

    /// Whether the server sets the tag `ipxe` (`ipxe6`) for iPXE clients, so that options can
    /// depend on it.
    pub(crate) fn tags_ipxe(&self) -> bool {
        match self {
            Self::None => false,
            Self::Dnsmasq(_) | Self::Neutron(_) => true,
        }
    }

    /// Whether the options depend on the VIFs of the node's ports.
    pub(crate) fn follows_vifs(&self) -> bool {
        matches!(self, Self::Neutron(_))
    }

    /// Whether the server has options for this node.
    pub(crate) fn has_options_for(&self, node: &Node) -> bool {
        match self {
            Self::None => false,
            Self::Dnsmasq(_) => dnsmasq::has_tag(node),
            Self::Neutron(_) => neutron::has_options_for(node),
        }
    }

    /// Records in the node that the server has options for it, for [`Dhcp::has_options_for`].
    pub(crate) fn note(&self, node: &mut Node) {
        match self {
            Self::None => {}
            Self::Dnsmasq(_) => dnsmasq::set_tag(node),
            Self::Neutron(_) => neutron::note(node, true),
        }
    }

    /// Records in the node that the options were removed.
    pub(crate) fn note_cleared(&self, node: &mut Node) {
        match self {
            Self::None => {}
            Self::Dnsmasq(_) => dnsmasq::remove_tag(node),
            Self::Neutron(_) => neutron::note(node, false),
        }
    }

    /// Sets the boot options for the node's ports that it may boot from, replacing earlier ones.
    pub(crate) async fn update(
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

    /// As [`Dhcp::update`], without waiting until the server must have applied them.
    pub(crate) async fn renew(
        &self,
        node: &Node,
        ports: &[Port],
        options: &[DhcpOption],
    ) -> Result<(), DhcpError> {
        match self {
            Self::None => Ok(()),
            Self::Dnsmasq(dnsmasq) => dnsmasq.update(node, ports, options).await,
            Self::Neutron(neutron) => neutron.set(node, ports, options).await.map(|_| ()),
        }
    }

    /// Removes the boot options: the node is not booted until the next update.
    pub(crate) async fn clear(&self, node: &Node, ports: &[Port]) -> Result<(), DhcpError> {
        match self {
            Self::None => Ok(()),
            Self::Dnsmasq(dnsmasq) => dnsmasq.clear(node, ports).await,
            Self::Neutron(neutron) => {
                neutron.clear(node.uuid, ports).await;
                Ok(())
            }
        }
    }

    /// Removes the options of a deleted node and of its `ports`. The rest is done by
    /// [`ObsoleteFiles::remove`].
    pub(crate) async fn forget(
        &self,
        node: NodeUuid,
        ports: &[Port],
    ) -> Result<ObsoleteFiles, DhcpError> {
        match self {
            Self::None => Ok(ObsoleteFiles(None)),
            Self::Dnsmasq(dnsmasq) => {
                let left = dnsmasq.forget(Some(node), ports).await?;
                Ok(ObsoleteFiles(Some((dnsmasq.clone(), left))))
            }
            Self::Neutron(neutron) => {
                neutron.clear(node, ports).await;
                Ok(ObsoleteFiles(None))
            }
        }
    }

    /// Removes the options of ports that were deleted, changed their address, or moved to another
    /// node.
    pub(crate) async fn forget_ports(&self, ports: &[Port]) -> Result<ObsoleteFiles, DhcpError> {
        match self {
            Self::None => Ok(ObsoleteFiles(None)),
            Self::Dnsmasq(dnsmasq) => {
                let left = dnsmasq.forget(None, ports).await?;
                Ok(ObsoleteFiles(Some((dnsmasq.clone(), left))))
            }
            Self::Neutron(neutron) => {
                for port in ports {
                    neutron
                        .clear(port.node_uuid, std::slice::from_ref(port))
                        .await;
                }
                Ok(ObsoleteFiles(None))
            }
        }
    }
}

/// Obsolete files that can be removed once the server has read the change.
#[derive(Debug)]
pub(crate) struct ObsoleteFiles(Option<(Dnsmasq, Vec<MacAddress>)>);

impl ObsoleteFiles {
    /// Removes them after a while.
    pub(crate) async fn remove(self) -> Result<(), DhcpError> {
        match self.0 {
            Some((dnsmasq, addresses)) => dnsmasq.remove(addresses).await,
            None => Ok(()),
        }
    }
}
