//! Adding, changing and removing ports. Boot requests see a change immediately, as does the DHCP
//! server if it has options for the node.

use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::node::Node;
use ironpxe_core::patch::PortChange;
use ironpxe_core::port::Port;
use ironpxe_core::provision_state::{Change, ProvisionState};
use ironpxe_core::retry_after;
use tracing::{error, info};

use super::LocalConductor;
use super::provision::DhcpProblem;
use crate::dhcp::{DhcpError, ObsoleteFiles};
use crate::rpc::Context;

impl LocalConductor {
    pub(super) async fn create_port(&self, ctx: &Context, port: Port) -> Result<Port> {
        self.db.port_create(&port).await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %port.node_uuid,
            port.mac = %port.address,
            "port added"
        );
        self.update_port_options(ctx, port.node_uuid, None).await?;
        Ok(port)
    }

    pub(super) async fn update_port(
        &self,
        ctx: &Context,
        uuid: PortUuid,
        change: &PortChange,
    ) -> Result<Port> {
        let apply = |port: &mut Port| {
            let before = port.clone();
            change.apply(port)?;
            Ok(before)
        };
        let (port, before) = self.db.port_change_if(uuid, refuse_in_state, apply).await?;
        let moved = before.address != port.address || before.node_uuid != port.node_uuid;
        let gone = moved.then_some(&before);
        if before.node_uuid != port.node_uuid {
            self.update_port_options(ctx, before.node_uuid, gone)
                .await?;
        }
        self.update_port_options(ctx, port.node_uuid, gone).await?;
        Ok(port)
    }

    pub(super) async fn destroy_port(&self, ctx: &Context, uuid: PortUuid) -> Result<()> {
        let port = self.db.port_get(uuid).await?;
        self.db.port_destroy(uuid).await?;
        if let Some(port) = port {
            info!(
                req.id = ctx.request_id,
                node.uuid = %port.node_uuid,
                port.mac = %port.address,
                "port removed"
            );
            self.update_port_options(ctx, port.node_uuid, Some(&port))
                .await?;
        }
        Ok(())
    }

    /// Updates the DHCP options for the node's current ports, if the DHCP server has options for
    /// the node; `gone` is a removed port.
    pub(super) async fn update_port_options(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        gone: Option<&Port>,
    ) -> Result<()> {
        let dhcp = &self.settings.dhcp;
        if !dhcp.is_configured() {
            return Ok(());
        }
        let update = async {
            if let Some(gone) = gone {
                let left = dhcp.forget_ports(std::slice::from_ref(gone)).await?;
                self.remove_obsolete_files(left);
            }
            match self.db.node_get(uuid).await.map_err(Fault::from)? {
                Some(node) if dhcp.has_options_for(&node) => {
                    match self.update_dhcp_opts(&node).await {
                        // The cloud has detached the VIF, as it may.
                        Err(DhcpProblem::Dhcp(DhcpError::NoVif(_))) => Ok(()),
                        result => result,
                    }
                }
                Some(_) | None => Ok(()),
            }
        };
        update.await.map_err(|problem| {
            error!(req.id = ctx.request_id, node.uuid = %uuid, "{problem}");
            Fault::unavailable(
                format!("The port is saved, but {problem}"),
                retry_after::DHCP,
            )
        })
    }

    /// Removes DHCP options that are no longer needed.
    pub(super) fn remove_obsolete_files(&self, left: ObsoleteFiles) {
        self.tasks.spawn("obsolete DHCP files", async move {
            if let Err(problem) = left.remove().await {
                error!("cannot remove obsolete DHCP options: {problem}");
            }
        });
    }
}

/// The connection of a port can only be changed in certain states, and its address also not while
/// the node has an instance. In maintenance, everything can be changed.
///
/// Source: Ironic's conductor (`update_port`).
fn refuse_in_state(node: &Node, before: &Port, after: &Port) -> Result<()> {
    if node.maintenance {
        return Ok(());
    }
    let is_active = node.provision_state == ProvisionState::Active.into();
    let in_use = is_active || node.instance_uuid.is_some();
    if in_use && before.address != after.address {
        return Err(Fault::InvalidState(format!(
            "Cannot update hardware address for port {} as node {} is active or has instance UUID \
             assigned",
            before.uuid, node.uuid
        )));
    }
    let connectivity_changed = before.pxe_enabled != after.pxe_enabled
        || before.local_link_connection != after.local_link_connection
        || before.physical_network != after.physical_network;
    if connectivity_changed && !node.provision_state.allows(Change::Reconnect) {
        return Err(Fault::InvalidState(format!(
            "Port {} can not have any connectivity attributes (portgroup_id, physical_network, \
             pxe_enabled, local_link_connection) updated unless node {} is in a enroll, \
             inspecting, inspect wait, manageable state or in maintenance mode. The current state \
             is {}.",
            before.uuid, node.uuid, node.provision_state
        )));
    }
    Ok(())
}
