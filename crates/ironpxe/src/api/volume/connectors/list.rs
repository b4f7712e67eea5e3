//! `GET /v1/volume/connectors`, and the connectors of one node.

use axum::Json;
use axum::extract::State;
use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::Result;
use crate::api::request::Call;
use crate::api::volume::connectors::view;
use crate::api::volume::listing::Listing;

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    list(&state, &call, &args, None).await
}

/// The connectors of a node.
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
    if let Some(marker) = listing.marker.map(VolumeConnectorUuid) {
        let missing = || Fault::VolumeConnectorNotFound(marker.to_string());
        state
            .db
            .volume_connector_get(marker)
            .await?
            .ok_or_else(missing)?;
    }
    let page = listing.page(VolumeConnectorUuid);
    let connectors = state.db.volume_connector_list(listing.node, &page).await?;
    Ok(listing.answer(
        &connectors,
        |connector, fields| view::show(call, connector, fields),
        |connector| connector.uuid.to_string(),
    ))
}
