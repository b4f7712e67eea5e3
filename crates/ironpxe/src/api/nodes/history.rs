//! `GET /v1/nodes/<node>/history`, and one entry of it.
//!
//! Source: Ironic's `api/controllers/v1/node.py` (`NodeHistoryController`). Unlike there, an entry
//! is only found below its own node, and links to the next page keep `detail` and omit `fields`,
//! which this list does not accept.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use ironpxe_core::error::Fault;
use ironpxe_core::field::value::is_logical_name;
use ironpxe_core::id::NodeHistoryUuid;
use ironpxe_core::node_history::NodeHistory;
use ironpxe_core::policy::Rule;
use ironpxe_core::timestamp;
use serde_json::{Map, Value, json};

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::paging::{self, Paging};
use crate::api::resolve::find;

/// The minor version that introduced the history.
pub(super) const SINCE: u16 = 78;

/// Each field with the minor version that introduced it.
const FIELDS: [(&str, u16); 11] = [
    ("uuid", SINCE),
    ("created_at", SINCE),
    ("severity", SINCE),
    ("event_type", SINCE),
    ("event", SINCE),
    ("conductor", SINCE),
    ("user", SINCE),
    ("project", 113),
    ("state", 115),
    ("target_provision_state", 115),
    ("duration_seconds", 115),
];

/// The fields of a list without `detail`.
const SUMMARY: [&str; 4] = ["uuid", "created_at", "severity", "event"];

/// The longest event in a list without `detail`, and the length that longer ones are truncated to,
/// in characters.
const SHORT_EVENT: (usize, usize) = (255, 251);

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/nodes/{node}/history", get(list))
        .route("/v1/nodes/{node}/history/{entry}", get(show))
}

async fn list(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    args: Args,
) -> Result<Json<Value>> {
    let known: Vec<&str> = ["detail"]
        .iter()
        .chain(&paging::ARGUMENTS)
        .copied()
        .collect();
    args.only(&known)?;
    let detail = args.flag("detail")? == Some(true);
    let sortable = FIELDS.map(|(name, _)| name);
    let mut paging = Paging::read(&args, &state.common.settings, &sortable)?;
    if args.text("sort_key")?.is_none() {
        paging.sort_key = Some("created_at");
    }
    let marker = args.uuid("marker")?.map(NodeHistoryUuid);
    let node = find(&state, &call, &ident, Rule::NodeHistoryGet).await?;
    if let Some(marker) = marker {
        let there = state.store.history_entry(&node, marker).await?;
        there.ok_or_else(|| missing(&marker.to_string()))?;
    }
    let entries = state.store.history(&node, &paging.page(marker)).await?;
    let shown = entries.iter().map(|one| view(&call, one, detail)).collect();
    let last = entries.last().map(|entry| entry.uuid.to_string());
    let path = format!("nodes/{ident}/history");
    let next = paging.next(&call, &path, None, &args, (entries.len(), last));
    Ok(paging::body("history", shown, next))
}

async fn show(
    State(state): State<AppState>,
    call: Call,
    Path((ident, entry)): Path<(String, String)>,
    args: Args,
) -> Result<Json<Value>> {
    args.only(&[])?;
    if !is_logical_name(&entry) {
        return Err(ApiError::invalid(format!(
            "Expected UUID or name for event: {entry}"
        )));
    }
    let node = find(&state, &call, &ident, Rule::NodeHistoryGet).await?;
    let found = match entry.parse::<NodeHistoryUuid>() {
        Ok(uuid) => state.store.history_entry(&node, uuid).await?,
        Err(_) => None,
    };
    let found = found.ok_or_else(|| missing(&entry))?;
    Ok(Json(view(&call, &found, true)))
}

fn missing(entry: &str) -> ApiError {
    Fault::NodeHistoryNotFound(entry.to_owned()).into()
}

fn view(call: &Call, entry: &NodeHistory, detail: bool) -> Value {
    let mut body = Map::new();
    for (name, since) in FIELDS {
        if call.has(since) && (detail || SUMMARY.contains(&name)) {
            body.insert(name.to_owned(), field(entry, name, detail));
        }
    }
    let path = format!("nodes/{}/history/{}", entry.node_uuid, entry.uuid);
    let links = json!([{ "href": call.links.v1(&path), "rel": "self" }]);
    body.insert("links".to_owned(), links);
    Value::Object(body)
}

fn field(entry: &NodeHistory, name: &str, detail: bool) -> Value {
    match name {
        "uuid" => json!(entry.uuid),
        "created_at" => timestamp::show(Some(entry.created_at)),
        "severity" => json!(entry.severity),
        "event_type" => json!(entry.event_type),
        "event" if detail => json!(entry.event),
        "event" => json!(shortened(&entry.event)),
        "conductor" => json!(entry.conductor),
        "user" => json!(entry.user),
        "project" => json!(entry.project),
        "state" => json!(entry.state),
        "target_provision_state" => json!(entry.target_provision_state),
        "duration_seconds" => json!(entry.duration_seconds),
        _ => Value::Null,
    }
}

fn shortened(event: &str) -> String {
    let (most, kept) = SHORT_EVENT;
    if event.chars().nth(most).is_none() {
        return event.to_owned();
    }
    let mut text: String = event.chars().take(kept).collect();
    text.push_str("...");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_event_is_shortened_in_a_list() {
        let text = "ä".repeat(255);
        assert_eq!(shortened(&text), text);
        let text = "ä".repeat(256);
        assert_eq!(shortened(&text), format!("{}...", "ä".repeat(251)));
    }
}
