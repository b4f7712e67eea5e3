//! Subresources that Ironic's nodes can have but that are always empty here.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::error::{ApiError, Result};
use crate::api::request::Call;
use crate::api::resolve::{check_ident, find};

/// The part of the URL, the name of the list, and the minor version that introduced it.
const LISTS: [(&str, &str, u16); 3] = [
    ("portgroups", "portgroups", 24),
    ("bios", "bios", 40),
    ("firmware", "firmware", 86),
];

pub(super) fn routes() -> Router<AppState> {
    let mut router = Router::new();
    for (path, name, since) in LISTS {
        let handler = move |state, call, ident| list(state, call, ident, name, since);
        router = router.route(&format!("/v1/nodes/{{node}}/{path}"), get(handler));
    }
    router
        .route("/v1/nodes/{node}/inventory", get(inventory))
        .route("/v1/nodes/{node}/allocation", get(allocation))
        .route("/v1/nodes/{node}/children", get(super::list::children))
}

async fn list(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    name: &'static str,
    since: u16,
) -> Result<Json<Value>> {
    check_ident(&ident)?;
    if !call.has(since) {
        return Err(ApiError::NoRoute);
    }
    find(&state, &call, &ident).await?;
    Ok(Json(json!({ name: [] })))
}

async fn inventory(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<()> {
    let uuid = find(&state, &call, &ident).await?.uuid;
    Err(ApiError::Missing(format!(
        "Node inventory record for node {uuid} could not be found."
    )))
}

async fn allocation(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<()> {
    let uuid = find(&state, &call, &ident).await?.uuid;
    Err(ApiError::Missing(format!(
        "Allocation for node {uuid} could not be found."
    )))
}
