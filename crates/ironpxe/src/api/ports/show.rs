//! `GET /v1/ports/<port>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::policy::Rule;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::fields;
use crate::api::ports::{find, view};

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&["fields"])?;
    let fields = args.list("fields")?;
    let port = find(&state, &call, &ident, Rule::PortGet).await?;
    view::check_fields(&call, fields.as_deref())?;
    let fields = fields::requested(fields.as_deref());
    Ok(Json(view::show(&call, &port, fields.as_deref())))
}
