//! The fields of a node that a client may write, and what may stand in each.
//!
//! One list for both ways of writing: creating a node, and patching one.

use serde_json::{Value, json};

use crate::JsonMap;
use crate::error::{Fault, Result};
use crate::interface::InterfaceKind;
use crate::json_size::{object_len, value_len};
use crate::node::Node;
use crate::patch::value::{Field, schema_error};

/// What a node can be created with, in the order of Ironic's schema (of two wrong fields the one
/// that stands here first is named).
pub const CREATABLE: [&str; 39] = [
    "automated_clean",
    "bios_interface",
    "boot_interface",
    "boot_mode",
    "chassis_uuid",
    "conductor_group",
    "console_enabled",
    "console_interface",
    "deploy_interface",
    "description",
    "disable_power_off",
    "driver",
    "driver_info",
    "extra",
    "firmware_interface",
    "inspect_interface",
    "instance_info",
    "instance_name",
    "instance_uuid",
    "lessee",
    "management_interface",
    "maintenance",
    "name",
    "network_data",
    "network_interface",
    "owner",
    "parent_node",
    "power_interface",
    "properties",
    "raid_interface",
    "rescue_interface",
    "resource_class",
    "retired",
    "retired_reason",
    "secure_boot",
    "shard",
    "storage_interface",
    "uuid",
    "vendor_interface",
];

/// What a node can be patched in, in the order Ironic lists it to who tries something else.
pub const PATCHABLE: [&str; 37] = [
    "automated_clean",
    "bios_interface",
    "boot_interface",
    "chassis_uuid",
    "conductor_group",
    "console_interface",
    "deploy_interface",
    "description",
    "disable_power_off",
    "driver",
    "driver_info",
    "extra",
    "inspect_interface",
    "instance_info",
    "instance_name",
    "instance_uuid",
    "lessee",
    "maintenance",
    "management_interface",
    "name",
    "network_data",
    "network_interface",
    "owner",
    "power_interface",
    "properties",
    "protected",
    "protected_reason",
    "raid_interface",
    "rescue_interface",
    "resource_class",
    "retired",
    "retired_reason",
    "shard",
    "storage_interface",
    "vendor_interface",
    "parent_node",
    "firmware_interface",
];

/// The longest description.
pub const MAX_DESCRIPTION: usize = 4096;
/// The longest resource class.
const MAX_RESOURCE_CLASS: usize = 80;

/// Writes one field. `uuid` is not among them: it is given when the node is made.
pub fn set(node: &mut Node, field: &Field<'_>) -> Result<()> {
    match field.name {
        "automated_clean" => node.automated_clean = field.flag()?,
        "boot_mode" => node.boot_mode = field.text()?,
        "chassis_uuid" => node.chassis_uuid = field.uuid()?,
        "conductor_group" => node.conductor_group = conductor_group(field)?,
        "console_enabled" => node.console_enabled = field.flag()?.unwrap_or(false),
        "description" => node.description = field.text_up_to(MAX_DESCRIPTION)?,
        "disable_power_off" => node.disable_power_off = field.flag()?.unwrap_or(false),
        "driver" => node.driver = field.required_text()?,
        "driver_info" => node.driver_info = field.object()?,
        "extra" => node.extra = field.object()?,
        "instance_info" => node.instance_info = instance_info(field, &node.instance_info)?,
        "instance_name" => node.instance_name = non_empty(field)?,
        "instance_uuid" => node.instance_uuid = field.uuid()?,
        "lessee" => node.lessee = field.text()?,
        "maintenance" => node.maintenance = field.flag()?.unwrap_or(false),
        "name" => node.name = field.text()?,
        "network_data" => node.network_data = network_data(field)?,
        "owner" => node.owner = field.text()?,
        "parent_node" => node.parent_node = field.uuid()?,
        "properties" => node.properties = field.object()?,
        "protected" => node.protected = field.flag()?.unwrap_or(false),
        "protected_reason" => node.protected_reason = field.text()?,
        "resource_class" => node.resource_class = field.text_up_to(MAX_RESOURCE_CLASS)?,
        "retired" => node.retired = field.flag()?.unwrap_or(false),
        "retired_reason" => node.retired_reason = field.text()?,
        "secure_boot" => node.secure_boot = field.flag()?,
        "shard" => node.shard = field.text()?,
        name => match InterfaceKind::ALL
            .into_iter()
            .find(|kind| kind.field() == name)
        {
            // An interface that is taken away gets its default from the conductor.
            Some(kind) => node.interfaces.set(kind, field.text()?.unwrap_or_default()),
            None => {
                return Err(schema_error(
                    field.resource,
                    &format!("Additional properties are not allowed ('{name}' was unexpected)"),
                ));
            }
        },
    }
    Ok(())
}

/// What one patchable field holds.
fn get(node: &Node, name: &str) -> Value {
    match name {
        "automated_clean" => json!(node.automated_clean),
        "chassis_uuid" => json!(node.chassis_uuid),
        "conductor_group" => json!(node.conductor_group),
        "description" => json!(node.description),
        "disable_power_off" => json!(node.disable_power_off),
        "driver" => json!(node.driver),
        "driver_info" => json!(node.driver_info),
        "extra" => json!(node.extra),
        "instance_info" => json!(node.instance_info),
        "instance_name" => json!(node.instance_name),
        "instance_uuid" => json!(node.instance_uuid),
        "lessee" => json!(node.lessee),
        "maintenance" => json!(node.maintenance),
        "name" => json!(node.name),
        "network_data" => json!(node.network_data),
        "owner" => json!(node.owner),
        "parent_node" => json!(node.parent_node),
        "properties" => json!(node.properties),
        "protected" => json!(node.protected),
        "protected_reason" => json!(node.protected_reason),
        "resource_class" => json!(node.resource_class),
        "retired" => json!(node.retired),
        "retired_reason" => json!(node.retired_reason),
        "shard" => json!(node.shard),
        name => InterfaceKind::ALL
            .into_iter()
            .find(|kind| kind.field() == name)
            .map_or(Value::Null, |kind| json!(node.interface(kind))),
    }
}

/// The document a patch works on.
pub(super) fn document(node: &Node) -> Value {
    PATCHABLE
        .into_iter()
        .map(|name| (name.to_owned(), get(node, name)))
        .collect()
}

fn non_empty(field: &Field<'_>) -> Result<Option<String>> {
    let text = field.text()?;
    if text.as_deref() == Some("") {
        return Err(schema_error(field.resource, "'' should be non-empty"));
    }
    Ok(text)
}

/// A config drive that came with a deployment may be larger than all that a client may write here,
/// and does not count as long as it stays as it is.
fn instance_info(field: &Field<'_>, before: &JsonMap) -> Result<JsonMap> {
    let after = field.unbounded_object()?;
    let drive = after.get("configdrive");
    let kept = drive.filter(|drive| before.get("configdrive") == Some(drive));
    let kept = kept.map_or(0, value_len);
    field.check_size(object_len(&after).saturating_sub(kept))?;
    Ok(after)
}

/// Groups are compared without case; Ironic stores them in lower case.
fn conductor_group(field: &Field<'_>) -> Result<String> {
    let group = field.text()?.unwrap_or_default();
    if group
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
    {
        return Ok(group.to_ascii_lowercase());
    }
    Err(Fault::InvalidParameterValue(format!(
        "Expected a conductor group but received {group}."
    )))
}

/// Only the outline is checked: `links`, `networks` and `services` must be there.
fn network_data(field: &Field<'_>) -> Result<crate::JsonMap> {
    let data = field.object()?;
    // A node can be made without any, and a patch can take it away; but it cannot write nothing.
    let written = field.resource == "patch" && field.value.is_object();
    if data.is_empty() && !written {
        return Ok(data);
    }
    let invalid =
        |problem: String| Fault::InvalidParameterValue(format!("Invalid network_data: {problem} "));
    for name in ["links", "networks", "services"] {
        match data.get(name) {
            Some(Value::Array(_)) => {}
            Some(other) => {
                let shown = crate::patch::repr::repr(other);
                return Err(invalid(format!("{shown} is not of type 'array'")));
            }
            None => return Err(invalid(format!("'{name}' is a required property"))),
        }
    }
    Ok(data)
}
