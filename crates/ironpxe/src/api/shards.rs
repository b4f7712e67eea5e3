//! `GET /v1/shards`: the shards with their number of nodes.

use ironpxe_core::policy::{Rule, Target};
use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use ironpxe_core::error::Fault;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::Result;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/v1/shards", get(list))
}

async fn list(State(state): State<AppState>, call: Call, args: Args) -> Result<Json<Value>> {
    if !call.has(82) {
        return Err(Fault::NotInThisVersion.into());
    }
    args.only(&[])?;
    call.authorize(Rule::ShardsGet, &Target::NONE)?;
    let mut counts: BTreeMap<Option<String>, u64> = BTreeMap::new();
    for shard in state.store.shards().await? {
        *counts.entry(shard).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shards: Vec<Value> = counts
        .into_iter()
        // Nodes without a shard are counted under this name, as in Ironic.
        .map(|(shard, count)| json!({ "name": shard.as_deref().unwrap_or("None"), "count": count }))
        .collect();
    Ok(Json(json!({ "shards": shards })))
}
