//! `GET /v1/nodes/<node>/states`: where a node stands, and where it is heading.

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Map, Value};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::Result;
use crate::api::nodes::{find, view};
use crate::api::request::Call;

pub(super) mod power;
pub(super) mod provision;

/// The fields, with the minor version that brought each into this answer.
const FIELDS: [(&str, u16); 11] = [
    ("console_enabled", 1),
    ("last_error", 1),
    ("power_state", 1),
    ("provision_state", 1),
    ("target_power_state", 1),
    ("target_provision_state", 1),
    ("provision_updated_at", 1),
    ("raid_config", 12),
    ("target_raid_config", 12),
    ("boot_mode", 75),
    ("secure_boot", 75),
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
    let body = FIELDS
        .into_iter()
        .filter(|(_, since)| call.has(*since))
        .map(|(name, _)| (name.to_owned(), view::value(&call, &node, name)))
        .collect::<Map<_, _>>();
    Ok(Json(Value::Object(body)))
}
