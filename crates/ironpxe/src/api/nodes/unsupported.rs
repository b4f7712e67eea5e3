//! Operations that Ironic's hardware types may support but none of this service. Better than 404:
//! the node exists, but its driver does not support the operation.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use ironpxe_core::error::Fault;
use ironpxe_core::policy::Rule;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::{check_ident, find};

/// `GET /v1/nodes/<node>/states/console`
pub(super) async fn console(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<Json<Value>> {
    find(&state, &call, &ident, Rule::NodeGetConsole).await?;
    Ok(Json(
        json!({ "console_enabled": false, "console_info": null }),
    ))
}

pub(super) async fn set_console(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    refuse(state, call, ident, "console", Rule::NodeSetConsoleState).await
}

/// `PUT /v1/nodes/<node>/states/raid`
pub(super) async fn set_raid(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    call.not_acceptable_before(12)?;
    refuse(state, call, ident, "raid", Rule::NodeSetRaidState).await
}

/// `PUT /v1/nodes/<node>/states/boot_mode` and `…/states/secure_boot`
pub(super) async fn set_boot_mode(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    firmware_mode(state, call, ident, Rule::NodeSetBootMode).await
}

pub(super) async fn set_secure_boot(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    firmware_mode(state, call, ident, Rule::NodeSetSecureBoot).await
}

async fn firmware_mode(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
    rule: Rule,
) -> Result<()> {
    if !call.has(76) {
        return Err(ApiError::Missing(
            "This endpoint is supported starting with the API version 1.76".to_owned(),
        ));
    }
    refuse(state, call, ident, "set_boot_mode", rule).await
}

/// `PUT /v1/nodes/<node>/management/inject_nmi`
pub(super) async fn inject_nmi(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    if !call.has(29) {
        return Err(Fault::NotFound.into());
    }
    refuse(state, call, ident, "inject_nmi", Rule::NodeInjectNmi).await
}

pub(super) fn vmedia_routes() -> Router<AppState> {
    let attach = |state, call, ident| {
        refuse(
            state,
            call,
            ident,
            "attach_virtual_media",
            Rule::NodeVmediaAttach,
        )
    };
    let detach = |state, call, ident| {
        refuse(
            state,
            call,
            ident,
            "detach_virtual_media",
            Rule::NodeVmediaDetach,
        )
    };
    let methods = get(vmedia).post(attach).delete(detach);
    Router::new().route("/v1/nodes/{node}/vmedia", methods)
}

/// `GET /v1/nodes/<node>/vmedia`
async fn vmedia(state: State<AppState>, call: Call, ident: Path<String>) -> Result<()> {
    check_ident(&ident)?;
    if !call.has(93) {
        return Err(ApiError::NoRoute);
    }
    refuse(state, call, ident, "get_virtual_media", Rule::NodeVmediaGet).await
}

async fn refuse(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    extension: &'static str,
    rule: Rule,
) -> Result<()> {
    let node = find(&state, &call, &ident, rule).await?;
    let extension = extension.to_owned();
    Err(Fault::UnsupportedDriverExtension {
        driver: node.driver,
        extension,
    }
    .into())
}
