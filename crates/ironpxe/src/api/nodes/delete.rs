//! `DELETE /v1/nodes/<node>`.

use axum::extract::{Path, State};
use http::StatusCode;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::Result;
use crate::api::request::Call;
use crate::api::resolve::{check_ident, find_item};

pub(super) async fn delete(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<StatusCode> {
    check_ident(&ident)?;
    args.only(&[])?;
    let node = find_item(&state, &call, &ident).await?;
    state.conductor.node_destroy(&call.ctx, node.uuid).await?;
    Ok(StatusCode::NO_CONTENT)
}
