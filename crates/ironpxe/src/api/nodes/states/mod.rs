//! `GET /v1/nodes/<node>/states`: the current and target states of a node.

use axum::Json;
use axum::extract::{Path, State};
use ironpxe_core::field;
use ironpxe_core::node::fields::NODE_FIELDS;
use ironpxe_core::policy::Rule;
use serde_json::{Map, Value};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::nodes::view;
use crate::api::resolve::{check_ident, find};

pub(super) mod power;
pub(super) mod provision;

/// The fields of the response.
const FIELDS: [&str; 11] = [
    "console_enabled",
    "last_error",
    "power_state",
    "provision_state",
    "target_power_state",
    "target_provision_state",
    "provision_updated_at",
    "raid_config",
    "target_raid_config",
    "boot_mode",
    "secure_boot",
];

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    check_ident(&ident)?;
    args.only(&[])?;
    let node = find(&state, &call, &ident, Rule::NodeGetStates).await?;
    let body = FIELDS
        .into_iter()
        .filter(|name| call.has(field::since(NODE_FIELDS, name)))
        .filter_map(|name| field::find(NODE_FIELDS, name))
        .map(|field| (field.name.to_owned(), view::state(&call, &node, field)))
        .collect::<Map<_, _>>();
    Ok(Json(Value::Object(body)))
}
