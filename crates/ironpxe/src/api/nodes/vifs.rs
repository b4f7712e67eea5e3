//! `GET /v1/nodes/<node>/vifs`: which network ports of a cloud the node's ports are tied to.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::error::{ApiError, Result};
use crate::api::nodes::find;
use crate::api::request::Call;
use crate::db::{Page, PortFilter};

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<Json<Value>> {
    super::ident(&ident)?;
    if !call.has(28) {
        return Err(ApiError::NoRoute);
    }
    let node = find(&state, &call, &ident).await?;
    let filter = PortFilter {
        node_uuid: Some(node.uuid),
        ..PortFilter::default()
    };
    let ports = state.db.port_list(&filter, &Page::default()).await?;
    let vifs: Vec<Value> = ports
        .iter()
        .filter_map(|port| port.internal_info.get("tenant_vif_port_id"))
        .map(|id| json!({ "id": id }))
        .collect();
    Ok(Json(json!({ "vifs": vifs })))
}
