//! Subresources that Ironic's nodes can have but that are always empty here.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use ironpxe_core::policy::Rule;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::nodes::since;
use crate::api::resolve::find;

/// The part of the URL, the name of the list, the minor version that introduced it, and its rule.
const LISTS: [(&str, &str, u16, Rule); 4] = [
    ("portgroups", "portgroups", 24, Rule::NodeGet),
    ("portgroups/detail", "portgroups", 24, Rule::NodeGet),
    ("bios", "bios", 40, Rule::NodeBiosGet),
    ("firmware", "firmware", 86, Rule::NodeFirmwareGet),
];

pub(super) fn routes() -> Router<AppState> {
    let part = |path: &str, minor, handler| {
        let path = format!("/v1/nodes/{{node}}/{path}");
        since(minor, Router::new().route(&path, handler))
    };
    let mut router = Router::new()
        .merge(part("allocation", 52, get(allocation)))
        .merge(part("inventory", 81, get(inventory)))
        .merge(part("children", 83, get(super::list::children)));
    for (path, name, minor, rule) in LISTS {
        let handler = move |state, call, ident| list(state, call, ident, name, rule);
        router = router.merge(part(path, minor, get(handler)));
    }
    router
}

async fn list(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    name: &'static str,
    rule: Rule,
) -> Result<Json<Value>> {
    find(&state, &call, &ident, rule).await?;
    Ok(Json(json!({ name: [] })))
}

async fn inventory(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<()> {
    let uuid = find(&state, &call, &ident, Rule::NodeInventoryGet)
        .await?
        .uuid;
    Err(ApiError::Missing(format!(
        "Node inventory record for node {uuid} could not be found."
    )))
}

async fn allocation(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<()> {
    let uuid = find(&state, &call, &ident, Rule::NodeGet).await?.uuid;
    Err(ApiError::Missing(format!(
        "Allocation for node {uuid} could not be found."
    )))
}
