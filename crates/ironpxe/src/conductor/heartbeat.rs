//! Heartbeats of agents and installers. [`advance`](ironpxe_core::provision::advance) decides their
//! effect; this saves and logs it.

use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::provision::{EventKind, Heartbeat};
use ironpxe_core::provision_state::ProvisionState;
use tracing::{info, warn};

use super::LocalConductor;
use super::provision::Advanced;
use crate::clock;
use crate::rpc::Context;

impl LocalConductor {
    pub(super) async fn apply_heartbeat(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        heartbeat: Heartbeat,
    ) -> Result<()> {
        let kind = EventKind::Heartbeat(&heartbeat);
        let advanced = self.advance(ctx, uuid, clock::now(), kind).await;
        let advanced = advanced.inspect_err(|fault| {
            let is_unknown = matches!(fault, Fault::NodeNotFound(_));
            if is_unknown && !self.boot.note_unknown(BootIdent::Node(uuid)) {
                return;
            }
            warn!(req.id = ctx.request_id, node.uuid = %uuid, "heartbeat refused: {fault}");
        })?;
        let node = &advanced.node;
        let Some(what) = said(&advanced) else {
            warn!(
                req.id = ctx.request_id,
                node.uuid = %uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                "ignoring heartbeat: node is not waiting for an agent"
            );
            return Ok(());
        };
        info!(
            req.id = ctx.request_id,
            node.uuid = %uuid,
            node.name = node.name,
            node.state = %node.provision_state,
            error = node.last_error,
            "{what}"
        );
        self.start_task(ctx, advanced);
        Ok(())
    }
}

/// The log line for the effect of a heartbeat; `None` if it was ignored.
fn said(advanced: &Advanced) -> Option<&'static str> {
    let Advanced { before, node, .. } = advanced;
    if !before
        .provision_state
        .known()?
        .row()
        .phase
        .takes_heartbeats()
    {
        return None;
    }
    let state = node.provision_state.known();
    Some(if state == Some(ProvisionState::Active) {
        "installer finished"
    } else if state == Some(ProvisionState::DeployFailed) {
        "installer failed"
    } else if node.provision_updated_at != before.provision_updated_at {
        "installer is running"
    } else {
        "agent heartbeat"
    })
}
