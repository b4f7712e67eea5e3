//! Renews the boot tokens in DHCP options before they expire: a machine may boot at any time.
//!
//! The node's record has the time of the next renewal and the key that signed. Every conductor
//! checks all nodes with DHCP options periodically; the guarded save ensures that only one of them
//! renews a node. If that fails, or its conductor dies, the node is due again soon.

use futures_util::{StreamExt, stream};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use tracing::{debug, error, warn};

use super::LocalConductor;
use super::provision::DhcpProblem;
use super::renewal_record::{interval, is_due, note, postpone};
use crate::boot::BootTokens;
use crate::clock;
use crate::dhcp::DhcpError;

/// How many nodes are renewed concurrently.
const CONCURRENT: usize = 16;
impl LocalConductor {
    /// Renews all DHCP options that are due.
    pub(super) async fn renew_dhcp_options(&self, tokens: &BootTokens) {
        let Some(key) = self.settings.dhcp.record_key() else {
            return;
        };
        let mut after = None;
        loop {
            let page = match self.db.node_list_with_internal_info(key, after).await {
                Ok(page) => page,
                Err(problem) => {
                    error!("cannot check which DHCP options to renew; retrying: {problem}");
                    return;
                }
            };
            let Some(last) = page.last() else {
                return;
            };
            after = Some(last.uuid);
            let now = clock::now();
            let due = page
                .into_iter()
                .filter(|node| self.may_renew(node) && is_due(node, tokens, now));
            stream::iter(due)
                .for_each_concurrent(CONCURRENT, |node| self.renew_dhcp_options_of(node, tokens))
                .await;
        }
    }

    /// Whether this conductor renews the options of the node: its DHCP server may be another one's,
    /// and a task in progress sets them itself.
    fn may_renew(&self, node: &Node) -> bool {
        node.reservation.is_none()
            && self.settings.dhcp.has_options_for(node)
            && node.conductor_group == self.settings.conductor_group
            && self.drivers.get(&node.driver).is_some()
    }

    async fn renew_dhcp_options_of(&self, node: Node, tokens: &BootTokens) {
        let uuid = node.uuid;
        let renewed = match self.claim_renewal(uuid, tokens).await {
            Ok(Some(node)) => self.renew_claimed(&node, tokens).await,
            // Another conductor does it, or it is no longer due.
            Ok(None) | Err(Fault::NodeNotFound(_)) => return,
            Err(fault) => Err(fault.into()),
        };
        match renewed {
            Ok(()) => debug!(node.uuid = %uuid, node.name = node.name, "DHCP options renewed"),
            Err(problem) => warn!(
                node.uuid = %uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                "cannot renew the boot token in the DHCP options ([dhcp]dhcp_provider = {}); retrying \
                 in {} s: {problem}",
                self.settings.dhcp.name(),
                interval(tokens).as_secs()
            ),
        }
    }

    /// Postpones the renewal of a node that is due, so that no other conductor does it at the same
    /// time; `None` if it is not due any more.
    async fn claim_renewal(&self, uuid: NodeUuid, tokens: &BootTokens) -> Result<Option<Node>> {
        let now = clock::now();
        let claim = |node: &mut Node| {
            let due = self.may_renew(node) && is_due(node, tokens, now);
            if due {
                postpone(node, tokens, now);
            }
            Ok(due)
        };
        let (node, due) = self.change_node(uuid, claim).await?;
        Ok(due.then_some(node))
    }

    async fn renew_claimed(&self, node: &Node, tokens: &BootTokens) -> Result<(), DhcpProblem> {
        let now = clock::now();
        let ports = self.db.node_ports(node.uuid).await.map_err(Fault::from)?;
        match self.renew_dhcp_opts(node, &ports).await {
            // The cloud has detached the VIF, as it may; a new one gets new options.
            Ok(()) | Err(DhcpProblem::Dhcp(DhcpError::NoVif(_))) => {}
            Err(problem) => return Err(problem),
        }
        let keep = |node: &mut Node| {
            let has_options = self.settings.dhcp.has_options_for(node);
            if has_options {
                note(node, tokens, now);
            }
            Ok(has_options)
        };
        match self.change_node(node.uuid, keep).await {
            Ok((_, true)) => Ok(()),
            // They were removed meanwhile, perhaps before they were set.
            Ok((now, false)) => self.clear_dhcp_opts(&now).await,
            Err(Fault::NodeNotFound(_)) => {
                let left = self.settings.dhcp.forget(node.uuid, &ports).await?;
                self.remove_obsolete_files(left);
                Ok(())
            }
            Err(fault) => Err(fault.into()),
        }
    }
}
