//! `/v1/ports`.

use axum::Router;
use axum::routing::get;
use ironpxe_core::error::Fault;
use ironpxe_core::field::value::is_logical_name;
use ironpxe_core::id::PortUuid;
use ironpxe_core::policy::Rule;
use ironpxe_core::port::Port;

use crate::api::AppState;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};

mod create;
mod delete;
pub(super) mod list;
mod show;
mod update;
mod view;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/ports", get(list::get).post(create::post))
        .route("/v1/ports/detail", get(list::detail))
        .route(
            "/v1/ports/{port}",
            get(show::get).patch(update::patch).delete(delete::delete),
        )
}

/// The port in a URL, by its UUID or its name.
///
/// 404 also if the caller may not see the port's node; 403 if the rule does not allow what the caller
/// wants with it.
async fn find(state: &AppState, call: &Call, ident: &str, rule: Rule) -> Result<Port> {
    if !is_logical_name(ident) {
        return Err(ApiError::invalid(format!(
            "Expected UUID or name for port_ident: {ident}"
        )));
    }
    let port = match ident.parse::<PortUuid>() {
        Ok(uuid) => state.store.port(call, uuid, rule).await?,
        Err(_) if call.has(88) => state.store.port_by_name(call, ident, rule).await?,
        Err(_) => None,
    };
    port.ok_or_else(|| Fault::PortNotFound(ident.to_owned()).into())
}
