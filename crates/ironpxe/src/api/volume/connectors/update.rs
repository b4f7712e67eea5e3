//! `PATCH /v1/volume/connectors/<connector>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::patch::VolumeConnectorChange;
use ironpxe_core::patch::volume_connector_fields::PATCHABLE;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::body::JsonBody;
use crate::api::error::Result;
use crate::api::patch;
use crate::api::request::Call;
use crate::api::volume::connectors::{find, view};
use crate::api::volume::{SINCE, check_new_node};

pub(super) async fn patch(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    args.only(&[])?;
    let patch = patch::read(&call, body)?;
    let connector = find(&state, &ident).await?;
    patch::check_fields(&patch, &PATCHABLE)?;
    check_new_node(&state, &patch).await?;
    let connector = state
        .conductor
        .volume_connector_update(&call.ctx, connector.uuid, VolumeConnectorChange(patch))
        .await?;
    Ok(Json(view::show(&call, &connector, None)))
}
