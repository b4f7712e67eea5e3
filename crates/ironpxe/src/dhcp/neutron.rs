//! Neutron: the DHCP options of a machine are those of its cards' Neutron ports
//! (`extra_dhcp_opts`).
//!
//! Which Neutron port is a card's stands in the card's own port, as its VIF (`vifs.rs` of the
//! conductor). Of the options only those are sent whose family of addresses the Neutron port has.
//! Before that the port is read, so what was told before and is told no more can be deleted, and
//! what is there already is not sent again. Of options that nobody here knows nothing is touched.
//!
//! If some cards can be told and others cannot, the machine may still boot: that is a warning in
//! the log, as in Ironic. Unlike Ironic's, options are deleted when the instance is gone.
//!
//! Source: Ironic's `dhcp/neutron.py` and `drivers/modules/network/common.py` (`get_current_vif`).

use std::collections::BTreeSet;
use std::time::Duration;

use ironpxe_core::JsonMap;
use ironpxe_core::dhcp::DhcpOption;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use serde_json::Value;
use tracing::{info, warn};

use super::DhcpError;
use crate::openstack::{self, ExtraDhcpOption, NeutronPort, OpenStackError};

/// Where a VIF stands in a port's `internal_info`, in the order in which Ironic looks.
const VIFS: [&str; 6] = [
    "cleaning_vif_port_id",
    "provisioning_vif_port_id",
    "rescuing_vif_port_id",
    "servicing_vif_port_id",
    "inspection_vif_port_id",
    "tenant_vif_port_id",
];
/// Says in `driver_internal_info` that Neutron was told.
const TOLD: &str = "neutron_dhcp_opts";
/// The options that are ours, with whatever tags: files, servers, and the class of HTTP boot.
const OURS: [&str; 6] = ["59", "60", "66", "67", "150", "255"];

/// Whoever takes something away waits no longer for Neutron.
const CLEARS_WITHIN: Duration = Duration::from_secs(30);

/// Tells a Neutron. Clones tell the same one.
#[derive(Debug, Clone)]
pub struct Neutron {
    client: openstack::Neutron,
    setup_delay: Duration,
}

/// A card, and the Neutron port that is its.
#[derive(Debug, Clone, Copy)]
struct Card<'a> {
    port: &'a Port,
    vif: &'a str,
}

/// Why a card was not told.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Neutron(#[from] OpenStackError),
    #[error("Neutron's port has no address (fixed_ips) that any of the options is for")]
    NoAddress,
}

impl Neutron {
    /// Waits for `setup_delay` after each change, so that Neutron's agents have set it up.
    pub fn new(client: openstack::Neutron, setup_delay: Duration) -> Self {
        Self {
            client,
            setup_delay,
        }
    }

    pub(super) async fn update(
        &self,
        node: &Node,
        ports: &[Port],
        options: &[DhcpOption],
    ) -> Result<(), DhcpError> {
        let (boots, does_not): (Vec<Card<'_>>, Vec<Card<'_>>) =
            cards(ports).partition(|card| card.port.pxe_enabled);
        if boots.is_empty() {
            return Err(DhcpError::NoVif(node.uuid));
        }
        // They may have booted before.
        self.clear_cards(node.uuid, does_not).await;
        let mut problems = Vec::new();
        let mut changed = false;
        for card in &boots {
            match self.tell(card, options).await {
                Ok(told) => changed |= told,
                Err(problem) => {
                    warn!(
                        node.uuid = %node.uuid,
                        port.uuid = %card.port.uuid,
                        port.mac = %card.port.address,
                        "the card cannot be booted by Neutron's DHCP: {problem}"
                    );
                    problems.push(format!("port {}: {problem}", card.port.uuid));
                }
            }
        }
        if problems.len() == boots.len() {
            return Err(DhcpError::Neutron(problems.join("; ")));
        }
        if changed {
            tokio::time::sleep(self.setup_delay).await;
        }
        Ok(())
    }

    /// Deletes our options. That it could not be done is in the log alone: they send the machine
    /// here, where it is decided anew what it boots.
    pub(super) async fn clear(&self, node: NodeUuid, ports: &[Port]) {
        let clearing = self.clear_cards(node, cards(ports).collect());
        if tokio::time::timeout(CLEARS_WITHIN, clearing).await.is_err() {
            warn!(node.uuid = %node, "DHCP options are left in Neutron, which does not answer");
        }
    }

    async fn clear_cards(&self, node: NodeUuid, cards: Vec<Card<'_>>) {
        for card in cards {
            match self.tell(&card, &[]).await {
                Ok(_) => {}
                // It is gone, and its options with it.
                Err(Problem::Neutron(error)) if error.is_not_found() => {}
                Err(problem) => warn!(
                    node.uuid = %node,
                    port.uuid = %card.port.uuid,
                    port.mac = %card.port.address,
                    "DHCP options are left in Neutron: {problem}"
                ),
            }
        }
    }

    /// Has the card's Neutron port have these of our options and no other, and says whether that
    /// changed anything.
    async fn tell(&self, card: &Card<'_>, options: &[DhcpOption]) -> Result<bool, Problem> {
        let there = self.client.port(card.vif).await?;
        let wanted = suitable(options, &there);
        if wanted.is_empty() && !options.is_empty() {
            return Err(Problem::NoAddress);
        }
        if !options.is_empty() {
            warn_of_another_address(card, &there);
        }
        let changes = changes(&there.extra_dhcp_opts, wanted);
        if changes.is_empty() {
            return Ok(false);
        }
        self.client.set_extra_dhcp_opts(card.vif, &changes).await?;
        info!(
            port.uuid = %card.port.uuid,
            port.mac = %card.port.address,
            vif = card.vif,
            "Neutron has {} DHCP options changed",
            changes.len()
        );
        Ok(true)
    }
}

/// What says that Neutron knows the node.
pub(super) fn is_told_of(node: &Node) -> bool {
    node.driver_internal_info.contains_key(TOLD)
}

/// Notes whether Neutron knows the node.
pub(super) fn note(node: &mut Node, told: bool) {
    if told {
        let told = Value::Bool(true);
        node.driver_internal_info.insert(TOLD.to_owned(), told);
    } else {
        node.driver_internal_info.remove(TOLD);
    }
}

/// The cards that have a Neutron port.
fn cards(ports: &[Port]) -> impl Iterator<Item = Card<'_>> {
    ports.iter().filter_map(|port| {
        let vif = vif(&port.internal_info)?;
        Some(Card { port, vif })
    })
}

/// The Neutron port that a card is plugged into now: a service network's, or else the tenant's.
fn vif(internal_info: &JsonMap) -> Option<&str> {
    VIFS.iter()
        .filter_map(|key| internal_info.get(*key)?.as_str())
        .find(|vif| !vif.is_empty())
}

/// Those of the options whose family of addresses the port has.
fn suitable(options: &[DhcpOption], port: &NeutronPort) -> Vec<ExtraDhcpOption> {
    let families: BTreeSet<u8> = port
        .fixed_ips
        .iter()
        .map(|it| if it.ip_address.is_ipv4() { 4 } else { 6 })
        .collect();
    options
        .iter()
        .filter(|option| families.contains(&option.ip_version.number()))
        .map(|option| ExtraDhcpOption {
            opt_name: option.opt_name.clone(),
            opt_value: Some(option.opt_value.clone()),
            ip_version: option.ip_version.number(),
        })
        .collect()
}

/// What makes `wanted` of what is there.
fn changes(there: &[ExtraDhcpOption], wanted: Vec<ExtraDhcpOption>) -> Vec<ExtraDhcpOption> {
    let same = |a: &ExtraDhcpOption, b: &ExtraDhcpOption| {
        a.opt_name == b.opt_name && a.ip_version == b.ip_version
    };
    let stale: Vec<ExtraDhcpOption> = there
        .iter()
        .filter(|old| is_ours(&old.opt_name) && !wanted.iter().any(|new| same(old, new)))
        .map(|old| ExtraDhcpOption {
            opt_value: None,
            ..old.clone()
        })
        .collect();
    let new = wanted.into_iter().filter(|new| !there.contains(new));
    new.chain(stale).collect()
}

fn is_ours(name: &str) -> bool {
    let number = name.rsplit(',').next().unwrap_or(name);
    OURS.contains(&number)
}

/// Neutron's DHCP knows a machine by the address of its port there.
fn warn_of_another_address(card: &Card<'_>, there: &NeutronPort) {
    let same = there
        .mac_address
        .parse::<MacAddress>()
        .is_ok_and(|it| it == card.port.address);
    if !same {
        warn!(
            port.uuid = %card.port.uuid,
            port.mac = %card.port.address,
            vif = card.vif,
            "Neutron's port has another address, {}: its DHCP does not answer this card",
            there.mac_address
        );
    }
}

#[cfg(test)]
mod tests;
