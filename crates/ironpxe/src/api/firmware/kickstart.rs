//! `GET /v1/boot/<node>/ks.cfg`: what an installer reads once it runs.
//!
//! It stands beside the boot scripts, because it is fetched by the same machines over the same
//! network, and knows no version of the API. It is there only while the node is being installed.
//! Firmware is not given it: it is no script, and no script names it but as an argument of the
//! installer.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use ironpxe_core::error::Fault;
use ironpxe_core::id::NodeUuid;

use super::answer::{ForFirmware, text_response};
use crate::api::AppState;
use crate::api::error::ApiError;
use crate::rpc::Context;

pub(super) async fn get(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path(node): Path<String>,
) -> Result<Response, ApiError> {
    // What is no UUID is no node's, and that is all there is to say.
    let node: NodeUuid = node.parse().map_err(|_| Fault::NotFound)?;
    let kickstart = state.conductor.kickstart(&ctx, node).await?;
    let mut response = text_response(kickstart);
    response.extensions_mut().remove::<ForFirmware>();
    Ok(response)
}
