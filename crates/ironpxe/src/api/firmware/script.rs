//! The endpoints of boot scripts: each parses the machine's identification; the boot service
//! responds.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};

use crate::api::CommonState;
use crate::api::error::ApiError;
use crate::boot::{BootRequest, BootResponse, Client};
use crate::rpc::Context;

/// `GET /boot.ipxe` and `GET /autoexec.ipxe`: the same script for every machine of a network, which
/// tries each of its NICs.
pub(super) async fn nic_loop(
    State(state): State<CommonState>,
    Extension(ctx): Extension<Context>,
    client: Client,
) -> BootResponse {
    state.boot.nic_loop(&ctx.request_id, client)
}

/// `GET /v1/boot/<mac>/boot.ipxe`
pub(super) async fn by_address(
    State(state): State<CommonState>,
    Extension(ctx): Extension<Context>,
    Path(mac): Path<String>,
    RawQuery(query): RawQuery,
    client: Client,
) -> Response {
    let request = BootRequest::by_address(&mac).with_query(query.as_deref());
    answer(&state, &ctx, client, Some(request)).await
}

/// As above without an address: iPXE expanded an unset `${net0/mac}`.
pub(super) async fn without_address(
    State(state): State<CommonState>,
    Extension(ctx): Extension<Context>,
    client: Client,
) -> Response {
    answer(&state, &ctx, client, Some(BootRequest::by_address(""))).await
}

/// As above with an unexpanded `${net0/mac}`.
pub(super) async fn by_unexpanded_mac(
    State(state): State<CommonState>,
    Extension(ctx): Extension<Context>,
    Path((net, mac)): Path<(String, String)>,
    client: Client,
) -> Response {
    let request = BootRequest::by_unexpanded_mac(&net, &mac);
    answer(&state, &ctx, client, request).await
}

/// `GET /pxelinux.cfg/<file>`. PXELINUX expects 404 for unknown files.
pub(super) async fn by_file_name(
    State(state): State<CommonState>,
    Extension(ctx): Extension<Context>,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
    client: Client,
) -> Response {
    let request = BootRequest::by_file_name(&file);
    let request = request.map(|request| request.with_query(query.as_deref()));
    answer(&state, &ctx, client, request).await
}

async fn answer(
    state: &CommonState,
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
