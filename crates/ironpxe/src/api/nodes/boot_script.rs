//! `GET /v1/nodes/<node>/boot_script`: what the machine would boot and why, before anyone powers
//! it on. Ironic has no such thing; here every version of the API has it.
//!
//! `state` asks as if the node were in another provision state, `port_address` as the machine
//! itself would, by one of its ports.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::boot::without_passwords;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::{ApiError, Result};
use crate::api::nodes::find;
use crate::api::request::Call;
use crate::rpc::BootIdent;

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    super::ident(&ident)?;
    args.only(&["state", "port_address"])?;
    let as_if = match args.text("state")? {
        None => None,
        Some(name) => Some(ProvisionState::from_name(&name).ok_or_else(|| {
            ApiError::invalid(format!("Provision state \"{name}\" is not valid"))
        })?),
    };
    let address = args.mac("port_address")?;
    let node = find(&state, &call, &ident).await?;
    let machine = address.map_or(BootIdent::Node(node.uuid), BootIdent::Address);
    let preview = state
        .conductor
        .boot_preview(&call.ctx, machine, as_if)
        .await?;
    if let Some(address) = address.filter(|_| preview.node_uuid != node.uuid) {
        return Err(ApiError::invalid(format!(
            "Port {address} does not belong to node {}.",
            node.uuid
        )));
    }
    let reasons: Vec<Value> = preview
        .reasons
        .iter()
        .map(|(topic, text)| json!({ "topic": topic, "text": text }))
        .collect();
    Ok(Json(json!({
        "node_uuid": node.uuid,
        "provision_state": preview.provision_state,
        "plan": preview.plan,
        // As everywhere in the API, passwords are not shown.
        "script": without_passwords(&preview.script),
        "reasons": reasons,
        "links": call.links.pair(&format!("nodes/{}/boot_script", node.uuid)),
    })))
}
