//! VIFs: which Neutron port is attached to which port of a node.
//!
//! The VIF is stored in the port, where `dhcp_provider = neutron` uses it. The network interface is
//! always `noop`, so nothing else happens: without Neutron, attaching to a node without ports
//! succeeds and is not stored, as in Ironic. The node is reserved during the operation.
//!
//! Source: Ironic's `drivers/modules/network/common.py` (`NeutronVIFPortIDMixin`) and `noop.py`.

use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::provision::refuse_if_taken;
use serde_json::Value;
use tracing::info;

use super::{LocalConductor, refuse_if_reserved};
use crate::rpc::{Context, VifInfo};

/// The key of a VIF in `internal_info`.
const TENANT_VIF: &str = "tenant_vif_port_id";

impl LocalConductor {
    /// Attaches the VIF to a free port: the requested one, or else the first, ports with PXE
    /// preferred.
    pub(super) async fn attach_vif(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        vif: VifInfo,
    ) -> Result<()> {
        self.with_reservation(uuid, |_| self.plug(ctx, uuid, vif))
            .await
    }

    /// Detaches the VIF.
    pub(super) async fn detach_vif(&self, ctx: &Context, uuid: NodeUuid, vif: &str) -> Result<()> {
        self.with_reservation(uuid, |node| self.unplug(ctx, node, vif))
            .await
    }

    /// Runs an operation on the node's VIFs with the node reserved: all ports must be checked for
    /// the VIF before it is attached.
    async fn with_reservation<F: Future<Output = Result<()>>>(
        &self,
        uuid: NodeUuid,
        work: impl FnOnce(Node) -> F,
    ) -> Result<()> {
        let reserve = |node: &mut Node| {
            refuse_if_reserved(node)?;
            node.reservation = Some(self.settings.host.clone());
            Ok(())
        };
        let (node, ()) = self.db.node_change(uuid, reserve).await?;
        let accepted = node.provision_updated_at;
        let done = work(node).await;
        let release = |node: &mut Node| {
            refuse_if_taken(node, &self.settings.host, accepted)?;
            node.reservation = None;
            Ok(())
        };
        let released = self.db.node_change(uuid, release).await;
        done.and(released.map(drop))
    }

    async fn plug(&self, ctx: &Context, uuid: NodeUuid, vif: VifInfo) -> Result<()> {
        let mut ports = self.db.node_ports(uuid).await?;
        if ports.is_empty() && vif.port_uuid.is_none() && !self.settings.dhcp.follows_vifs() {
            info!(
                req.id = ctx.request_id,
                node.uuid = %uuid,
                vif = vif.id,
                "VIF not stored: the node has no port, and its network interface is noop"
            );
            return Ok(());
        }
        let taken = ports.iter().find(|port| vif_of(port) == Some(&vif.id));
        if let Some(port) = taken {
            return Err(already(&vif.id, port));
        }
        ports.retain(|port| {
            vif_of(port).is_none() && vif.port_uuid.is_none_or(|uuid| uuid == port.uuid)
        });
        // A stable sort keeps the order of creation.
        ports.sort_by_key(|port| !port.pxe_enabled);
        let free = ports.into_iter().next();
        let free = free.ok_or_else(|| Fault::NoFreePhysicalPorts(vif.id.clone()))?;
        let plug = |port: &mut Port| match vif_of(port) {
            // Attached concurrently.
            Some(there) if there == vif.id => Err(already(&vif.id, port)),
            Some(_) => Err(Fault::NoFreePhysicalPorts(vif.id.clone())),
            None => {
                let id = Value::String(vif.id.clone());
                port.internal_info.insert(TENANT_VIF.to_owned(), id);
                Ok(())
            }
        };
        let (port, ()) = self.db.port_change(free.uuid, plug).await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %uuid,
            port.uuid = %port.uuid,
            port.mac = %port.address,
            vif = vif.id,
            "VIF attached"
        );
        if self.settings.dhcp.follows_vifs() {
            self.update_port_options(ctx, uuid, None).await?;
        }
        Ok(())
    }

    async fn unplug(&self, ctx: &Context, node: Node, vif: &str) -> Result<()> {
        let uuid = node.uuid;
        let missing = || Fault::VifNotAttached {
            vif: vif.to_owned(),
            node: uuid,
        };
        let ports = self.db.node_ports(uuid).await?;
        if ports.is_empty() && !self.settings.dhcp.follows_vifs() {
            return Ok(());
        }
        let found = ports.into_iter().find(|port| vif_of(port) == Some(vif));
        let before = found.ok_or_else(missing)?;
        let unplug = |port: &mut Port| {
            if vif_of(port) != Some(vif) {
                return Err(missing());
            }
            port.internal_info.remove(TENANT_VIF);
            Ok(())
        };
        let (port, ()) = self.db.port_change(before.uuid, unplug).await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %uuid,
            port.uuid = %port.uuid,
            port.mac = %port.address,
            vif,
            "VIF detached"
        );
        let dhcp = &self.settings.dhcp;
        if dhcp.follows_vifs() && dhcp.has_options_for(&node) {
            self.update_port_options(ctx, uuid, Some(&before)).await?;
        }
        Ok(())
    }
}

fn vif_of(port: &Port) -> Option<&str> {
    let vif = port.internal_info.get(TENANT_VIF)?.as_str()?;
    Some(vif).filter(|vif| !vif.is_empty())
}

fn already(vif: &str, port: &Port) -> Fault {
    Fault::VifAlreadyAttached {
        vif: vif.to_owned(),
        port: port.uuid,
    }
}
