//! `/v1/nodes/<node>/traits`: labels for schedulers.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::error::Fault;
use ironpxe_core::field::repr::{repr, repr_str};
use ironpxe_core::field::value::schema_error;
use ironpxe_core::node::Node;
use ironpxe_core::patch::NodeChange;
use ironpxe_core::policy::Rule;
use serde_json::{Value, json};

use crate::api::AppState;
use crate::api::body::JsonBody;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::resolve::{check_ident, find};
use crate::api::schema;

/// The minor version that introduced traits.
const SINCE: u16 = 37;

/// The namespaces of standard traits, and `CUSTOM_`.
const NAMESPACES: [&str; 6] = ["CUSTOM_", "COMPUTE_", "HW_", "MISC_", "OWNER_", "STORAGE_"];

pub(super) async fn get(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<Json<Value>> {
    let node = node(
        &state,
        &call,
        &ident,
        Rule::NodeTraitsList,
        Fault::NotAcceptable.into(),
    )
    .await?;
    Ok(Json(json!({ "traits": node.traits })))
}

pub(super) async fn put(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<StatusCode> {
    call.method_not_allowed_before(SINCE)?;
    let body = schema::object("body", body, &[], &["traits"])?;
    let Some(traits) = body.get("traits") else {
        return Err(ApiError::invalid(
            "A single node trait may be added via PUT /v1/nodes/<node identifier>/traits/<trait> \
             with no body, or all node traits may be replaced via PUT /v1/nodes/<node \
             identifier>/traits with the list of traits specified in the request body.",
        ));
    };
    let Value::Array(items) = traits else {
        let problem = format!("{} is not of type 'array'", repr(traits));
        return Err(schema_error("body", &problem).into());
    };
    let traits = items
        .iter()
        .map(|item| read("body", item))
        .collect::<Result<Vec<String>>>()?;
    let node = node(
        &state,
        &call,
        &ident,
        Rule::NodeTraitsSet,
        ApiError::NoRoute,
    )
    .await?;
    change(&state, &call, &node, NodeChange::Traits(traits)).await
}

pub(super) async fn delete(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
) -> Result<StatusCode> {
    let node = node(
        &state,
        &call,
        &ident,
        Rule::NodeTraitsDelete,
        ApiError::NoRoute,
    )
    .await?;
    change(&state, &call, &node, NodeChange::Traits(Vec::new())).await
}

/// `PUT /v1/nodes/<node>/traits/<trait>`
pub(super) async fn put_one(
    State(state): State<AppState>,
    call: Call,
    Path((ident, name)): Path<(String, String)>,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    call.method_not_allowed_before(SINCE)?;
    let name = read("trait", &Value::String(name))?;
    if body.is_some_and(|body| body != json!({}) && !body.is_null()) {
        return Err(ApiError::invalid(
            "No body should be provided when adding a trait",
        ));
    }
    let node = node(
        &state,
        &call,
        &ident,
        Rule::NodeTraitsSet,
        ApiError::NoRoute,
    )
    .await?;
    let location = call.links.v1(&format!("nodes/{ident}/traits/{name}"));
    let status = change(&state, &call, &node, NodeChange::TraitAdded(name)).await?;
    Ok((status, [(header::LOCATION, location)]).into_response())
}

/// `DELETE /v1/nodes/<node>/traits/<trait>`
pub(super) async fn delete_one(
    State(state): State<AppState>,
    call: Call,
    Path((ident, name)): Path<(String, String)>,
) -> Result<StatusCode> {
    let node = node(
        &state,
        &call,
        &ident,
        Rule::NodeTraitsDelete,
        ApiError::NoRoute,
    )
    .await?;
    if !node.traits.contains(&name) {
        let uuid = node.uuid;
        return Err(ApiError::Missing(format!(
            "Node {uuid} doesn't have a trait '{name}'"
        )));
    }
    change(&state, &call, &node, NodeChange::TraitRemoved(name)).await
}

/// The node, or the error `refused` for older clients: there, Ironic reads the rest of the URL as
/// an argument of the node's methods.
async fn node(
    state: &AppState,
    call: &Call,
    ident: &str,
    rule: Rule,
    refused: ApiError,
) -> Result<Node> {
    check_ident(ident)?;
    if !call.has(SINCE) {
        return Err(refused);
    }
    find(state, call, ident, rule).await
}

async fn change(
    state: &AppState,
    call: &Call,
    node: &Node,
    change: NodeChange,
) -> Result<StatusCode> {
    state
        .conductor
        .node_update(&call.ctx, node.uuid, change, false)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ironic has a list of standard traits. Here any name in a standard namespace is accepted, because
/// a list would become outdated.
fn read(resource: &str, value: &Value) -> Result<String> {
    let invalid = |problem: String| ApiError::from(schema_error(resource, &problem));
    let Value::String(name) = value else {
        return Err(invalid(format!("{} is not of type 'string'", repr(value))));
    };
    let letters = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let named = NAMESPACES.iter().any(|space| {
        name.strip_prefix(space)
            .is_some_and(|rest| !rest.is_empty())
    });
    if named && name.len() <= 255 && name.bytes().all(letters) {
        return Ok(name.clone());
    }
    Err(invalid(format!(
        "{} is not valid under any of the given schemas",
        repr_str(name)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trait_must_be_standard_or_custom() {
        for name in ["CUSTOM_X", "HW_CPU_X86_VMX", "COMPUTE_NODE"] {
            assert!(read("trait", &json!(name)).is_ok(), "{name}");
        }
        for name in ["CUSTOM_", "custom_x", "CUSTOM_x", "X", "", "CUSTOM_A B"] {
            assert!(read("trait", &json!(name)).is_err(), "{name}");
        }
        assert!(read("trait", &json!(1)).is_err());
    }
}
