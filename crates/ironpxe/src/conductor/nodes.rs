//! Enrolling, changing and deleting nodes.

use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::patch::NodeChange;
use ironpxe_core::provision_state::Change;
use json_patch::{Patch, PatchOperation};
use tracing::{error, info};

use super::{LocalConductor, refuse_if_reserved};
use crate::drivers::Drivers;
use crate::rpc::Context;

impl LocalConductor {
    pub(super) async fn create_node(&self, ctx: &Context, mut node: Node) -> Result<Node> {
        self.drivers.set_default_interfaces(&mut node)?;
        self.db.node_create(&node).await?;
        info!(req.id = ctx.request_id, node.uuid = %node.uuid, node.name = node.name, "node enrolled");
        Ok(node)
    }

    pub(super) async fn update_node(
        &self,
        uuid: NodeUuid,
        change: &NodeChange,
        reset_interfaces: bool,
    ) -> Result<Node> {
        let update = |node: &mut Node| {
            refuse_if_reserved(node)?;
            let before = node.clone();
            change.apply(node)?;
            if let NodeChange::Patch(patch) = change {
                refuse_in_transition(&before, patch)?;
                refuse_fixed_fields(&before, node)?;
            }
            if node.driver != before.driver && reset_interfaces {
                Drivers::reset_interfaces(node, &before.interfaces);
            }
            // A node whose hardware type is disabled can still be changed otherwise.
            if node.driver != before.driver || node.interfaces != before.interfaces {
                self.drivers.set_default_interfaces(node)?;
            }
            Ok(())
        };
        let (node, ()) = self.db.node_change(uuid, update).await?;
        Ok(node)
    }

    pub(super) async fn destroy_node(&self, ctx: &Context, uuid: NodeUuid) -> Result<()> {
        let ports = self.db.node_ports(uuid).await?;
        self.db.node_destroy(uuid, refuse_to_destroy).await?;
        info!(req.id = ctx.request_id, node.uuid = %uuid, "node deleted");
        // The node is deleted in any case.
        match self.settings.dhcp.forget(uuid, &ports).await {
            Ok(left) => self.remove_obsolete_files(left),
            Err(problem) => error!(
                req.id = ctx.request_id,
                node.uuid = %uuid,
                "cannot remove the node's DHCP options: {problem}"
            ),
        }
        Ok(())
    }
}

/// In a transient state, clients cannot change the node, except in states that may last long. The
/// instance of a node in maintenance can always be removed. Source: Ironic's
/// `NodesController.patch`.
fn refuse_in_transition(node: &Node, patch: &Patch) -> Result<()> {
    let frees_instance = matches!(
        patch.0.as_slice(),
        [PatchOperation::Remove(remove)] if remove.path.as_str() == "/instance_uuid"
    );
    let in_transition =
        node.target_provision_state.is_some() && !node.provision_state.allows(Change::Update);
    if in_transition && !(node.maintenance && frees_instance) {
        return Err(Fault::NodeInTransition(node.uuid));
    }
    Ok(())
}

/// Driver and interfaces can only be changed in certain states.
fn refuse_fixed_fields(before: &Node, after: &Node) -> Result<()> {
    if before.maintenance || before.provision_state.allows(Change::SetInterfaces) {
        return Ok(());
    }
    let fixed = |field: &'static str| Fault::FieldFixedInState {
        node: before.uuid,
        field: field.into(),
    };
    if before.driver != after.driver {
        return Err(fixed("driver"));
    }
    match InterfaceKind::ALL
        .iter()
        .find(|&&kind| before.interface(kind) != after.interface(kind))
    {
        Some(kind) => Err(fixed(kind.field())),
        None => Ok(()),
    }
}

fn refuse_to_destroy(node: &Node) -> Result<()> {
    refuse_if_reserved(node)?;
    if node.protected {
        return Err(Fault::NodeProtected(node.uuid));
    }
    if node.maintenance {
        return Ok(());
    }
    if let Some(instance) = node.instance_uuid {
        return Err(Fault::NodeAssociated {
            node: node.uuid,
            instance: instance.to_string(),
        });
    }
    if !node.provision_state.allows(Change::Delete) {
        let state = node.provision_state.name().to_owned();
        return Err(Fault::NodeNotDeletable {
            node: node.uuid,
            state,
        });
    }
    Ok(())
}
