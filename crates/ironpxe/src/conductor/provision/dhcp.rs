//! The DHCP options of a node.

use ironpxe_core::boot::Refusal;
use ironpxe_core::dhcp::{DhcpOption, dhcp_options};
use ironpxe_core::driver::boot::BootInterface;
use ironpxe_core::error::Fault;
use ironpxe_core::node::Node;

use crate::conductor::LocalConductor;

impl LocalConductor {
    /// Sets the DHCP options for the boot of the node on its current ports.
    pub(in crate::conductor) async fn update_dhcp_opts(
        &self,
        node: &Node,
    ) -> Result<(), DhcpProblem> {
        let Some(options) = self.dhcp_options(node)? else {
            return Ok(());
        };
        let ports = self.db.node_ports(node.uuid).await.map_err(Fault::from)?;
        Ok(self.settings.dhcp.update(node, &ports, &options).await?)
    }

    /// Removes the DHCP options of the node.
    pub(super) async fn clear_dhcp_opts(&self, node: &Node) -> Result<(), DhcpProblem> {
        let ports = self.db.node_ports(node.uuid).await.map_err(Fault::from)?;
        Ok(self.settings.dhcp.clear(node, &ports).await?)
    }

    /// The DHCP options of the node; `None` if it has none.
    pub(in crate::conductor) fn dhcp_options(
        &self,
        node: &Node,
    ) -> Result<Option<Vec<DhcpOption>>, Refusal> {
        let dhcp = &self.settings.dhcp;
        let Some(transport) = BootInterface::of(node)
            .transport()
            .filter(|_| dhcp.is_configured())
        else {
            return Ok(None);
        };
        let settings = &self.settings.dhcp_options;
        dhcp_options(node, settings, transport, dhcp.tags_ipxe()).map(Some)
    }
}

/// Why DHCP options could not be set.
#[derive(Debug, thiserror::Error)]
pub(in crate::conductor) enum DhcpProblem {
    /// The options cannot be determined.
    #[error("{0}")]
    Refused(Refusal),
    /// The DHCP provider failed.
    #[error(transparent)]
    Dhcp(#[from] crate::dhcp::DhcpError),
    /// The ports cannot be read.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<Refusal> for DhcpProblem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
