//! `GET /v1/volume/targets/<target>`.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::Result;
use crate::api::request::Call;
use crate::api::volume::SINCE;
use crate::api::volume::targets::{find, view};

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    args.only(&["fields"])?;
    let fields = args.list("fields")?;
    let target = find(&state, &ident).await?;
    view::SHAPE.check_fields(fields.as_deref())?;
    let fields: Option<Vec<&str>> = fields
        .as_ref()
        .map(|fields| fields.iter().map(String::as_str).collect());
    Ok(Json(view::show(&call, &target, fields.as_deref())))
}
