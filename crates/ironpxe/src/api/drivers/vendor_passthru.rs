//! `/v1/drivers/<driver>/vendor_passthru`: methods of a hardware type beyond Ironic's API. The boot
//! script of the seed specification is one of them.
//!
//! The path or `?method=` names the method, for every HTTP method. Arguments come from the body,
//! and from the query if the method declares them: Ironic only reads the body, which firmware
//! cannot send.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::Method;
use ironpxe_core::JsonMap;
use ironpxe_core::passthru::HttpMethod;
use ironpxe_core::policy::{Rule, Target};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::passthru::{self, CallArgs};
use crate::boot::{BootRequest, Client};
use crate::rpc::Context;

/// `GET …/vendor_passthru/methods`
pub(super) async fn methods(
    State(state): State<AppState>,
    call: Call,
    Path(driver): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&[])?;
    call.authorize(Rule::DriverVendorPassthru, &Target::NONE)?;
    let methods = state
        .conductor
        .driver_vendor_passthru_methods(&call.ctx, &driver)
        .await?;
    Ok(passthru::methods(&methods))
}

/// `GET /v1/drivers/vendor_passthru/methods?driver_name=<driver>`
pub(super) async fn methods_by_query(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&["driver_name"])?;
    let driver = args.required_text("driver_name")?;
    call.authorize(Rule::DriverVendorPassthru, &Target::NONE)?;
    let methods = state
        .conductor
        .driver_vendor_passthru_methods(&call.ctx, &driver)
        .await?;
    Ok(passthru::methods(&methods))
}

/// `…/vendor_passthru?method=<method>`: the form in Ironic's API reference and SDK.
pub(super) async fn by_query(
    state: State<AppState>,
    ctx: Extension<Context>,
    call: Result<Call>,
    Path(driver): Path<String>,
    http_method: Method,
    client: Client,
    args: Result<CallArgs>,
) -> Result<Response> {
    let named = args.and_then(CallArgs::method_in_query);
    run(state, ctx, call, &driver, &http_method, client, named).await
}

/// `…/vendor_passthru/<method>`
pub(super) async fn by_path(
    state: State<AppState>,
    ctx: Extension<Context>,
    call: Result<Call>,
    Path((driver, method)): Path<(String, String)>,
    http_method: Method,
    client: Client,
    args: Result<CallArgs>,
) -> Result<Response> {
    let named = args.and_then(|args| Ok((method.clone(), args.of(&method)?)));
    run(state, ctx, call, &driver, &http_method, client, named).await
}

async fn run(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    call: Result<Call>,
    driver: &str,
    http_method: &Method,
    client: Client,
    named: Result<(String, JsonMap)>,
) -> Result<Response> {
    let http_method = passthru::http_method(http_method).ok_or(ApiError::MethodNotAllowed)?;
    let called = match named {
        Ok((method, args)) if is_boot_request(&method, http_method) => {
            let request = BootRequest::by_arguments(driver, Ok(args));
            let answering = state.common.boot.answer(&ctx.request_id, client, request);
            return Ok(answering.await.into_response());
        }
        Ok((method, args)) => {
            // Only boot scripts are public.
            let call = call?;
            call.authorize(Rule::DriverVendorPassthru, &Target::NONE)?;
            let conductor = &state.conductor;
            conductor
                .driver_vendor_passthru(&call.ctx, driver, &method, http_method, args)
                .await
        }
        Err(ApiError::Fault(fault)) => Err(fault),
        Err(other) => return Err(other),
    };
    match called {
        Ok(reply) => Ok(passthru::answer(reply)),
        // Machines fetch their scripts here, and firmware cannot read error documents.
        Err(fault) => Ok(state
            .common
            .boot
            .refuse(&ctx.request_id, client.kind, fault)
            .into_response()),
    }
}

/// Whether a call requests a boot script, which needs no conductor.
fn is_boot_request(method: &str, http_method: HttpMethod) -> bool {
    method == "ipxe_config" && matches!(http_method, HttpMethod::Get | HttpMethod::Head)
}
