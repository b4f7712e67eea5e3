//! `DELETE /v1/volume/targets/<target>`.

use axum::extract::{Path, State};
use http::StatusCode;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::Result;
use crate::api::request::Call;
use crate::api::volume::SINCE;
use crate::api::volume::targets::find;

pub(super) async fn delete(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<StatusCode> {
    call.not_found_before(SINCE)?;
    args.only(&[])?;
    let target = find(&state, &ident).await?;
    state
        .conductor
        .volume_target_destroy(&call.ctx, target.uuid)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
