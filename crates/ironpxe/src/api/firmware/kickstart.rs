//! `GET /v1/boot/<node>/ks.cfg`: the kickstart of an installer.
//!
//! Beside the boot scripts, because the same machines fetch it over the same network without an API
//! version. It is only served while the node is being installed. Firmware does not get it: it is
//! not a script, only an argument of the installer's kernel.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};

use crate::api::CommonState;
use crate::boot::{BootResponse, Client, token_in};
use crate::rpc::Context;

pub(super) async fn get(
    State(state): State<CommonState>,
    Extension(ctx): Extension<Context>,
    Path(node): Path<String>,
    RawQuery(query): RawQuery,
    client: Client,
) -> BootResponse {
    let token = token_in(query.as_deref());
    let serving = state
        .boot
        .kickstart(&ctx.request_id, client.address, &node, token);
    serving.await
}
