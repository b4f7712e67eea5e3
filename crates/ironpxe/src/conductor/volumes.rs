//! Adding, changing and removing volume connectors and targets.
//!
//! A running machine has its volumes attached: they can only be changed while it is off and the
//! node is not reserved, and removed then or before the node is in use. They can be added at any
//! time. Boot requests see a change immediately.
//!
//! Source: Ironic's `conductor/manager.py` (`update_volume_connector`, `destroy_volume_connector`,
//! and those of targets).

use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::patch::VolumeChange;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::Change;
use ironpxe_core::volume::Volume;
use tracing::info;

use super::{LocalConductor, refuse_if_reserved};
use crate::db::Child;
use crate::rpc::Context;

impl LocalConductor {
    pub(super) async fn create_volume<V: Volume + Child>(
        &self,
        ctx: &Context,
        volume: V,
    ) -> Result<V> {
        self.db.volume_create(&volume).await?;
        log::<V>(ctx, volume.node_uuid(), volume.uuid(), "added");
        Ok(volume)
    }

    pub(super) async fn update_volume<V: Volume + Child>(
        &self,
        ctx: &Context,
        uuid: V::Uuid,
        change: VolumeChange,
    ) -> Result<V> {
        let allowed = |node: &Node| refuse_to_change(node, &format!("volume {} update", V::NAME));
        let apply = |volume: &mut V| change.apply(volume);
        let volume = self.db.volume_change(uuid, allowed, apply).await?;
        log::<V>(ctx, volume.node_uuid(), uuid, "changed");
        Ok(volume)
    }

    pub(super) async fn destroy_volume<V: Volume + Child>(
        &self,
        ctx: &Context,
        uuid: V::Uuid,
    ) -> Result<()> {
        let allowed = |node: &Node| refuse_to_remove(node, &format!("volume {} deletion", V::NAME));
        let node = self.db.volume_destroy::<V>(uuid, allowed).await?;
        log::<V>(ctx, node, uuid, "removed");
        Ok(())
    }
}

fn log<V: Volume>(ctx: &Context, node: NodeUuid, uuid: V::Uuid, done: &str) {
    info!(
        req.id = ctx.request_id,
        node.uuid = %node,
        volume.uuid = %uuid,
        "volume {} {done}", V::NAME
    );
}

/// Ironic requires a node that is known to be off. Here an unknown power state is accepted too, so
/// that a node can be prepared before it is managed.
fn refuse_to_change(node: &Node, action: &str) -> Result<()> {
    refuse_if_reserved(node)?;
    match node.power_state {
        Some(power @ (PowerState::On | PowerState::Error)) => Err(Fault::InvalidStateRequested {
            action: action.to_owned(),
            node: node.uuid,
            state: power.name().to_owned(),
        }),
        Some(PowerState::Off) | None => Ok(()),
    }
}

/// Volumes can always be removed from a node that could be deleted.
fn refuse_to_remove(node: &Node, action: &str) -> Result<()> {
    refuse_if_reserved(node)?;
    if node.provision_state.allows(Change::RemoveVolumes) {
        return Ok(());
    }
    refuse_to_change(node, action)
}
