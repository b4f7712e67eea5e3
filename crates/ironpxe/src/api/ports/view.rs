//! A port as JSON: the one place where ports are shown.

use ironpxe_core::error::Fault;
use ironpxe_core::microversion::port_field_since;
use ironpxe_core::port::Port;
use serde_json::{Map, Value, json};

use crate::api::error::{ApiError, Result};
use crate::api::request::Call;
use crate::api::time;

/// The fields of a short list.
pub(super) const SUMMARY: [&str; 2] = ["uuid", "address"];

/// The fields before the links, in Ironic's order.
const FIELDS: [&str; 16] = [
    "uuid",
    "created_at",
    "updated_at",
    "address",
    "extra",
    "internal_info",
    "is_smartnic",
    "local_link_connection",
    "physical_network",
    "pxe_enabled",
    "node_uuid",
    "name",
    "description",
    "vendor",
    "category",
    "available_for_dynamic_portgroup",
];

/// Ours keep no portgroups; the field comes after the links.
const PORTGROUP: &str = "portgroup_uuid";

/// Refuses fields that no port has, and those the client's API version does not know.
pub(super) fn check_fields(call: &Call, fields: Option<&[String]>) -> Result<()> {
    let Some(fields) = fields else { return Ok(()) };
    call.accept(8)?;
    if fields
        .iter()
        .any(|field| !call.has(port_field_since(field)))
    {
        return Err(Fault::NotAcceptable.into());
    }
    let unknown: Vec<&str> = fields
        .iter()
        .map(String::as_str)
        .filter(|name| !FIELDS.contains(name) && *name != PORTGROUP && *name != "links")
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "Field(s) \"{}\" are not valid",
        unknown.join(", ")
    )))
}

/// The port, with all fields, or with `fields` and the links.
pub(super) fn show(call: &Call, port: &Port, fields: Option<&[&str]>) -> Value {
    let wanted = |name: &str| {
        fields.is_none_or(|fields| fields.contains(&name)) && call.has(port_field_since(name))
    };
    let mut body = Map::new();
    for name in FIELDS.into_iter().filter(|name| wanted(name)) {
        body.insert(name.to_owned(), value(call, port, name));
    }
    body.insert(
        "links".to_owned(),
        call.links.pair(&format!("ports/{}", port.uuid)),
    );
    if wanted(PORTGROUP) {
        body.insert(PORTGROUP.to_owned(), Value::Null);
    }
    Value::Object(body)
}

fn value(call: &Call, port: &Port, name: &str) -> Value {
    match name {
        "uuid" => json!(port.uuid),
        "created_at" => time::show(Some(port.created_at)),
        "updated_at" => time::show(port.updated_at),
        "address" => json!(port.address.to_string()),
        "extra" => json!(port.extra),
        "internal_info" => json!(port.internal_info),
        "is_smartnic" => json!(port.is_smartnic),
        "local_link_connection" => {
            // Clients outside of these versions would stumble over a virtual switch.
            let vtep = port
                .local_link_connection
                .keys()
                .any(|key| key.starts_with("vtep-"));
            let known = call.has(90) && !call.has(105);
            if vtep && !known {
                json!({})
            } else {
                json!(port.local_link_connection)
            }
        }
        "physical_network" => json!(port.physical_network),
        "pxe_enabled" => json!(port.pxe_enabled),
        "node_uuid" => json!(port.node_uuid),
        "name" => json!(port.name),
        "description" => json!(port.description),
        "vendor" => json!(port.vendor),
        "category" => json!(port.category),
        "available_for_dynamic_portgroup" => json!(port.available_for_dynamic_portgroup),
        _ => Value::Null,
    }
}
