//! `GET /v1/nodes/<node>/volume`, and the connectors and targets below it.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::policy::{Rule, Target};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::{check_ident, find};
use crate::api::volume::{SINCE, VolumeApi, links_below, of_node};

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<Json<Value>> {
    exists(&call, &ident)?;
    // As in Ironic, about no node in particular: only for the system.
    call.authorize(Rule::VolumeGet, &Target::NONE)?;
    let node = find(&state, &call, &ident, Rule::NodeGet).await?;
    Ok(Json(links_below(
        &call,
        &format!("nodes/{}/volume/", node.uuid),
    )))
}

/// The connectors or targets of the node.
pub(super) async fn list<V: VolumeApi>(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    exists(&call, &ident)?;
    let node = find(&state, &call, &ident, Rule::NodeGet).await?;
    of_node::<V>(&state, &call, &args, node.uuid).await
}

/// For older clients the path below a node does not exist.
fn exists(call: &Call, ident: &str) -> Result<()> {
    check_ident(ident)?;
    if call.has(SINCE) {
        return Ok(());
    }
    Err(ApiError::NoRoute)
}
