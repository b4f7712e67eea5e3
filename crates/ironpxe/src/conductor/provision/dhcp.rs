//! What the DHCP server is told of a node.

use ironpxe_core::boot::Refusal;
use ironpxe_core::dhcp::{DhcpOption, dhcp_options};
use ironpxe_core::driver::boot::BootInterface;
use ironpxe_core::error::Result;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;

use crate::conductor::LocalConductor;
use crate::db::{Page, PortFilter};

impl LocalConductor {
    /// Tells the DHCP server how the node gets its boot script, on the ports it has now.
    pub(in crate::conductor) async fn update_dhcp_opts(
        &self,
        node: &Node,
    ) -> Result<(), DhcpProblem> {
        let Some(options) = self.dhcp_options(node)? else {
            return Ok(());
        };
        let ports = self.ports_of(node.uuid).await?;
        Ok(self.settings.dhcp.update(node, &ports, &options).await?)
    }

    /// Tells the DHCP server that the node is not booted.
    pub(super) async fn clear_dhcp_opts(&self, node: &Node) -> Result<(), DhcpProblem> {
        let ports = self.ports_of(node.uuid).await?;
        Ok(self.settings.dhcp.clear(node, &ports).await?)
    }

    /// What the DHCP server is told of the node; `None` if it is not told anything.
    pub(in crate::conductor) fn dhcp_options(
        &self,
        node: &Node,
    ) -> Result<Option<Vec<DhcpOption>>, Refusal> {
        let dhcp = &self.settings.dhcp;
        let Some(transport) = BootInterface::of(node)
            .transport()
            .filter(|_| dhcp.is_told())
        else {
            return Ok(None);
        };
        let settings = &self.settings.dhcp_options;
        dhcp_options(node, settings, transport, dhcp.knows_ipxe()).map(Some)
    }

    /// All ports of the node.
    pub(in crate::conductor) async fn ports_of(&self, uuid: NodeUuid) -> Result<Vec<Port>> {
        let filter = PortFilter {
            node_uuid: Some(uuid),
            ..PortFilter::default()
        };
        Ok(self.db.port_list(&filter, &Page::default()).await?)
    }
}

/// Why the DHCP server was not told.
#[derive(Debug, thiserror::Error)]
pub(in crate::conductor) enum DhcpProblem {
    /// There is nothing sensible to tell.
    #[error("{0}")]
    Refused(Refusal),
    /// It did not take it.
    #[error(transparent)]
    Dhcp(#[from] crate::dhcp::DhcpError),
    /// It is not known what to tell.
    #[error(transparent)]
    Fault(#[from] ironpxe_core::error::Fault),
}

impl From<Refusal> for DhcpProblem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
