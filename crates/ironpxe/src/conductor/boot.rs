//! Boot requests: which machine asks, what it boots, and a line in the log about it.

use ironpxe_core::boot::{BootPlan, Machine, Occasion, boots_from_volume, decide};
use ironpxe_core::error::{Fault, Result};
use tracing::{error, info, warn};

use super::LocalConductor;
use crate::rpc::{BootIdent, Context};

impl LocalConductor {
    /// The boot script of a machine, as it is to be booted now.
    pub(super) async fn boot(&self, ctx: &Context, ident: BootIdent) -> Result<String> {
        let (node, port) = match ident {
            BootIdent::Node(uuid) => (self.db.node_get(uuid).await?, None),
            BootIdent::Address(mac) => match self.db.node_get_by_address(mac).await? {
                Some((node, port)) => (Some(node), Some(port)),
                None => (None, None),
            },
        };
        let Some(node) = node else {
            return Err(self.refuse_stranger(ctx, ident));
        };
        let volumes = match boots_from_volume(&node) {
            Some(_) => Some(self.db.node_volumes(node.uuid).await?),
            None => None,
        };
        let machine = Machine {
            node: &node,
            port: port.as_ref(),
            volumes: volumes.as_ref(),
        };
        let plan = decide(machine, &self.settings.boot, &ctx.request_id);
        let located = self.locate(ctx, &node, plan).await?;
        let occasion = Occasion {
            machine,
            request_id: &ctx.request_id,
        };
        let (script, unusable) = self
            .scripts
            .current()
            .render_or_refuse(&located, occasion)
            .map_err(|error| Fault::Internal(error.to_string()))?;
        if let Some(unusable) = &unusable {
            error!(
                req.id = ctx.request_id,
                node.uuid = %node.uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                port.mac = port.as_ref().map(|port| port.address.to_string()),
                "machine not booted: {}",
                unusable.error,
            );
        } else if let BootPlan::Refuse(refusal) = located.plan() {
            warn!(
                req.id = ctx.request_id,
                node.uuid = %node.uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                port.mac = port.as_ref().map(|port| port.address.to_string()),
                "machine not booted: {refusal}; {}",
                refusal.advice(&node.label()),
            );
        } else {
            info!(
                req.id = ctx.request_id,
                node.uuid = %node.uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                port.mac = port.as_ref().map(|port| port.address.to_string()),
                "machine boots: {}",
                located.plan().title(),
            );
            return Ok(script);
        }
        if self.settings.restrict_boot_config {
            return Err(Fault::NotFound);
        }
        Ok(script)
    }

    fn refuse_stranger(&self, ctx: &Context, ident: BootIdent) -> Fault {
        let fault = match ident {
            BootIdent::Node(uuid) => {
                warn!(req.id = ctx.request_id, node.uuid = %uuid, "machine not booted: no such node");
                Fault::NodeNotFound(uuid.to_string())
            }
            BootIdent::Address(mac) => {
                warn!(
                    req.id = ctx.request_id,
                    port.mac = %mac,
                    "machine not booted: no port has this address"
                );
                Fault::PortNotFound(mac.to_string())
            }
        };
        if self.settings.restrict_boot_config {
            Fault::NotFound
        } else {
            fault
        }
    }
}
