//! `GET /v1/volume/targets`, and the targets of one node.

use axum::Json;
use axum::extract::State;
use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeTargetUuid};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::Result;
use crate::api::request::Call;
use crate::api::volume::listing::Listing;
use crate::api::volume::targets::view;

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    list(&state, &call, &args, None).await
}

/// The targets of a node.
pub(in crate::api) async fn of_node(
    state: &AppState,
    call: &Call,
    args: &Args,
    node: NodeUuid,
) -> Result<Json<Value>> {
    list(state, call, args, Some(node)).await
}

async fn list(
    state: &AppState,
    call: &Call,
    args: &Args,
    of_node: Option<NodeUuid>,
) -> Result<Json<Value>> {
    let listing = Listing::read(state, call, args, &view::SHAPE, of_node).await?;
    if let Some(marker) = listing.marker.map(VolumeTargetUuid) {
        let missing = || Fault::VolumeTargetNotFound(marker.to_string());
        state
            .db
            .volume_target_get(marker)
            .await?
            .ok_or_else(missing)?;
    }
    let page = listing.page(VolumeTargetUuid);
    let targets = state.db.volume_target_list(listing.node, &page).await?;
    Ok(listing.answer(
        &targets,
        |target, fields| view::show(call, target, fields),
        |target| target.uuid.to_string(),
    ))
}
