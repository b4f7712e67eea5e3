//! `/v1/drivers/<driver>/vendor_passthru`: what a hardware type offers beyond Ironic's API. The
//! boot script of the seed specification is one of its methods.
//!
//! Arguments come from the query and from the body, for every HTTP method. Today's Ironic takes
//! the body only, which firmware cannot send.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use axum::{Extension, Json};
use http::Method;
use ironpxe_core::error::Fault;
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::{Args, BodyArgs};
use crate::api::error::{ApiError, Result};
use crate::api::firmware::IsFirmware;
use crate::api::request::Call;
use crate::api::{firmware, passthru};
use crate::rpc::Context;

/// A passthru method may be declared for any HTTP method, `HEAD` too.
pub(super) fn route() -> MethodRouter<AppState> {
    get(run).head(run).post(run).put(run).patch(run).delete(run)
}

/// `…/vendor_passthru` without a method.
pub(super) fn no_method() -> MethodRouter<AppState> {
    get(missing)
        .head(missing)
        .post(missing)
        .put(missing)
        .patch(missing)
        .delete(missing)
}

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

async fn missing() -> ApiError {
    Fault::MissingParameterValue("Missing mandatory parameter: method".to_owned()).into()
}

async fn run(
    State(state): State<AppState>,
    Extension(ctx): Extension<Context>,
    Path((driver, method)): Path<(String, String)>,
    http_method: Method,
    client: IsFirmware,
    args: Result<BodyArgs>,
) -> Result<Response> {
    let http_method = passthru::http_method(&http_method).ok_or(ApiError::NoMethod)?;
    let result = match args {
        Ok(BodyArgs(args)) => {
            let conductor = &state.conductor;
            let answering =
                conductor.driver_vendor_passthru(&ctx, &driver, &method, http_method, args.0);
            state.settings.boot_places.within(answering).await
        }
        Err(ApiError::Fault(fault)) => Err(fault),
        Err(other) => return Err(other),
    };
    // Machines fetch their scripts here, and firmware cannot read error documents.
    match firmware::passthru_answer(client, &state.scripts, &ctx, result) {
        Ok(answer) => Ok(answer),
        Err(ordinary) => Ok(passthru::answer(ordinary?)),
    }
}
