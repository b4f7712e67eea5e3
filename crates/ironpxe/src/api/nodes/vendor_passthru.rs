//! `/v1/nodes/<node>/vendor_passthru`: methods of the node's driver beyond Ironic's API.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use http::Method;
use ironpxe_core::JsonMap;
use ironpxe_core::policy::Rule;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::passthru::{self, CallArgs};
use crate::api::resolve::{check_ident, find, lookup};

/// `GET /v1/nodes/<node>/vendor_passthru/methods`
pub(super) async fn methods(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    check_ident(&ident)?;
    args.only(&[])?;
    let node = find(&state, &call, &ident, Rule::NodeVendorPassthru).await?;
    let methods = state
        .conductor
        .node_vendor_passthru_methods(&call.ctx, node.uuid)
        .await?;
    Ok(passthru::methods(&methods))
}

/// `GET /v1/nodes/vendor_passthru/methods?node_ident=<node>`
pub(super) async fn methods_by_query(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&["node_ident"])?;
    args.required_text("node_ident")?;
    let ident = args.ident("node_ident")?.unwrap_or_default();
    let node = lookup(&state, &call, &ident, Rule::NodeVendorPassthru).await?;
    let methods = state
        .conductor
        .node_vendor_passthru_methods(&call.ctx, node.uuid)
        .await?;
    Ok(passthru::methods(&methods))
}

/// `…/vendor_passthru?method=<method>`
pub(super) async fn by_query(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    http_method: Method,
    args: CallArgs,
) -> Result<Response> {
    let (method, args) = args.method_in_query()?;
    run(&state, &call, &ident, &method, &http_method, args).await
}

/// `…/vendor_passthru/<method>`
pub(super) async fn by_path(
    State(state): State<AppState>,
    call: Call,
    Path((ident, method)): Path<(String, String)>,
    http_method: Method,
    args: CallArgs,
) -> Result<Response> {
    let args = args.of(&method)?;
    run(&state, &call, &ident, &method, &http_method, args).await
}

async fn run(
    state: &AppState,
    call: &Call,
    ident: &str,
    method: &str,
    http_method: &Method,
    args: JsonMap,
) -> Result<Response> {
    check_ident(ident)?;
    let http_method = passthru::http_method(http_method).ok_or(ApiError::MethodNotAllowed)?;
    let node = find(state, call, ident, Rule::NodeVendorPassthru).await?;
    let conductor = &state.conductor;
    let reply = conductor
        .node_vendor_passthru(&call.ctx, node.uuid, method, http_method, args)
        .await?;
    Ok(passthru::answer(reply))
}
