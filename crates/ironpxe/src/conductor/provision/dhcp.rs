//! The DHCP options of a node.

use ironpxe_core::boot::Refusal;
use ironpxe_core::boot_token::BootToken;
use ironpxe_core::dhcp::{DhcpOption, dhcp_options};
use ironpxe_core::driver::boot::BootInterface;
use ironpxe_core::error::Fault;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;

use crate::clock;
use crate::conductor::LocalConductor;

impl LocalConductor {
    /// Sets the DHCP options for the boot of the node on its current ports.
    pub(in crate::conductor) async fn update_dhcp_opts(
        &self,
        node: &Node,
    ) -> Result<(), DhcpProblem> {
        let Some(options) = self.dhcp_options(node, self.boot_token(node))? else {
            return Ok(());
        };
        let ports = self.db.node_ports(node.uuid).await.map_err(Fault::from)?;
        Ok(self.settings.dhcp.update(node, &ports, &options).await?)
    }

    /// As [`Self::update_dhcp_opts`], for a machine that need not boot by them immediately.
    pub(in crate::conductor) async fn renew_dhcp_opts(
        &self,
        node: &Node,
        ports: &[Port],
    ) -> Result<(), DhcpProblem> {
        let Some(options) = self.dhcp_options(node, self.boot_token(node))? else {
            return Ok(());
        };
        Ok(self.settings.dhcp.renew(node, ports, &options).await?)
    }

    /// Rejects a node whose DHCP options cannot be determined.
    pub(in crate::conductor) fn check_dhcp_opts(&self, node: &Node) -> Result<(), Refusal> {
        let tokens = self.settings.boot_tokens.as_ref();
        let token = tokens.map(|_| BootToken::EXAMPLE);
        self.dhcp_options(node, token).map(|_| ())
    }

    /// A new boot token, if URLs have one.
    fn boot_token(&self, node: &Node) -> Option<BootToken> {
        let tokens = self.settings.boot_tokens.as_ref()?;
        Some(tokens.sign(node.uuid, clock::now()))
    }

    /// Removes the DHCP options of the node.
    pub(in crate::conductor) async fn clear_dhcp_opts(
        &self,
        node: &Node,
    ) -> Result<(), DhcpProblem> {
        let ports = self.db.node_ports(node.uuid).await.map_err(Fault::from)?;
        Ok(self.settings.dhcp.clear(node, &ports).await?)
    }

    /// The DHCP options of the node; `None` if it has none.
    fn dhcp_options(
        &self,
        node: &Node,
        token: Option<BootToken>,
    ) -> Result<Option<Vec<DhcpOption>>, Refusal> {
        let dhcp = &self.settings.dhcp;
        let Some(transport) = BootInterface::of(node)
            .transport()
            .filter(|_| dhcp.is_configured())
        else {
            return Ok(None);
        };
        let settings = &self.settings.dhcp_options;
        dhcp_options(node, settings, transport, dhcp.tags_ipxe(), token).map(Some)
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
