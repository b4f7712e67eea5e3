//! `POST /v1/nodes`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, http::StatusCode, http::header};
use ironpxe_core::field;
use ironpxe_core::field::repr::repr_str;
use ironpxe_core::field::value::{Field, schema_error};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::node::fields::{CREATABLE, NODE_FIELDS};
use ironpxe_core::policy::{Rule, Target};
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Map, Value};

use crate::api::AppState;
use crate::api::body::JsonBody;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::mask;
use crate::api::node_name;
use crate::api::nodes::conductor::Conductors;
use crate::api::nodes::view;
use crate::api::resolve::{check_ident, lookup};
use crate::api::schema;
use crate::{clock, ident};

pub(super) async fn post(
    State(state): State<AppState>,
    call: Call,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let body = schema::object("node", body, &["driver"], &CREATABLE)?;
    let mut node = read(&call, &body)?;
    if let Some(name) = &node.name {
        node_name::check(&call, name, "Cannot create node with invalid name")?;
    }
    own(&state, &call, &mut node)?;
    if let Some(parent) = body.get("parent_node").and_then(Value::as_str) {
        node.parent_node = Some(parent_of(&state, &call, &node, parent).await?);
    }
    let node = state.conductor.node_create(&call.ctx, node).await?;
    let location = call.links.v1(&format!("nodes/{}", node.uuid));
    let conductors = Conductors::shown(&state, &call, None).await?;
    let shown = view::show(&call, &conductors, &node, None);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(shown),
    )
        .into_response())
}

/// Whether the caller may create the node, and who then owns it: with `[api]
/// project_admin_can_manage_own_nodes` the creator's project, unless the token is for the system.
/// Clients without token have no project, so they cannot set an owner here; it can be set later.
fn own(state: &AppState, call: &Call, node: &mut Node) -> Result<()> {
    let is_self_owned = state.common.settings.project_admin_can_manage_own_nodes
        && call.may(Rule::NodeCreateSelfOwnedNode, &Target::NONE);
    if !is_self_owned {
        return call.authorize(Rule::NodeCreate, &Target::NONE);
    }
    call.authorize(Rule::NodeCreateSelfOwnedNode, &Target::NONE)?;
    if call.is_for_system() {
        return Ok(());
    }
    let project = call.project().map(str::to_owned);
    let asked = node.owner.take().filter(|owner| !owner.is_empty());
    if asked.is_some() && asked != project {
        return Err(ApiError::invalid(
            "Cannot create a node as a project scoped admin with an owner other than your own \
             project.",
        ));
    }
    node.owner = project;
    Ok(())
}

/// `POST /v1/nodes/<node>`: Ironic reads the last part of the URL as the body.
pub(super) async fn post_on_item(Path(ident): Path<String>) -> Result<()> {
    check_ident(&ident)?;
    let problem = format!("{} is not of type 'object'", repr_str(&ident));
    Err(schema_error("node", &problem).into())
}

/// Parses the node in the body.
fn read(call: &Call, body: &Map<String, Value>) -> Result<Node> {
    let uuid = match body.get("uuid") {
        None | Some(Value::Null) => NodeUuid(ident::uuid()),
        Some(value) => {
            let field = Field {
                resource: "node",
                name: "uuid",
                value,
            };
            NodeUuid(field.uuid()?.unwrap_or_else(ident::uuid))
        }
    };
    let mut node = Node::enroll(uuid, "", clock::now());
    for name in CREATABLE
        .iter()
        .copied()
        .filter(|name| !matches!(*name, "uuid" | "parent_node"))
    {
        if let Some(value) = body.get(name) {
            field::set(
                NODE_FIELDS,
                &mut node,
                &Field {
                    resource: "node",
                    name,
                    value,
                },
            )?;
        }
    }
    for name in ["driver_info", "instance_info"] {
        if let Some(value) = body.get(name) {
            mask::refuse_mask(name, value)?;
        }
    }
    for (name, value) in body {
        // An empty value of a field unknown to the client counts as absent.
        let empty = value.is_null() || (name == "conductor_group" && value == "");
        if !empty {
            call.not_acceptable_before(field::since(NODE_FIELDS, name))?;
        }
    }
    if let Some(chassis) = node.chassis_uuid {
        return Err(ApiError::invalid(format!(
            "Chassis {chassis} could not be found."
        )));
    }
    if !call.has(11) {
        node.provision_state = ProvisionState::Available.into();
    }
    Ok(node)
}

/// The parent of a node: it must exist and belong to the same project. The error does not tell
/// which condition failed.
pub(super) async fn parent_of(
    state: &AppState,
    call: &Call,
    node: &Node,
    parent: &str,
) -> Result<uuid::Uuid> {
    match lookup(state, call, parent, Rule::NodeGet).await {
        Ok(found) if found.owner == node.owner => Ok(found.uuid.0),
        Ok(_) | Err(ApiError::Fault(ironpxe_core::error::Fault::NodeNotFound(_))) => {
            Err(ApiError::invalid(format!(
                "Unable to apply the requested parent_node '{parent}'. Requested value was \
                 invalid."
            )))
        }
        Err(error) => Err(error),
    }
}
