//! Finds the node that a URL, a query or a body identifies.

use ironpxe_core::error::Fault;
use ironpxe_core::field::value::is_logical_name;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;

use crate::api::error::{ApiError, Result};
use crate::api::request::Call;
use crate::api::{AppState, node_name};

/// Validates the node part of a URL: a UUID or a possible name.
pub(super) fn check_ident(text: &str) -> Result<()> {
    if is_logical_name(text) {
        return Ok(());
    }
    Err(ApiError::BadPath(format!(
        "Expected UUID or name for node: {text}"
    )))
}

/// The node in a URL, by its UUID or, for clients that support names, by its name.
pub(super) async fn find(state: &AppState, call: &Call, text: &str) -> Result<Node> {
    check_ident(text)?;
    lookup(state, call, text).await
}

/// As [`find`], for a URL that ends with the node: the name may end in `.json`, which was stripped.
pub(super) async fn find_item(state: &AppState, call: &Call, text: &str) -> Result<Node> {
    match find(state, call, text).await {
        Err(ApiError::Fault(Fault::NodeNotFound(_))) if call.json_suffix => {
            lookup(state, call, &format!("{text}.json")).await
        }
        found => found,
    }
}

/// As [`find`], for an identifier in a query or a body.
pub(super) async fn lookup(state: &AppState, call: &Call, text: &str) -> Result<Node> {
    let missing = || ApiError::from(Fault::NodeNotFound(text.to_owned()));
    if let Ok(uuid) = text.parse::<NodeUuid>() {
        return state.db.node_get(uuid).await?.ok_or_else(missing);
    }
    if !call.has(5) {
        return Err(missing());
    }
    if !node_name::is_valid(call, text) {
        return Err(ApiError::invalid(format!(
            "Expected a logical name or UUID but received {text}."
        )));
    }
    state.db.node_get_by_name(text).await?.ok_or_else(missing)
}
