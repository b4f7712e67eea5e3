//! `GET /v1/nodes/<node>/ports`.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::policy::Rule;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::ports::list;
use crate::api::resolve::{check_ident, find};

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    check_ident(&ident)?;
    let node = find(&state, &call, &ident, Rule::NodeGet).await?;
    list::of_node(&state, &call, &args, node.uuid, false).await
}

pub(super) async fn detail(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    check_ident(&ident)?;
    let node = find(&state, &call, &ident, Rule::NodeGet).await?;
    list::of_node(&state, &call, &args, node.uuid, true).await
}
