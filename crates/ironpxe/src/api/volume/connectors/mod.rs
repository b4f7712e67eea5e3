//! `/v1/volume/connectors`.

use axum::Router;
use axum::routing::get;
use ironpxe_core::error::Fault;
use ironpxe_core::field::value;
use ironpxe_core::id::VolumeConnectorUuid;
use ironpxe_core::volume::VolumeConnector;

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
        .route("/v1/volume/connectors", get(list::get).post(create::post))
        .route(
            "/v1/volume/connectors/{connector}",
            get(show::get).patch(update::patch).delete(delete::delete),
        )
}

/// The connector in a URL, by its UUID.
async fn find(state: &AppState, ident: &str) -> Result<VolumeConnector> {
    let uuid = VolumeConnectorUuid(value::uuid("connector_uuid", ident)?);
    let missing = || Fault::VolumeConnectorNotFound(uuid.to_string());
    Ok(state
        .db
        .volume_connector_get(uuid)
        .await?
        .ok_or_else(missing)?)
}
