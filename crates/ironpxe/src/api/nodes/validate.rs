//! `GET /v1/nodes/<node>/validate`: what each driver interface of the node still lacks.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use serde_json::{Map, Value, json};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::{ApiError, Result};
use crate::api::nodes::{find, lookup};
use crate::api::request::Call;

/// The interfaces in Ironic's order; the vendor interface is not validated.
const ORDER: [InterfaceKind; 12] = [
    InterfaceKind::Boot,
    InterfaceKind::Deploy,
    InterfaceKind::Management,
    InterfaceKind::Network,
    InterfaceKind::Power,
    InterfaceKind::Bios,
    InterfaceKind::Console,
    InterfaceKind::Firmware,
    InterfaceKind::Inspect,
    InterfaceKind::Raid,
    InterfaceKind::Rescue,
    InterfaceKind::Storage,
];

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    super::ident(&ident)?;
    args.only(&[])?;
    let node = find(&state, &call, &ident).await?;
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
    let node = lookup(&state, &call, &ident).await?;
    validate(&state, &call, &node).await
}

async fn validate(state: &AppState, call: &Call, node: &Node) -> Result<Json<Value>> {
    let validations = state.conductor.node_validate(&call.ctx, node.uuid).await?;
    let mut body = Map::new();
    for kind in ORDER {
        let Some(validation) = validations
            .iter()
            .find(|validation| validation.kind == kind)
        else {
            continue;
        };
        let shown = match &validation.problem {
            None => json!({ "result": true }),
            Some(problem) => json!({ "result": false, "reason": problem }),
        };
        body.insert(kind.name().to_owned(), shown);
    }
    Ok(Json(Value::Object(body)))
}
