//! `PATCH /v1/nodes/<node>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::field;
use ironpxe_core::node::Node;
use ironpxe_core::node::fields::{MAX_DESCRIPTION, NODE_FIELDS, PATCHABLE};
use ironpxe_core::patch::NodeChange;
use ironpxe_core::policy::Rule;
use ironpxe_core::provision_state::ProvisionState;
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use crate::api::AppState;
use crate::api::access::of_node;
use crate::api::args::Args;
use crate::api::body::JsonBody;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::mask;
use crate::api::node_name;
use crate::api::nodes::conductor::Conductors;
use crate::api::nodes::{create, update_rules, view};
use crate::api::patch;
use crate::api::resolve::{check_ident, find_item};

pub(super) async fn patch(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>> {
    check_ident(&ident)?;
    args.only(&["reset_interfaces"])?;
    let reset_interfaces = args.flag("reset_interfaces")?;
    if reset_interfaces.is_some() {
        call.not_acceptable_before(45)?;
    }
    let mut patch = patch::read(&call, body)?;
    check(&call, &patch, reset_interfaces == Some(true))?;

    let node = find_item(&state, &call, &ident, Rule::NodeGet).await?;
    update_rules::authorize(&call, &node, &patch)?;
    check_owner(&call, &node, &patch)?;
    let only_instance = matches!(
        patch.0.as_slice(),
        [PatchOperation::Remove(remove)] if remove.path.as_str() == "/instance_uuid"
    );
    if !(node.maintenance && only_instance) {
        check_state(&call, &node)?;
    }
    for value in patch::values(&patch, "/name") {
        if let Some(name) = value.as_str() {
            let refused = format!("Node {ident}: Cannot change name to invalid name");
            node_name::check(&call, name, &refused)?;
        }
    }
    for operation in &mut patch.0 {
        link_parent(&state, &call, &node, operation).await?;
    }
    if let Some(chassis) = patch::values(&patch, "/chassis_uuid").find_map(|value| value.as_str()) {
        return Err(ApiError::invalid(format!(
            "Chassis {chassis} could not be found."
        )));
    }

    let change = NodeChange::Patch(patch);
    let reset = reset_interfaces == Some(true);
    let node = state
        .conductor
        .node_update(&call.ctx, node.uuid, change, reset)
        .await?;
    let conductors = Conductors::shown(&state, &call, None).await?;
    Ok(Json(view::show(&call, &conductors, &node, None)))
}

/// Validation that does not need the node.
fn check(call: &Call, patch: &Patch, reset_interfaces: bool) -> Result<()> {
    patch::check_fields(patch, &PATCHABLE)?;
    mask::refuse_mask_in(patch, &["driver_info", "instance_info"])?;
    for operation in &patch.0 {
        if !matches!(operation, PatchOperation::Remove(_)) {
            call.not_acceptable_before(field::since(NODE_FIELDS, &patch::field(operation)))?;
        }
    }
    if reset_interfaces && patch::values(patch, "/driver").next().is_none() {
        return Err(ApiError::invalid(
            "The reset_interfaces parameter can only be used when changing the node's driver.",
        ));
    }
    let description = patch::values(patch, "/description").find_map(|value| value.as_str());
    if description.is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
        return Err(ApiError::invalid(format!(
            "Cannot update node with description exceeding {MAX_DESCRIPTION} characters"
        )));
    }
    Ok(())
}

/// Clients before 1.39 do not know that inspection takes time and changes properties. (The
/// conductor checks the other transient states.)
fn check_state(call: &Call, node: &Node) -> Result<()> {
    if node.provision_state.known() == Some(ProvisionState::Inspecting) && call.has(39) {
        return Err(ApiError::Conflict(format!(
            "Cannot update node \"{}\" while it is in state \"{}\".",
            node.uuid,
            ProvisionState::Inspecting
        )));
    }
    Ok(())
}

/// Only the system's administrators give away a node that is in use.
fn check_owner(call: &Call, node: &Node, patch: &Patch) -> Result<()> {
    let is_active = node.provision_state.known() == Some(ProvisionState::Active);
    let mut fields = patch.0.iter().map(patch::field);
    if !is_active || !fields.any(|field| field == "owner") {
        return Ok(());
    }
    if call.may(Rule::NodeUpdateOwnerProvisioned, &of_node(node)) {
        return Ok(());
    }
    Err(ApiError::Conflict(format!(
        "Cannot update owner of node \"{}\" while it is in state \"{}\".",
        node.uuid,
        ProvisionState::Active
    )))
}

/// A parent can be given by name; its UUID is stored.
async fn link_parent(
    state: &AppState,
    call: &Call,
    node: &Node,
    operation: &mut PatchOperation,
) -> Result<()> {
    if operation.path().as_str() != "/parent_node" {
        return Ok(());
    }
    let value = match operation {
        PatchOperation::Add(add) => &mut add.value,
        PatchOperation::Replace(replace) => &mut replace.value,
        _ => return Ok(()),
    };
    if let Some(parent) = value.as_str().map(str::to_owned) {
        let parent = create::parent_of(state, call, node, &parent).await?;
        *value = Value::String(parent.to_string());
    }
    Ok(())
}
