//! `/v1/drivers/<driver>/vendor_passthru`: what a hardware type offers beyond Ironic's API. The
//! boot script of the seed specification is one of its methods.
//!
//! A method is named by the path or by `?method=`, for every HTTP method. Arguments come from the
//! body, and from the query where the method has declared them there: today's Ironic takes the body
//! only, which firmware cannot send.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use http::Method;
use ironpxe_core::JsonMap;
use ironpxe_core::error::Fault;
use ironpxe_core::passthru::{HttpMethod, PassthruReply};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::{ApiError, Result};
use crate::api::firmware;
use crate::api::firmware::IsFirmware;
use crate::api::passthru::{self, CallArgs};
use crate::api::request::Call;
use crate::rpc::Context;

/// `GET …/vendor_passthru/methods`
pub(super) async fn methods(
    State(state): State<AppState>,
    call: Call,
    Path(driver): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&[])?;
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
    let methods = state
        .conductor
        .driver_vendor_passthru_methods(&call.ctx, &driver)
        .await?;
    Ok(passthru::methods(&methods))
}

/// `…/vendor_passthru?method=<method>`: the form in Ironic's API reference, and that of its SDK.
pub(super) async fn by_query(
    state: State<AppState>,
    ctx: Extension<Context>,
    Path(driver): Path<String>,
    http_method: Method,
    client: IsFirmware,
    args: Result<CallArgs>,
) -> Result<Response> {
    let named = args.and_then(CallArgs::method_in_query);
    run(state, ctx, &driver, &http_method, client, named).await
}

/// `…/vendor_passthru/<method>`
pub(super) async fn by_path(
    state: State<AppState>,
    ctx: Extension<Context>,
    Path((driver, method)): Path<(String, String)>,
    http_method: Method,
    client: IsFirmware,
    args: Result<CallArgs>,
) -> Result<Response> {
    let named = args.and_then(|args| Ok((method.clone(), args.of(&method)?)));
    run(state, ctx, &driver, &http_method, client, named).await
}

async fn run(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    driver: &str,
    http_method: &Method,
    client: IsFirmware,
    named: Result<(String, JsonMap)>,
) -> Result<Response> {
    let http_method = passthru::http_method(http_method).ok_or(ApiError::NoMethod)?;
    let (method, args) = match named {
        Ok((method, args)) => (method, Ok(args)),
        Err(ApiError::Fault(fault)) => (String::new(), Err(fault)),
        Err(other) => return Err(other),
    };
    let called = Called {
        driver,
        method: &method,
        http_method,
        args,
    };
    let result = called.ask(&state, &ctx).await;
    Called::answer(&state, &ctx, client, result)
}

/// A call of a method.
pub(crate) struct Called<'c> {
    pub(crate) driver: &'c str,
    pub(crate) method: &'c str,
    pub(crate) http_method: HttpMethod,
    /// The arguments, or what is wrong with them.
    pub(crate) args: Result<JsonMap, Fault>,
}

impl Called<'_> {
    /// What the conductor gives.
    pub(crate) async fn ask(self, state: &AppState, ctx: &Context) -> Result<PassthruReply, Fault> {
        let (driver, method) = (self.driver, self.method);
        let conductor = &state.conductor;
        let answering =
            conductor.driver_vendor_passthru(ctx, driver, method, self.http_method, self.args?);
        state.settings.boot_places.within(answering).await
    }

    /// What the client is answered.
    pub(crate) fn answer(
        state: &AppState,
        ctx: &Context,
        client: IsFirmware,
        result: Result<PassthruReply, Fault>,
    ) -> Result<Response> {
        // Machines fetch their scripts here, and firmware cannot read error documents.
        match firmware::passthru_answer(client, &state.scripts, ctx, result) {
            Ok(answer) => Ok(answer),
            Err(ordinary) => Ok(passthru::answer(ordinary?)),
        }
    }
}
