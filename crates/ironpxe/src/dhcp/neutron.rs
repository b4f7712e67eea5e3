//! Sets a machine's DHCP options in Neutron: as `extra_dhcp_opts` of the Neutron ports of its NICs.
//!
//! The Neutron port of a NIC is the VIF in its port (`vifs.rs` of the conductor). Only options of
//! the IP versions of the Neutron port's addresses are set. The port is read first, so that
//! obsolete options are deleted and unchanged ones are not sent. Other options are left alone.
//!
//! If only some ports fail, the machine may still boot: that is logged as a warning, as in Ironic.
//! Unlike Ironic, options are deleted with the instance.
//!
//! Source: Ironic's `dhcp/neutron.py` and `drivers/modules/network/common.py` (`get_current_vif`).

use std::collections::BTreeSet;
use std::time::Duration;

use ironpxe_core::JsonMap;
use ironpxe_core::dhcp::DhcpOption;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::mask::mask_urls;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use serde_json::Value;
use tracing::{info, warn};

use super::DhcpError;
use crate::openstack::{self, ExtraDhcpOption, NeutronPort, OpenStackError};

/// The keys of a VIF in a port's `internal_info`, in Ironic's order.
const VIFS: [&str; 6] = [
    "cleaning_vif_port_id",
    "provisioning_vif_port_id",
    "rescuing_vif_port_id",
    "servicing_vif_port_id",
    "inspection_vif_port_id",
    "tenant_vif_port_id",
];
/// The key in `driver_internal_info` that records that options are set.
pub(super) const TOLD: &str = "neutron_dhcp_opts";
/// The options set by this service, with any tags: files, servers, and the class of HTTP boot.
const OURS: [&str; 6] = ["59", "60", "66", "67", "150", "255"];

/// The timeout for removing options.
const CLEAR_TIMEOUT: Duration = Duration::from_secs(30);

/// Sets options in a Neutron. Clones share the client.
#[derive(Debug, Clone)]
pub(crate) struct Neutron {
    client: openstack::Neutron,
    setup_delay: Duration,
}

/// A port and its Neutron port.
#[derive(Debug, Clone, Copy)]
struct BoundPort<'a> {
    port: &'a Port,
    vif: &'a str,
}

/// Why a port failed.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Neutron(#[from] OpenStackError),
    #[error("the Neutron port has no address (fixed_ips) of the options' IP versions")]
    NoAddress,
}

impl Neutron {
    /// Waits for `setup_delay` after each change, so that Neutron's agents can apply it.
    pub(crate) fn new(client: openstack::Neutron, setup_delay: Duration) -> Self {
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
        if self.set(node, ports, options).await? {
            tokio::time::sleep(self.setup_delay).await;
        }
        Ok(())
    }

    /// Sets the options, and returns whether anything changed.
    pub(super) async fn set(
        &self,
        node: &Node,
        ports: &[Port],
        options: &[DhcpOption],
    ) -> Result<bool, DhcpError> {
        let (boots, does_not): (Vec<BoundPort<'_>>, Vec<BoundPort<'_>>) =
            bound_ports(ports).partition(|bound| bound.port.pxe_enabled);
        if boots.is_empty() {
            return Err(DhcpError::NoVif(node.uuid));
        }
        // They may have been bootable before.
        self.clear_ports(node.uuid, does_not).await;
        let mut problems = Vec::new();
        let mut changed = false;
        for bound in &boots {
            match self.update_port(bound, options).await {
                Ok(told) => changed |= told,
                Err(problem) => {
                    // Neutron quotes invalid values, which may have a boot token.
                    let problem = problem.to_string();
                    let problem = mask_urls(&problem);
                    warn!(
                        node.uuid = %node.uuid,
                        port.uuid = %bound.port.uuid,
                        port.mac = %bound.port.address,
                        "cannot set DHCP options for the port in Neutron: {problem}"
                    );
                    problems.push(format!("port {}: {problem}", bound.port.uuid));
                }
            }
        }
        if problems.len() == boots.len() {
            return Err(DhcpError::Neutron(problems.join("; ")));
        }
        Ok(changed)
    }

    /// Deletes the options of this service. Errors are only logged: the options direct the machine
    /// here, where its boot is decided on each request.
    pub(super) async fn clear(&self, node: NodeUuid, ports: &[Port]) {
        let clearing = self.clear_ports(node, bound_ports(ports).collect());
        if tokio::time::timeout(CLEAR_TIMEOUT, clearing).await.is_err() {
            warn!(node.uuid = %node, "cannot remove DHCP options from Neutron: timed out");
        }
    }

    async fn clear_ports(&self, node: NodeUuid, ports: Vec<BoundPort<'_>>) {
        for bound in ports {
            match self.update_port(&bound, &[]).await {
                Ok(_) => {}
                // The port is deleted, and its options with it.
                Err(Problem::Neutron(error)) if error.is_not_found() => {}
                Err(problem) => warn!(
                    node.uuid = %node,
                    port.uuid = %bound.port.uuid,
                    port.mac = %bound.port.address,
                    "cannot remove DHCP options from Neutron: {problem}"
                ),
            }
        }
    }

    /// Sets exactly these options of this service on the Neutron port; returns whether anything
    /// changed.
    async fn update_port(
        &self,
        bound: &BoundPort<'_>,
        options: &[DhcpOption],
    ) -> Result<bool, Problem> {
        let neutron_port = self.client.port(bound.vif).await?;
        let wanted = suitable(options, &neutron_port);
        if wanted.is_empty() && !options.is_empty() {
            return Err(Problem::NoAddress);
        }
        if !options.is_empty() {
            warn_of_another_address(bound, &neutron_port);
        }
        let changes = changes(&neutron_port.extra_dhcp_opts, wanted);
        if changes.is_empty() {
            return Ok(false);
        }
        self.client.set_extra_dhcp_opts(bound.vif, &changes).await?;
        info!(
            port.uuid = %bound.port.uuid,
            port.mac = %bound.port.address,
            vif = bound.vif,
            "{} DHCP options changed in Neutron",
            changes.len()
        );
        Ok(true)
    }
}

/// Whether Neutron has options for the node.
pub(super) fn has_options_for(node: &Node) -> bool {
    node.driver_internal_info.contains_key(TOLD)
}

/// Records whether Neutron has options for the node.
pub(super) fn note(node: &mut Node, told: bool) {
    if told {
        let told = Value::Bool(true);
        node.driver_internal_info.insert(TOLD.to_owned(), told);
    } else {
        node.driver_internal_info.remove(TOLD);
    }
}

/// The ports that have a Neutron port.
fn bound_ports(ports: &[Port]) -> impl Iterator<Item = BoundPort<'_>> {
    ports.iter().filter_map(|port| {
        let vif = vif(&port.internal_info)?;
        Some(BoundPort { port, vif })
    })
}

/// The current Neutron port: a service network's, or else the tenant's.
fn vif(internal_info: &JsonMap) -> Option<&str> {
    VIFS.iter()
        .filter_map(|key| internal_info.get(*key)?.as_str())
        .find(|vif| !vif.is_empty())
}

/// The options for the IP versions of the port's addresses.
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

/// The changes from the current options to `wanted`.
fn changes(neutron_port: &[ExtraDhcpOption], wanted: Vec<ExtraDhcpOption>) -> Vec<ExtraDhcpOption> {
    let same = |a: &ExtraDhcpOption, b: &ExtraDhcpOption| {
        a.opt_name == b.opt_name && a.ip_version == b.ip_version
    };
    let stale: Vec<ExtraDhcpOption> = neutron_port
        .iter()
        .filter(|old| is_ours(&old.opt_name) && !wanted.iter().any(|new| same(old, new)))
        .map(|old| ExtraDhcpOption {
            opt_value: None,
            ..old.clone()
        })
        .collect();
    let new = wanted.into_iter().filter(|new| !neutron_port.contains(new));
    new.chain(stale).collect()
}

fn is_ours(name: &str) -> bool {
    let number = name.rsplit(',').next().unwrap_or(name);
    OURS.contains(&number)
}

/// Neutron's DHCP identifies a machine by the address of its Neutron port.
fn warn_of_another_address(bound: &BoundPort<'_>, neutron_port: &NeutronPort) {
    let same = neutron_port
        .mac_address
        .parse::<MacAddress>()
        .is_ok_and(|it| it == bound.port.address);
    if !same {
        warn!(
            port.uuid = %bound.port.uuid,
            port.mac = %bound.port.address,
            vif = bound.vif,
            "the Neutron port has a different address, {}: its DHCP does not serve this port",
            neutron_port.mac_address
        );
    }
}

#[cfg(test)]
mod tests;
