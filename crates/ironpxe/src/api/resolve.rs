//! Finds the node that a URL, a query or a body identifies, for a caller who may see it.

use ironpxe_core::error::Fault;
use ironpxe_core::field::value::is_logical_name;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::policy::Rule;

use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
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

/// The node in a URL, by its UUID or, for clients that support names, by its name: 404 if the caller
/// may not see it, and 403 if the rule does not allow what the caller wants with it.
pub(super) async fn find(state: &AppState, call: &Call, text: &str, rule: Rule) -> Result<Node> {
    check_ident(text)?;
    lookup(state, call, text, rule).await
}

/// As [`find`], for a URL that ends with the node: the name may end in `.json`, which was stripped.
pub(super) async fn find_item(
    state: &AppState,
    call: &Call,
    text: &str,
    rule: Rule,
) -> Result<Node> {
    match find(state, call, text, rule).await {
        Err(ApiError::Fault(Fault::NodeNotFound(_))) if call.json_suffix => {
            lookup(state, call, &format!("{text}.json"), rule).await
        }
        found => found,
    }
}

/// As [`find`], for an identifier in a query or a body.
pub(super) async fn lookup(state: &AppState, call: &Call, text: &str, rule: Rule) -> Result<Node> {
    let store = &state.store;
    let found = match ident(call, text)? {
        Ident::Uuid(uuid) => store.node(call, uuid).await?,
        Ident::Name => store.node_by_name(call, text).await?,
    };
    let node = found.ok_or_else(|| missing(text))?;
    call.authorize_node(rule, &node)?;
    Ok(node)
}

/// The node of an agent, which the conductor authenticates.
pub(super) async fn find_agent(state: &AppState, call: &Call, text: &str) -> Result<NodeUuid> {
    check_ident(text)?;
    let store = &state.store;
    let found = match ident(call, text)? {
        Ident::Uuid(uuid) => store.agent_node(uuid).await?,
        Ident::Name => store.agent_node_by_name(text).await?,
    };
    found.ok_or_else(|| missing(text))
}

enum Ident {
    Uuid(NodeUuid),
    Name,
}

fn ident(call: &Call, text: &str) -> Result<Ident> {
    if let Ok(uuid) = text.parse::<NodeUuid>() {
        return Ok(Ident::Uuid(uuid));
    }
    if !call.has(5) {
        return Err(missing(text));
    }
    if !node_name::is_valid(call, text) {
        return Err(ApiError::invalid(format!(
            "Expected a logical name or UUID but received {text}."
        )));
    }
    Ok(Ident::Name)
}

fn missing(text: &str) -> ApiError {
    Fault::NodeNotFound(text.to_owned()).into()
}
