//! `PATCH /v1/volume/targets/<target>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::patch::VolumeTargetChange;
use ironpxe_core::patch::volume_target_fields::PATCHABLE;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::body::JsonBody;
use crate::api::error::Result;
use crate::api::mask;
use crate::api::patch;
use crate::api::request::Call;
use crate::api::volume::targets::{find, view};
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
    let target = find(&state, &ident).await?;
    patch::check_fields(&patch, &PATCHABLE)?;
    mask::refuse_mask_in(&patch, &["properties"])?;
    check_new_node(&state, &patch).await?;
    let target = state
        .conductor
        .volume_target_update(&call.ctx, target.uuid, VolumeTargetChange(patch))
        .await?;
    Ok(Json(view::show(&call, &target, None)))
}
