//! What Ironic's hardware types may do to a node and none of ours does. Saying so beats a 404: the
//! node is there, and its driver cannot.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::error::Fault;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::error::Result;
use crate::api::nodes::find;
use crate::api::request::Call;

/// `GET /v1/nodes/<node>/states/console`
pub(super) async fn console(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<Json<Value>> {
    find(&state, &call, &ident).await?;
    Ok(Json(
        json!({ "console_enabled": false, "console_info": null }),
    ))
}

pub(super) async fn set_console(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    refuse(state, call, ident, "console").await
}

pub(super) async fn set_raid(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    refuse(state, call, ident, "raid").await
}

pub(super) async fn set_boot_mode(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    refuse(state, call, ident, "set_boot_mode").await
}

pub(super) async fn inject_nmi(
    state: State<AppState>,
    call: Call,
    ident: Path<String>,
) -> Result<()> {
    refuse(state, call, ident, "inject_nmi").await
}

pub(super) async fn vmedia(state: State<AppState>, call: Call, ident: Path<String>) -> Result<()> {
    refuse(state, call, ident, "attach_virtual_media").await
}

async fn refuse(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    extension: &str,
) -> Result<()> {
    let node = find(&state, &call, &ident).await?;
    let extension = extension.to_owned();
    Err(Fault::UnsupportedDriverExtension {
        driver: node.driver,
        extension,
    }
    .into())
}
