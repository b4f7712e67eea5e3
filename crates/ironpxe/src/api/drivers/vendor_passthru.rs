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
use ironpxe_core::JsonMap;
use ironpxe_core::error::Fault;
use ironpxe_core::passthru::{HttpMethod, PassthruReply};
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
    let args = match args {
        Ok(BodyArgs(args)) => Ok(args.0),
        Err(ApiError::Fault(fault)) => Err(fault),
        Err(other) => return Err(other),
    };
    let called = Called {
        driver: &driver,
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
