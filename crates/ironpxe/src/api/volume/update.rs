//! `PATCH /v1/volume/connectors/<connector>` and `PATCH /v1/volume/targets/<target>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::field;
use ironpxe_core::patch::VolumeChange;
use ironpxe_core::policy::Rule;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::body::JsonBody;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::mask;
use crate::api::patch;
use crate::api::volume::{SINCE, VolumeApi, check_new_node, find, masked_fields, view};

pub(super) async fn patch<V: VolumeApi>(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    args.only(&[])?;
    let patch = patch::read(&call, body)?;
    let volume = find::<V>(&state, &call, &ident, Rule::VolumeUpdate).await?;
    let patchable = field::names(V::FIELDS, |field| field.is_patchable);
    patch::check_fields(&patch, &patchable)?;
    mask::refuse_mask_in(&patch, &masked_fields::<V>())?;
    check_new_node(&state, &call, &patch).await?;
    let change = VolumeChange(patch);
    let volume = V::update(volume.uuid(), change, &*state.conductor, &call.ctx).await?;
    Ok(Json(view::show(&call, &volume, None)))
}
