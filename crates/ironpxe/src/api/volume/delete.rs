//! `DELETE /v1/volume/connectors/<connector>` and `DELETE /v1/volume/targets/<target>`.

use axum::extract::{Path, State};
use http::StatusCode;
use ironpxe_core::policy::Rule;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::volume::{SINCE, VolumeApi, find};

pub(super) async fn delete<V: VolumeApi>(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<StatusCode> {
    call.not_found_before(SINCE)?;
    args.only(&[])?;
    let volume = find::<V>(&state, &call, &ident, Rule::VolumeDelete).await?;
    V::destroy(volume.uuid(), &*state.conductor, &call.ctx).await?;
    Ok(StatusCode::NO_CONTENT)
}
