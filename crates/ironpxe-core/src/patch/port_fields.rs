//! The fields of a port that a client may write, and what may stand in each.

use serde_json::{Value, json};

use crate::JsonMap;
use crate::error::{Fault, Result};
use crate::id::NodeUuid;
use crate::mac::MacAddress;
use crate::patch::repr::repr;
use crate::patch::value::{self, Field, MAX_TEXT, schema_error};
use crate::port::Port;

/// What a port can be created with, in the order of Ironic's schema.
pub const CREATABLE: [&str; 15] = [
    "address",
    "extra",
    "is_smartnic",
    "local_link_connection",
    "node_ident",
    "node_uuid",
    "physical_network",
    "portgroup_uuid",
    "pxe_enabled",
    "uuid",
    "name",
    "description",
    "vendor",
    "category",
    "available_for_dynamic_portgroup",
];

/// What a port can be patched in, in the order Ironic lists it to who tries something else.
pub const PATCHABLE: [&str; 14] = [
    "address",
    "extra",
    "is_smartnic",
    "local_link_connection",
    "node_ident",
    "node_uuid",
    "physical_network",
    "portgroup_uuid",
    "pxe_enabled",
    "name",
    "description",
    "vendor",
    "category",
    "available_for_dynamic_portgroup",
];

/// Writes one field. `uuid` and `node_ident` are not among them: they are read when the port is
/// made.
pub fn set(port: &mut Port, field: &Field<'_>) -> Result<()> {
    match field.name {
        "address" => port.address = value::mac("address", &field.required_text()?)?,
        "available_for_dynamic_portgroup" => {
            port.available_for_dynamic_portgroup = field.flag()?.unwrap_or(true);
        }
        "category" => port.category = field.text_up_to(80)?,
        "description" => port.description = field.text_up_to(255)?,
        "extra" => port.extra = field.object()?,
        "is_smartnic" => port.is_smartnic = field.flag()?.unwrap_or(false),
        "local_link_connection" => port.local_link_connection = local_link(field)?,
        "name" => port.name = name(field)?,
        "node_uuid" => {
            port.node_uuid = NodeUuid(value::uuid("node_uuid", &field.required_text()?)?);
        }
        "physical_network" => port.physical_network = physical_network(field)?,
        "portgroup_uuid" => no_portgroup(field)?,
        "pxe_enabled" => port.pxe_enabled = field.flag()?.unwrap_or(true),
        "vendor" => port.vendor = field.text_up_to(32)?,
        name => {
            return Err(schema_error(
                field.resource,
                &format!("Additional properties are not allowed ('{name}' was unexpected)"),
            ));
        }
    }
    Ok(())
}

/// The document a patch works on.
pub(super) fn document(port: &Port) -> Value {
    json!({
        "address": port.address.to_string(),
        "extra": port.extra,
        "is_smartnic": port.is_smartnic,
        "local_link_connection": port.local_link_connection,
        "node_uuid": port.node_uuid,
        "physical_network": port.physical_network,
        "portgroup_uuid": null,
        "pxe_enabled": port.pxe_enabled,
        "name": port.name,
        "description": port.description,
        "vendor": port.vendor,
        "category": port.category,
        "available_for_dynamic_portgroup": port.available_for_dynamic_portgroup,
    })
}

fn name(field: &Field<'_>) -> Result<Option<String>> {
    match field.text_up_to(MAX_TEXT)? {
        Some(name) if !value::is_logical_name(&name) => Err(Fault::InvalidParameterValue(format!(
            "Expected a logical name but received {name}."
        ))),
        name => Ok(name),
    }
}

fn physical_network(field: &Field<'_>) -> Result<Option<String>> {
    match field.text_up_to(64)? {
        Some(network) if network.is_empty() => Err(Fault::InvalidParameterValue(
            "A non-empty value is required when setting physical_network".to_owned(),
        )),
        network => Ok(network),
    }
}

/// This service keeps no portgroups, so that none can be named.
fn no_portgroup(field: &Field<'_>) -> Result<()> {
    match field.uuid()? {
        Some(portgroup) => Err(Fault::InvalidParameterValue(format!(
            "Portgroup {portgroup} could not be found."
        ))),
        None => Ok(()),
    }
}

/// Where a port is plugged in. Source: Ironic's `LOCAL_LINK_CONN_SCHEMA`.
fn local_link(field: &Field<'_>) -> Result<JsonMap> {
    const KNOWN: [&str; 7] = [
        "port_id",
        "switch_id",
        "hostname",
        "switch_info",
        "network_type",
        "vtep-logical-switch",
        "vtep-physical-switch",
    ];
    let mut link = field.object()?;
    let invalid = |problem: &str| schema_error(field.name, problem);
    let shown = repr(field.value);
    if let Some(unknown) = link.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(invalid(&format!(
            "{shown} is not valid under any of the given schemas. Possible root cause: Additional \
             properties are not allowed ('{unknown}' was unexpected)"
        )));
    }
    if let Some(other) = link.values().find(|entry| !entry.is_string()) {
        return Err(invalid(&format!(
            "{shown} is not valid under any of the given schemas. Possible root cause: {} is not \
             of type 'string'",
            repr(other)
        )));
    }
    let has = |name: &str| link.contains_key(name);
    let complete = link.is_empty()
        || has("port_id")
            && (has("switch_id")
                || has("hostname")
                || has("vtep-logical-switch") && has("vtep-physical-switch"))
        || link.get("network_type").and_then(Value::as_str) == Some("unmanaged");
    if !complete {
        let missing = if has("port_id") {
            "switch_id"
        } else {
            "port_id"
        };
        return Err(invalid(&format!(
            "{shown} is not valid under any of the given schemas. Possible root cause: \
             '{missing}' is a required property"
        )));
    }
    if let Some(Value::String(switch)) = link.get_mut("switch_id") {
        *switch = switch_id(switch)?;
    }
    Ok(link)
}

/// A MAC address, or an `OpenFlow` datapath id of 16 hexadecimal digits, in lower case.
///
/// Source: Ironic's `common/utils.py` (`is_valid_datapath_id`).
fn switch_id(text: &str) -> Result<String> {
    let is_datapath = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_datapath || MacAddress::parse_colons(text).is_ok() {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Fault::InvalidParameterValue(format!(
        "Expected a MAC address or OpenFlow datapath ID but received {text}."
    )))
}
