//! Renews the boot tokens in DHCP options before they expire: a machine may boot at any time.
//!
//! The node's record has the time of the next renewal and the key that signed. Every conductor
//! checks all nodes with DHCP options periodically; the guarded save ensures that only one of them
//! renews a node. If that fails, or its conductor dies, the node is due again soon.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tracing::{debug, error, warn};

use super::LocalConductor;
use super::provision::DhcpProblem;
use crate::boot::BootTokens;
use crate::clock;
use crate::dhcp::DhcpError;

/// The key of the renewal in `driver_internal_info`.
const RENEWAL: &str = "dhcp_options_renewal";
/// When the options are due, in seconds since 1970.
const AT: &str = "at";
/// The identifier of the key that signed the token.
const SIGNER: &str = "signer";

/// How many nodes are renewed concurrently.
const CONCURRENT: usize = 16;
/// The longest interval between checks.
const MAX_INTERVAL: Duration = Duration::from_mins(5);

/// How often to check, and how soon to retry.
pub(super) fn interval(tokens: &BootTokens) -> Duration {
    // Of the first half of a token's life, a third is before it is due, and the rest is for this.
    (tokens.lifetime() / 12).clamp(Duration::from_secs(1), MAX_INTERVAL)
}

/// Records that the options were set at this time.
pub(super) fn note(node: &mut Node, tokens: &BootTokens, now: OffsetDateTime) {
    set(node, tokens, now + tokens.lifetime() / 3);
}

/// Records that there are no options.
pub(super) fn forget(node: &mut Node) {
    node.driver_internal_info.remove(RENEWAL);
}

fn set(node: &mut Node, tokens: &BootTokens, at: OffsetDateTime) {
    let renewal = json!({ AT: at.unix_timestamp(), SIGNER: tokens.key_id() });
    node.driver_internal_info
        .insert(RENEWAL.to_owned(), renewal);
}

/// Whether the options of a node that has some are due: also if they have no token yet, or one of
/// a key that was removed.
fn is_due(node: &Node, tokens: &BootTokens, now: OffsetDateTime) -> bool {
    let renewal = node.driver_internal_info.get(RENEWAL);
    let field = |name| renewal.and_then(Value::as_object)?.get(name);
    let at = field(AT).and_then(Value::as_i64);
    let signer = field(SIGNER).and_then(Value::as_str);
    let (Some(at), Some(signer)) = (at, signer) else {
        return true;
    };
    at <= now.unix_timestamp() || !tokens.knows_key(signer)
}

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
                set(node, tokens, now + interval(tokens));
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
