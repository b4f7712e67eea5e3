//! `GET /v1/boot/<node>/ks.cfg`: what an installer reads once it runs.
//!
//! It stands beside the boot scripts, because it is fetched by the same machines over the same
//! network, and knows no version of the API. It is there only while the node is being installed.
//! Firmware is not given it: it is no script, and no script names it but as an argument of the
//! installer.

use axum::Extension;
use axum::extract::{Path, State};

use crate::api::AppState;
use crate::boot::BootResponse;
use crate::rpc::Context;

pub(super) async fn get(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path(node): Path<String>,
) -> BootResponse {
    state.boot.kickstart(&ctx.request_id, &node).await
}
