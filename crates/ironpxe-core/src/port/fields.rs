//! The fields of a port, one row each, like those of a node in `node/fields.rs`.
//!
//! A stored field also has a column: `db/port_row.rs` of the service.
//!
//! Source: Ironic's `api/controllers/v1/port.py` and `versions.py` (39.0).

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::Port;
use crate::JsonMap;
use crate::error::{Fault, Result};
use crate::field::repr::repr;
use crate::field::value::{self, Field, MAX_TEXT, schema_error};
use crate::field::{ResourceField, names, put};
use crate::id::NodeUuid;
use crate::mac::MacAddress;
use crate::timestamp;

/// A field of a port.
pub type PortField = ResourceField<Port>;

/// All fields, in Ironic's order.
#[rustfmt::skip]
pub const PORT_FIELDS: &[PortField] = &[
    row("uuid", |p| json!(p.uuid)).sortable().creatable(),
    row("created_at", |p| timestamp::show(Some(p.created_at))).sortable(),
    row("updated_at", |p| timestamp::show(p.updated_at)).sortable(),
    row("address", |p| json!(p.address.to_string())).sortable().written(|p, f| put(&mut p.address, address(f))),
    row("extra", |p| json!(p.extra)).written(|p, f| put(&mut p.extra, f.object())),
    row("internal_info", |p| json!(p.internal_info)).since(18),
    row("is_smartnic", |p| json!(p.is_smartnic)).since(53).sortable().written(|p, f| put(&mut p.is_smartnic, f.flag_or(false))),
    row("local_link_connection", |p| json!(p.local_link_connection)).since(19).written(|p, f| put(&mut p.local_link_connection, local_link(f))),
    row("physical_network", |p| json!(p.physical_network)).since(34).sortable().written(|p, f| put(&mut p.physical_network, physical_network(f))),
    row("pxe_enabled", |p| json!(p.pxe_enabled)).since(19).sortable().written(|p, f| put(&mut p.pxe_enabled, f.flag_or(true))),
    // An alternative to `node_uuid` at creation.
    row("node_ident", |_| Value::Null).hidden().creatable().patchable(),
    row("node_uuid", |p| json!(p.node_uuid)).sortable().written(|p, f| put(&mut p.node_uuid, node_uuid(f))),
    row("name", |p| json!(p.name)).since(88).sortable().listed_last().written(|p, f| put(&mut p.name, name(f))),
    row("description", |p| json!(p.description)).since(97).sortable().listed_last().written(|p, f| put(&mut p.description, f.text_up_to(255))),
    row("vendor", |p| json!(p.vendor)).since(100).sortable().listed_last().written(|p, f| put(&mut p.vendor, f.text_up_to(32))),
    row("category", |p| json!(p.category)).since(101).sortable().listed_last().written(|p, f| put(&mut p.category, f.text_up_to(80))),
    row("available_for_dynamic_portgroup", |p| json!(p.available_for_dynamic_portgroup)).since(111).sortable().listed_last()
        .written(|p, f| put(&mut p.available_for_dynamic_portgroup, f.flag_or(true))),
    row("portgroup_uuid", |_| Value::Null).since(24).after_links().written(|_, f| no_portgroup(f)),
];

/// The fields that a port can be created with.
pub static CREATABLE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| names(PORT_FIELDS, |field| field.is_creatable));

/// The fields that can be patched, in the order of Ironic's error message.
pub static PATCHABLE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| names(PORT_FIELDS, |field| field.is_patchable));

/// The fields that ports can be sorted by, besides the order of creation.
pub static SORTABLE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| names(PORT_FIELDS, |field| field.is_sortable));

const fn row(name: &'static str, value: fn(&Port) -> Value) -> PortField {
    PortField::new(name, value)
}

fn address(field: &Field<'_>) -> Result<MacAddress> {
    value::mac("address", &field.required_text()?)
}

fn node_uuid(field: &Field<'_>) -> Result<NodeUuid> {
    value::uuid("node_uuid", &field.required_text()?).map(NodeUuid)
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

/// Portgroups are not supported, so none exists.
fn no_portgroup(field: &Field<'_>) -> Result<()> {
    match field.uuid()? {
        Some(portgroup) => Err(Fault::InvalidParameterValue(format!(
            "Portgroup {portgroup} could not be found."
        ))),
        None => Ok(()),
    }
}

/// The switch port of a port. Source: Ironic's `LOCAL_LINK_CONN_SCHEMA`.
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
