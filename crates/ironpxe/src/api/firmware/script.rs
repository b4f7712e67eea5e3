//! The endpoints of boot scripts: each reads which machine is meant, and the boot service answers.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use crate::api::AppState;
use crate::api::error::ApiError;
use crate::boot::{BootRequest, BootResponse, Client};
use crate::rpc::Context;

/// `GET /boot.ipxe` and `GET /autoexec.ipxe`: one script for every machine, which asks for each
/// of its NICs in turn.
pub(super) async fn nic_loop(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    client: Client,
) -> BootResponse {
    state.boot.nic_loop(&ctx.request_id, client)
}

/// `GET /v1/boot/<mac>/boot.ipxe`
pub(super) async fn by_address(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path(mac): Path<String>,
    client: Client,
) -> Response {
    answer(&state, &ctx, client, Some(BootRequest::by_address(&mac))).await
}

/// The same without an address: iPXE has replaced `${net0/mac}` by nothing.
pub(super) async fn without_address(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    client: Client,
) -> Response {
    answer(&state, &ctx, client, Some(BootRequest::by_address(""))).await
}

/// The same with `${net0/mac}` as it stands.
pub(super) async fn by_setting(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path((net, mac)): Path<(String, String)>,
    client: Client,
) -> Response {
    let request = BootRequest::by_setting(&net, &mac);
    answer(&state, &ctx, client, request).await
}

/// `GET /pxelinux.cfg/<file>`. PXELINUX takes 404 for an answer.
pub(super) async fn by_file_name(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path(file): Path<String>,
    client: Client,
) -> Response {
    let request = BootRequest::by_file_name(&file);
    answer(&state, &ctx, client, request).await
}

async fn answer(
    state: &AppState,
    ctx: &Context,
    client: Client,
    request: Option<BootRequest<'_>>,
) -> Response {
    match request {
        None => ApiError::NoRoute.into_response(),
        Some(request) => {
            let answering = state.boot.answer(&ctx.request_id, client, request);
            answering.await.into_response()
        }
    }
}
