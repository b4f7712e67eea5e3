//! `DELETE /v1/ports/<port>`.

use axum::extract::{Path, State};
use http::StatusCode;
use ironpxe_core::field::value;
use ironpxe_core::id::PortUuid;
use ironpxe_core::policy::Rule;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::ports::find;

pub(super) async fn delete(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<StatusCode> {
    args.only(&[])?;
    // Unlike elsewhere, names are not accepted.
    let uuid = PortUuid(value::uuid("port_uuid", &ident)?);
    let port = find(&state, &call, &uuid.to_string(), Rule::PortDelete).await?;
    state.conductor.port_destroy(&call.ctx, port.uuid).await?;
    Ok(StatusCode::NO_CONTENT)
}
