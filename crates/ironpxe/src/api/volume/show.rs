//! `GET /v1/volume/connectors/<connector>` and `GET /v1/volume/targets/<target>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::policy::Rule;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::fields;
use crate::api::volume::{SINCE, VolumeApi, find, view};

pub(super) async fn get<V: VolumeApi>(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    args.only(&["fields"])?;
    let fields = args.list("fields")?;
    let volume = find::<V>(&state, &call, &ident, Rule::VolumeGet).await?;
    view::check_fields::<V>(fields.as_deref())?;
    let fields = fields::requested(fields.as_deref());
    Ok(Json(view::show(&call, &volume, fields.as_deref())))
}
