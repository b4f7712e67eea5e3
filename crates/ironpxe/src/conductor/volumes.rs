//! Adding, changing and removing volume connectors and targets.
//!
//! A running machine has its volumes attached: they can only be changed while it is off and the
//! node is not reserved, and removed then or before the node is in use. They can be added at any
//! time. Boot requests see a change immediately.
//!
//! Source: Ironic's `conductor/manager.py` (`update_volume_connector`, `destroy_volume_connector`,
//! and those of targets).

use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::{VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::patch::{VolumeConnectorChange, VolumeTargetChange};
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::ProvisionState;
use ironpxe_core::volume::{VolumeConnector, VolumeTarget};
use tracing::info;

use super::{LocalConductor, refuse_if_reserved};
use crate::rpc::Context;

impl LocalConductor {
    pub(super) async fn create_volume_connector(
        &self,
        ctx: &Context,
        connector: VolumeConnector,
    ) -> Result<VolumeConnector> {
        self.db.volume_connector_create(&connector).await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %connector.node_uuid,
            volume_connector.uuid = %connector.uuid,
            "volume connector added"
        );
        Ok(connector)
    }

    pub(super) async fn update_volume_connector(
        &self,
        ctx: &Context,
        uuid: VolumeConnectorUuid,
        change: VolumeConnectorChange,
    ) -> Result<VolumeConnector> {
        let connector = self
            .db
            .volume_connector_change(
                uuid,
                |node| refuse_to_change(node, "volume connector update"),
                |connector| change.apply(connector),
            )
            .await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %connector.node_uuid,
            volume_connector.uuid = %uuid,
            "volume connector changed"
        );
        Ok(connector)
    }

    pub(super) async fn destroy_volume_connector(
        &self,
        ctx: &Context,
        uuid: VolumeConnectorUuid,
    ) -> Result<()> {
        let node = self
            .db
            .volume_connector_destroy(uuid, |node| {
                refuse_to_remove(node, "volume connector deletion")
            })
            .await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %node,
            volume_connector.uuid = %uuid,
            "volume connector removed"
        );
        Ok(())
    }

    pub(super) async fn create_volume_target(
        &self,
        ctx: &Context,
        target: VolumeTarget,
    ) -> Result<VolumeTarget> {
        self.db.volume_target_create(&target).await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %target.node_uuid,
            volume_target.uuid = %target.uuid,
            "volume target added"
        );
        Ok(target)
    }

    pub(super) async fn update_volume_target(
        &self,
        ctx: &Context,
        uuid: VolumeTargetUuid,
        change: VolumeTargetChange,
    ) -> Result<VolumeTarget> {
        let target = self
            .db
            .volume_target_change(
                uuid,
                |node| refuse_to_change(node, "volume target update"),
                |target| change.apply(target),
            )
            .await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %target.node_uuid,
            volume_target.uuid = %uuid,
            "volume target changed"
        );
        Ok(target)
    }

    pub(super) async fn destroy_volume_target(
        &self,
        ctx: &Context,
        uuid: VolumeTargetUuid,
    ) -> Result<()> {
        let node = self
            .db
            .volume_target_destroy(uuid, |node| {
                refuse_to_remove(node, "volume target deletion")
            })
            .await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %node,
            volume_target.uuid = %uuid,
            "volume target removed"
        );
        Ok(())
    }
}

/// Ironic requires a node that is known to be off. Here an unknown power state is accepted too, so
/// that a node can be prepared before it is managed.
fn refuse_to_change(node: &Node, action: &'static str) -> Result<()> {
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
fn refuse_to_remove(node: &Node, action: &'static str) -> Result<()> {
    use ProvisionState as S;
    refuse_if_reserved(node)?;
    let state = node.provision_state.known();
    if matches!(state, Some(S::Enroll | S::Manageable | S::AdoptFailed)) {
        return Ok(());
    }
    refuse_to_change(node, action)
}
