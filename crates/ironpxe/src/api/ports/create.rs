//! `POST /v1/ports`.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::error::Fault;
use ironpxe_core::field as fields;
use ironpxe_core::field::repr::repr;
use ironpxe_core::field::value::{self, Field, schema_error};
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::policy::{Rule, Target};
use ironpxe_core::port::Port;
use ironpxe_core::port::fields::{CREATABLE, PORT_FIELDS};
use serde_json::{Map, Value};

use crate::api::AppState;
use crate::api::body::JsonBody;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::ports::view;
use crate::api::resolve;
use crate::api::schema;
use crate::{clock, ident};

pub(super) async fn post(
    State(state): State<AppState>,
    call: Call,
    JsonBody(body): JsonBody,
) -> Result<Response> {
    let body = schema::object("port", body, &["address"], &CREATABLE)?;
    let node = named_node(&call, &body)?;
    let mut port = read(&body)?;
    port.node_uuid = match resolve::lookup(&state, &call, &node, Rule::NodeGet).await {
        Ok(node) => {
            call.authorize_node(Rule::PortCreate, &node)?;
            node.uuid
        }
        Err(error) => {
            // A node that the caller does not see counts as one without owner.
            call.authorize(Rule::PortCreate, &Target::node(None, None))?;
            return Err(not_in_url(error));
        }
    };
    for name in body.keys() {
        call.not_acceptable_before(fields::since(PORT_FIELDS, name))?;
    }
    let port = state
        .conductor
        .port_create(&call.ctx, port)
        .await
        .map_err(|fault| {
            // The node may have been deleted concurrently.
            not_in_url(fault.into())
        })?;
    let location = call.links.v1(&format!("ports/{}", port.uuid));
    let shown = view::show(&call, &port, None);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(shown),
    )
        .into_response())
}

/// A missing node is a 404 only if the URL names it.
fn not_in_url(error: ApiError) -> ApiError {
    match error {
        ApiError::Fault(fault @ Fault::NodeNotFound(_)) => ApiError::invalid(fault.to_string()),
        other => other,
    }
}

/// The node of a port: exactly one of `node_uuid` and, since 1.94, `node_ident` (which can be its
/// name).
fn named_node(call: &Call, body: &Map<String, Value>) -> Result<String> {
    let not_one = |cause: &str| {
        let shown = repr(&Value::Object(body.clone()));
        ApiError::from(schema_error("port", &format!("{shown} is {cause}")))
    };
    let (name, value) = match (body.get("node_uuid"), body.get("node_ident")) {
        (Some(value), None) => ("node_uuid", value),
        (None, Some(value)) => ("node_ident", value),
        (None, None) => {
            return Err(not_one(
                "not valid under any of the given schemas. Possible root cause: 'node_ident' is a \
                 required property",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(not_one(
                "valid under each of {'required': ['node_uuid']}, {'required': ['node_ident']}",
            ));
        }
    };
    let node = Field {
        resource: "port",
        name,
        value,
    }
    .required_text()?;
    if name == "node_uuid" {
        // The command line client sends any identifier under this name. Names are accepted since
        // the version that supports them.
        if !(call.has(94) && value::is_logical_name(&node)) {
            value::uuid(name, &node)?;
        }
    } else {
        call.not_acceptable_before(94)?;
    }
    Ok(node)
}

/// Parses the port in the body, without its node.
fn read(body: &Map<String, Value>) -> Result<Port> {
    let field = |name: &'static str, value| Field {
        resource: "port",
        name,
        value,
    };
    let address = body.get("address").unwrap_or(&Value::Null);
    let address = value::mac("address", &field("address", address).required_text()?)?;
    let uuid = match body.get("uuid") {
        Some(value) => field("uuid", value).uuid()?.unwrap_or_else(ident::uuid),
        None => ident::uuid(),
    };
    let node = NodeUuid(uuid::Uuid::nil());
    let mut port = Port::new(PortUuid(uuid), node, address, clock::now());
    for name in CREATABLE.iter().copied() {
        let elsewhere = matches!(name, "uuid" | "address" | "node_ident" | "node_uuid");
        if let (false, Some(value)) = (elsewhere, body.get(name)) {
            fields::set(PORT_FIELDS, &mut port, &field(name, value))?;
        }
    }
    let link = &port.local_link_connection;
    if port.is_smartnic && !(link.contains_key("port_id") && link.contains_key("hostname")) {
        return Err(ApiError::invalid(
            "Smart NIC port must have port_id and hostname in local_link_connection",
        ));
    }
    Ok(port)
}
