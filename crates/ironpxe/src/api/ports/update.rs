//! `PATCH /v1/ports/<port>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::error::Fault;
use ironpxe_core::field;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::patch::PortChange;
use ironpxe_core::policy::Rule;
use ironpxe_core::port::fields::{PATCHABLE, PORT_FIELDS};
use ironpxe_core::provision_state::ProvisionState;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::body::JsonBody;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::patch;
use crate::api::ports::{find, view};

pub(super) async fn patch(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>> {
    args.only(&[])?;
    let patch = patch::read(&call, body)?;
    patch::check_fields(&patch, &PATCHABLE)?;
    for operation in &patch.0 {
        call.not_acceptable_before(field::since(PORT_FIELDS, &patch::field(operation)))?;
    }
    let port = find(&state, &call, &ident, Rule::PortUpdate).await?;
    let node = state.store.node(&call, port.node_uuid).await?;
    let node_state = node.and_then(|node| node.provision_state.known());
    if node_state == Some(ProvisionState::Inspecting) && call.has(39) {
        return Err(ApiError::Conflict(format!(
            "Cannot update port \"{}\" on \"{}\" while it is in state \"{}\".",
            port.uuid,
            port.node_uuid,
            ProvisionState::Inspecting
        )));
    }
    if let Some(node) = patch::values(&patch, "/node_uuid")
        .last()
        .and_then(Value::as_str)
    {
        // Invalid UUIDs are rejected with the rest of the patch.
        if let Ok(uuid) = node.parse::<NodeUuid>() {
            let missing = || ApiError::invalid(Fault::NodeNotFound(node.to_owned()).to_string());
            let node = state.store.node(&call, uuid).await?.ok_or_else(missing)?;
            // Unlike in Ironic: a port is not pushed into a node that the caller may not change.
            call.authorize_node(Rule::PortUpdate, &node)?;
        }
    }
    let port = state
        .conductor
        .port_update(&call.ctx, port.uuid, PortChange(patch))
        .await?;
    Ok(Json(view::show(&call, &port, None)))
}
