//! `/v1/volume`: remote volumes of nodes, and their identities for storage.

use axum::routing::get;
use axum::{Json, Router};
use ironpxe_core::error::Fault;
use ironpxe_core::id::NodeUuid;
use json_patch::Patch;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::error::{ApiError, Result};
use crate::api::patch;
use crate::api::request::Call;

pub(super) mod connectors;
mod listing;
pub(super) mod targets;

/// The minor version that introduced volumes.
pub(super) const SINCE: u16 = 32;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/volume", get(links))
        .merge(connectors::routes())
        .merge(targets::routes())
}

/// `GET /v1/volume`: links to both collections.
async fn links(call: Call) -> Result<Json<Value>> {
    call.not_found_before(SINCE)?;
    Ok(Json(links_below(&call, "volume/")))
}

/// The links to both collections below `path`, and to `path` itself.
pub(super) fn links_below(call: &Call, path: &str) -> Value {
    json!({
        "connectors": call.links.pair(&format!("{path}connectors")),
        "targets": call.links.pair(&format!("{path}targets")),
        "links": call.links.pair(path),
    })
}

/// Rejects a missing node. Not as 404, because the URL does not name it.
async fn check_node(state: &AppState, node: NodeUuid) -> Result<()> {
    match state.db.node_get(node).await? {
        Some(_) => Ok(()),
        None => Err(no_node(node)),
    }
}

fn no_node(node: NodeUuid) -> ApiError {
    let missing = Fault::NodeNotFound(node.to_string());
    ApiError::invalid(format!(
        "Invalid input for field/attribute node_uuid. Value: '{node}'. {missing}"
    ))
}

/// The error of a failed creation: the node may have been deleted concurrently.
fn not_created(fault: Fault, node: NodeUuid) -> ApiError {
    match fault {
        Fault::NodeNotFound(_) => no_node(node),
        other => other.into(),
    }
}

/// Rejects a patch that assigns the volume to a missing node.
async fn check_new_node(state: &AppState, patch: &Patch) -> Result<()> {
    let nodes: Vec<&Value> = patch::values(patch, "/node_uuid").collect();
    for node in nodes {
        // Other types are rejected with the rest of the patch.
        let Some(text) = node.as_str() else { continue };
        let uuid = text.parse::<NodeUuid>().map_err(|_| {
            ApiError::invalid(format!(
                "Expected a UUID for node_uuid, but received {text}."
            ))
        })?;
        if state.db.node_get(uuid).await?.is_none() {
            return Err(ApiError::invalid(format!(
                "Unable to apply the requested node_uuid '{text}'. Requested value was invalid."
            )));
        }
    }
    Ok(())
}
