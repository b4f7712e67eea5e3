//! A node as JSON: the only place where nodes are serialized for clients.
//!
//! It has the requested fields that exist in the client's API version, in Ironic's order.

use ironpxe_core::error::Fault;
use ironpxe_core::field;
use ironpxe_core::node::Node;
use ironpxe_core::node::fields::{NODE_FIELDS, NodeField};
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Map, Value, json};

use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::mask;
use crate::api::nodes::conductor::Conductors;

mod node_mask;

use self::node_mask::NodeMask;

/// The fields of a short list.
pub(super) const SUMMARY: [&str; 6] = [
    "instance_uuid",
    "maintenance",
    "power_state",
    "provision_state",
    "uuid",
    "name",
];

/// The fields that come first.
const FIRST: [&str; 3] = ["uuid", "created_at", "updated_at"];

/// The links to subresources, only in the full view.
const BELONGINGS: [(&str, u16); 4] = [
    ("ports", 1),
    ("states", 14),
    ("portgroups", 24),
    ("volume", 32),
];

/// Rejects fields that do not exist, or not in the client's API version.
pub(super) fn check_fields(call: &Call, fields: Option<&[String]>) -> Result<()> {
    let Some(fields) = fields else { return Ok(()) };
    call.not_acceptable_before(8)?;
    for name in fields {
        let field = field::find(NODE_FIELDS, name)
            .ok_or_else(|| ApiError::invalid(format!("Field {name} is not a valid field.")))?;
        if !call.has(field.since) {
            return Err(Fault::NotAcceptable.into());
        }
    }
    Ok(())
}

/// The node with all fields, or with `fields` and the links.
pub(super) fn show(
    call: &Call,
    conductors: &Conductors,
    node: &Node,
    fields: Option<&[&str]>,
) -> Value {
    let (after_links, before_links): (Vec<_>, Vec<_>) = wanted(fields)
        .into_iter()
        .filter(|field| call.has(field.since))
        .partition(|field| field.is_after_links);
    let mask = NodeMask::of(call, node);
    let value = |field| mask.value(call, node, field);
    let mut body = Map::new();
    for field in before_links {
        body.insert(field.name.to_owned(), value(field));
    }
    let path = format!("nodes/{}", node.uuid);
    body.insert("links".to_owned(), call.links.pair(&path));
    for field in after_links {
        let value = match field.name {
            "conductor" => json!(conductors.of(node)),
            _ => value(field),
        };
        body.insert(field.name.to_owned(), value);
    }
    if fields.is_none() {
        for (name, _) in BELONGINGS.into_iter().filter(|(_, since)| call.has(*since)) {
            body.insert(name.to_owned(), call.links.pair(&format!("{path}/{name}")));
        }
    }
    Value::Object(body)
}

/// All fields, or `fields` in the requested order.
fn wanted(fields: Option<&[&str]>) -> Vec<&'static NodeField> {
    let Some(names) = fields else {
        return NODE_FIELDS.iter().collect();
    };
    let found = names
        .iter()
        .filter_map(|name| field::find(NODE_FIELDS, name));
    let mut wanted: Vec<&NodeField> = found.collect();
    let place = |name| FIRST.iter().position(|first| *first == name);
    wanted.sort_by_key(|field| place(field.name).unwrap_or(FIRST.len()));
    wanted
}

/// The provision state as named in the client's API version.
pub(super) fn provision_state(call: &Call, node: &Node) -> Value {
    let state = node.provision_state.known();
    if state == Some(ProvisionState::Available) && !call.has(2) {
        return Value::Null;
    }
    if state == Some(ProvisionState::InspectWait) && !call.has(39) {
        return json!(ProvisionState::Inspecting.name());
    }
    json!(node.provision_state.name())
}

/// A field of the states of a node. (As in Ironic, who may see them may see its last error there.)
pub(super) fn state(call: &Call, node: &Node, field: &NodeField) -> Value {
    match field.name {
        "provision_state" => provision_state(call, node),
        _ => mask::mask_field(field.mask, (field.value)(node)),
    }
}

#[cfg(test)]
mod tests;
