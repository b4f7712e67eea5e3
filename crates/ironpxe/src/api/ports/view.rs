//! A port as JSON: the only place where ports are serialized for clients.

use ironpxe_core::error::Fault;
use ironpxe_core::field;
use ironpxe_core::port::Port;
use ironpxe_core::port::fields::{PORT_FIELDS, PortField};
use serde_json::{Map, Value, json};

use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::fields;

/// The fields of a short list.
pub(super) const SUMMARY: [&str; 2] = ["uuid", "address"];

/// Rejects fields that do not exist, or not in the client's API version.
pub(super) fn check_fields(call: &Call, fields: Option<&[String]>) -> Result<()> {
    let Some(fields) = fields else { return Ok(()) };
    call.not_acceptable_before(8)?;
    if fields
        .iter()
        .any(|name| !call.has(field::since(PORT_FIELDS, name)))
    {
        return Err(Fault::NotAcceptable.into());
    }
    fields::check_known(fields, |name| {
        field::find(PORT_FIELDS, name).is_some_and(|field| !field.is_hidden)
    })
}

/// The port with all fields, or with `fields` and the links.
pub(super) fn show(call: &Call, port: &Port, fields: Option<&[&str]>) -> Value {
    let wanted = |field: &&PortField| {
        !field.is_hidden
            && fields.is_none_or(|fields| fields.contains(&field.name))
            && call.has(field.since)
    };
    let (after_links, before_links): (Vec<_>, Vec<_>) = PORT_FIELDS
        .iter()
        .filter(wanted)
        .partition(|field| field.is_after_links);
    let mut body = Map::new();
    for field in before_links {
        body.insert(field.name.to_owned(), value(call, port, field));
    }
    let path = format!("ports/{}", port.uuid);
    body.insert("links".to_owned(), call.links.pair(&path));
    for field in after_links {
        body.insert(field.name.to_owned(), value(call, port, field));
    }
    Value::Object(body)
}

fn value(call: &Call, port: &Port, field: &PortField) -> Value {
    if field.name == "local_link_connection" {
        // Clients of other versions would fail on a virtual switch.
        let mut keys = port.local_link_connection.keys();
        let known = call.has(90) && !call.has(105);
        if !known && keys.any(|key| key.starts_with("vtep-")) {
            return json!({});
        }
    }
    (field.value)(port)
}
