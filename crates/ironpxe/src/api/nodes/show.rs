//! `GET /v1/nodes/<node>`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::policy::Rule;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::fields;
use crate::api::nodes::conductor::Conductors;
use crate::api::nodes::view;
use crate::api::resolve::{check_ident, find_item};

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    check_ident(&ident)?;
    args.only(&["fields"])?;
    let fields = args.list("fields")?;
    let node = find_item(&state, &call, &ident, Rule::NodeGet).await?;
    view::check_fields(&call, fields.as_deref())?;
    let fields = fields::requested(fields.as_deref());
    let conductors = Conductors::shown(&state, &call, fields.as_deref()).await?;
    Ok(Json(view::show(
        &call,
        &conductors,
        &node,
        fields.as_deref(),
    )))
}
