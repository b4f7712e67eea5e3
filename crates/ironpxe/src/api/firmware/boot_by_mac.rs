//! `GET /v1/boot/<mac>/boot.ipxe` and `GET /pxelinux.cfg/<mac>`: the script of the machine with
//! that address.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use ironpxe_core::error::Fault;

use super::answer::{IsFirmware, script_answer};
use crate::api::AppState;
use crate::api::error::ApiError;
use crate::rpc::{BootIdent, Context};

/// The 2023 spec's door. The address in any spelling.
pub(super) async fn get(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path(mac): Path<String>,
    client: IsFirmware,
) -> Response {
    let ident = BootIdent::from_address("address", &mac);
    answer(&state, &ctx, client, ident).await
}

/// The same without an address: iPXE has replaced `${net0/mac}` by nothing.
pub(super) async fn get_without_mac(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    client: IsFirmware,
) -> Response {
    answer(&state, &ctx, client, BootIdent::from_address("address", "")).await
}

/// The same with `${net0/mac}` as it stands, whose slash makes two segments of it.
pub(super) async fn get_setting(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path((net, mac)): Path<(String, String)>,
    client: IsFirmware,
) -> Response {
    let text = format!("{net}/{mac}");
    if !BootIdent::is_unset(&text) {
        return ApiError::NoRoute.into_response();
    }
    let ident = BootIdent::from_address("address", &text);
    answer(&state, &ctx, client, ident).await
}

/// The file name today's Ironic links a node's script under: the address with hyphens, with or
/// without the hardware type `01-` in front. Any other file of that folder does not exist here.
pub(super) async fn get_pxelinux(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path(file): Path<String>,
    client: IsFirmware,
) -> Response {
    let Some(mac) = BootIdent::address_in_file_name(&file) else {
        let address = file.strip_prefix("01-").unwrap_or(&file);
        if BootIdent::is_unset(address) {
            let ident = BootIdent::from_address("address", address);
            return answer(&state, &ctx, client, ident).await;
        }
        // PXELINUX tries "default" and IP addresses in turn, and takes 404 for an answer.
        return ApiError::NoRoute.into_response();
    };
    answer(&state, &ctx, client, Ok(BootIdent::Address(mac))).await
}

async fn answer(
    state: &AppState,
    ctx: &Context,
    client: IsFirmware,
    ident: Result<BootIdent, Fault>,
) -> Response {
    let result = match ident {
        Ok(ident) => ask(state, ctx, ident).await,
        Err(fault) => Err(fault),
    };
    script_answer(client, &state.scripts, ctx, result)
}

/// The script of a machine.
pub(super) async fn ask(
    state: &AppState,
    ctx: &Context,
    ident: BootIdent,
) -> Result<String, Fault> {
    let answering = state.conductor.boot_script(ctx, ident);
    state.settings.boot_places.within(answering).await
}
