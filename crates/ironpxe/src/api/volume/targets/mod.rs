//! `/v1/volume/targets`.

use axum::Router;
use axum::routing::get;
use ironpxe_core::error::Fault;
use ironpxe_core::field::value;
use ironpxe_core::id::VolumeTargetUuid;
use ironpxe_core::volume::VolumeTarget;

use crate::api::AppState;
use crate::api::error::Result;

mod create;
mod delete;
pub(in crate::api) mod list;
mod show;
mod update;
mod view;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/volume/targets", get(list::get).post(create::post))
        .route(
            "/v1/volume/targets/{target}",
            get(show::get).patch(update::patch).delete(delete::delete),
        )
}

/// The target in a URL, by its UUID.
async fn find(state: &AppState, ident: &str) -> Result<VolumeTarget> {
    let uuid = VolumeTargetUuid(value::uuid("target_uuid", ident)?);
    let missing = || Fault::VolumeTargetNotFound(uuid.to_string());
    Ok(state
        .db
        .volume_target_get(uuid)
        .await?
        .ok_or_else(missing)?)
}
