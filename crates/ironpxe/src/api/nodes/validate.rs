//! `GET /v1/nodes/<node>/validate`: validates each driver interface of the node.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::node::Node;
use ironpxe_core::policy::Rule;
use serde_json::{Map, Value, json};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::{check_ident, find, lookup};

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    check_ident(&ident)?;
    args.only(&[])?;
    let node = find(&state, &call, &ident, Rule::NodeValidate).await?;
    validate(&state, &call, &node).await
}

/// `GET /v1/nodes/validate?node=<node>`
pub(super) async fn by_query(
    State(state): State<AppState>,
    call: Call,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&["node", "node_uuid"])?;
    let uuid = args.uuid("node_uuid")?.map(|uuid| uuid.to_string());
    let Some(ident) = uuid.or(args.ident("node")?) else {
        return Err(ApiError::invalid("Missing mandatory parameter: node"));
    };
    let node = lookup(&state, &call, &ident, Rule::NodeValidate).await?;
    validate(&state, &call, &node).await
}

async fn validate(state: &AppState, call: &Call, node: &Node) -> Result<Json<Value>> {
    let validations = state.conductor.node_validate(&call.ctx, node.uuid).await?;
    let mut body = Map::new();
    for validation in validations {
        let shown = match &validation.problem {
            None => json!({ "result": true }),
            Some(problem) => json!({ "result": false, "reason": problem }),
        };
        body.insert(validation.kind.name().to_owned(), shown);
    }
    Ok(Json(Value::Object(body)))
}
