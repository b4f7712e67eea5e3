//! `GET /boot.ipxe` and `GET /autoexec.ipxe`: one script for every machine, which asks for each
//! of its NICs in turn.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use ironpxe_core::error::Fault;

use super::answer::{IsFirmware, script_answer};
use crate::api::AppState;
use crate::rpc::Context;

pub(super) async fn get(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    client: IsFirmware,
) -> Response {
    let script = state
        .scripts
        .nic_loop()
        .map_err(|error| Fault::Internal(error.to_string()));
    script_answer(client, &state.scripts, &ctx, script)
}
