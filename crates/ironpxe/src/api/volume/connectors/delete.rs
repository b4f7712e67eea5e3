//! `DELETE /v1/volume/connectors/<connector>`.

use axum::extract::{Path, State};
use http::StatusCode;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::Result;
use crate::api::request::Call;
use crate::api::volume::SINCE;
use crate::api::volume::connectors::find;

pub(super) async fn delete(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<StatusCode> {
    call.not_found_before(SINCE)?;
    args.only(&[])?;
    let connector = find(&state, &ident).await?;
    state
        .conductor
        .volume_connector_destroy(&call.ctx, connector.uuid)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
