//! `/v1/nodes/<node>/vifs`: the network ports attached to the node's ports (`baremetal node vif
//! list | attach | detach`).

use axum::extract::{Path, State};
use axum::routing::{self, get};
use axum::{Json, Router};
use http::StatusCode;
use ironpxe_core::field::repr::repr;
use ironpxe_core::field::value::schema_error;
use ironpxe_core::id::PortUuid;
use ironpxe_core::policy::Rule;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::body::JsonBody;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::find;
use crate::rpc::VifInfo;

/// The longest VIF ID.
const LONGEST: usize = 255;
/// The minor version since which a client can select the port.
const CHOOSES_PORT: u16 = 67;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/nodes/{node}/vifs", get(list).post(attach))
        .route("/v1/nodes/{node}/vifs/{vif}", routing::delete(detach))
}

async fn list(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<Json<Value>> {
    let node = find(&state, &call, &ident, Rule::NodeVifList).await?;
    let ports = state.store.ports_of(&node).await?;
    let vifs: Vec<Value> = ports
        .iter()
        .filter_map(|port| port.internal_info.get("tenant_vif_port_id"))
        .map(|id| json!({ "id": id }))
        .collect();
    Ok(Json(json!({ "vifs": vifs })))
}

async fn attach(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<StatusCode> {
    let vif = read(&call, body.as_ref())?;
    let node = find(&state, &call, &ident, Rule::NodeVifAttach).await?;
    let conductor = &state.conductor;
    conductor.vif_attach(&call.ctx, node.uuid, vif).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /v1/nodes/<node>/vifs/<vif>`
async fn detach(
    State(state): State<AppState>,
    call: Call,
    Path((ident, vif)): Path<(String, String)>,
) -> Result<StatusCode> {
    let node = find(&state, &call, &ident, Rule::NodeVifDetach).await?;
    let conductor = &state.conductor;
    conductor.vif_detach(&call.ctx, node.uuid, &vif).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Parses the VIF. Unknown fields are ignored, because Ironic passes them to network drivers.
fn read(call: &Call, body: Option<&Value>) -> Result<VifInfo> {
    let invalid = |problem: &str| ApiError::from(schema_error("vif", problem));
    let nothing = json!({});
    let body = body.unwrap_or(&nothing);
    let Value::Object(fields) = body else {
        return Err(invalid(&format!("{} is not of type 'object'", repr(body))));
    };
    let id = match fields.get("id") {
        None => return Err(invalid("'id' is a required property")),
        Some(Value::String(id)) => id,
        Some(other) => {
            return Err(invalid(&format!("{} is not of type 'string'", repr(other))));
        }
    };
    let is_name = |it: char| it.is_ascii_alphanumeric() || "-._~".contains(it);
    if id.is_empty() || id.len() > LONGEST || !id.chars().all(is_name) {
        return Err(ApiError::invalid(format!(
            "Expected UUID or name for id: {id}"
        )));
    }
    let has = |name: &str| fields.get(name).is_some_and(|it| !it.is_null());
    if !call.has(CHOOSES_PORT) {
        return Ok(VifInfo {
            id: id.clone(),
            port_uuid: None,
        });
    }
    if has("port_uuid") && has("portgroup_uuid") {
        return Err(ApiError::invalid(
            "Cannot specify both port_uuid and portgroup_uuid",
        ));
    }
    if has("portgroup_uuid") {
        return Err(ApiError::invalid(
            "Port groups are not supported: pass port_uuid, or neither",
        ));
    }
    let port_uuid = match fields.get("port_uuid").filter(|it| !it.is_null()) {
        None => None,
        Some(given) => {
            let uuid = given.as_str().and_then(|it| it.parse::<PortUuid>().ok());
            Some(uuid.ok_or_else(|| {
                ApiError::invalid(format!("Expected UUID for port_uuid: {}", repr(given)))
            })?)
        }
    };
    Ok(VifInfo {
        id: id.clone(),
        port_uuid,
    })
}
