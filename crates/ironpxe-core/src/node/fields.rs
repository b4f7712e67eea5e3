//! The fields of a node, one row each: the microversion that introduced it, its value, where
//! clients can write it, and what it may hold. Views, lists, creation and patches use this table.
//!
//! A stored field also has a column: `db/node_row.rs` of the service.
//!
//! Source: Ironic's `api/controllers/v1/node.py` and `versions.py` (39.0).

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::Node;
use crate::error::{Fault, Result};
use crate::field::value::{Field, schema_error};
use crate::field::{Mask, ResourceField, names, put};
use crate::interface::InterfaceKind as Kind;
use crate::json_size::{object_len, value_len};
use crate::power_state::PowerState;
use crate::timestamp;

/// A field of a node.
pub type NodeField = ResourceField<Node>;

/// The longest description.
pub const MAX_DESCRIPTION: usize = 4096;
/// The longest resource class.
const MAX_RESOURCE_CLASS: usize = 80;

/// All fields, in Ironic's order.
#[rustfmt::skip]
pub const NODE_FIELDS: &[NodeField] = &[
    row("uuid", |n| json!(n.uuid)).sortable().creatable(),
    row("created_at", |n| timestamp::show(Some(n.created_at))).sortable(),
    row("updated_at", |n| timestamp::show(n.updated_at)).sortable(),
    row("automated_clean", |n| json!(n.automated_clean)).since(47).sortable().written(|n, f| put(&mut n.automated_clean, f.flag())),
    row("bios_interface", |n| interface(n, Kind::Bios)).since(40).sortable().written(|n, f| set_interface(n, Kind::Bios, f)),
    row("boot_interface", |n| interface(n, Kind::Boot)).since(31).sortable().written(|n, f| set_interface(n, Kind::Boot, f)),
    row("boot_mode", |n| json!(n.boot_mode)).since(75).sortable().created(|n, f| put(&mut n.boot_mode, f.text())),
    row("clean_step", |n| json!(n.clean_step)).since(7),
    row("conductor_group", |n| json!(n.conductor_group)).since(46).sortable().written(|n, f| put(&mut n.conductor_group, conductor_group(f))),
    row("console_enabled", |n| json!(n.console_enabled)).sortable().created(|n, f| put(&mut n.console_enabled, f.flag_or(false))),
    row("console_interface", |n| interface(n, Kind::Console)).since(31).sortable().written(|n, f| set_interface(n, Kind::Console, f)),
    row("disable_power_off", |n| json!(n.disable_power_off)).since(95).sortable().written(|n, f| put(&mut n.disable_power_off, f.flag_or(false))),
    row("deploy_interface", |n| interface(n, Kind::Deploy)).since(31).sortable().written(|n, f| set_interface(n, Kind::Deploy, f)),
    row("deploy_step", |n| json!(n.deploy_step)).since(44),
    row("description", |n| json!(n.description)).since(51).sortable().written(|n, f| put(&mut n.description, f.text_up_to(MAX_DESCRIPTION))),
    row("driver", |n| json!(n.driver)).sortable().written(|n, f| put(&mut n.driver, f.required_text())),
    row("driver_info", |n| json!(n.driver_info)).masked(Mask::Secrets).written(|n, f| put(&mut n.driver_info, f.object())),
    row("driver_internal_info", |n| json!(n.driver_internal_info)).since(3).masked(Mask::Secrets),
    row("extra", |n| json!(n.extra)).written(|n, f| put(&mut n.extra, f.object())),
    row("fault", |n| json!(n.fault)).since(42).sortable(),
    row("firmware_interface", |n| interface(n, Kind::Firmware)).since(86).sortable().listed_last().written(|n, f| set_interface(n, Kind::Firmware, f)),
    row("health", |_| Value::Null).since(109),
    row("inspection_finished_at", |n| timestamp::show(n.inspection_finished_at)).since(6).sortable(),
    row("inspection_started_at", |n| timestamp::show(n.inspection_started_at)).since(6).sortable(),
    row("inspect_interface", |n| interface(n, Kind::Inspect)).since(31).sortable().written(|n, f| set_interface(n, Kind::Inspect, f)),
    row("instance_info", |n| json!(n.instance_info)).masked(Mask::InstanceInfo).written(set_instance_info),
    row("instance_name", |n| json!(n.instance_name)).since(104).sortable().written(|n, f| put(&mut n.instance_name, non_empty(f))),
    row("instance_uuid", |n| json!(n.instance_uuid)).sortable().written(|n, f| put(&mut n.instance_uuid, f.uuid())),
    row("last_error", |n| json!(n.last_error)).sortable(),
    row("lessee", |n| json!(n.lessee)).since(65).sortable().written(|n, f| put(&mut n.lessee, f.text())),
    row("maintenance", |n| json!(n.maintenance)).sortable().written(|n, f| put(&mut n.maintenance, f.flag_or(false))),
    row("maintenance_reason", |n| json!(n.maintenance_reason)).sortable(),
    row("management_interface", |n| interface(n, Kind::Management)).since(31).sortable().written(|n, f| set_interface(n, Kind::Management, f)),
    row("name", |n| json!(n.name)).since(5).sortable().written(|n, f| put(&mut n.name, f.text())),
    row("network_data", |n| json!(n.network_data)).since(66).written(|n, f| put(&mut n.network_data, network_data(f))),
    row("network_interface", |n| interface(n, Kind::Network)).since(20).sortable().written(|n, f| set_interface(n, Kind::Network, f)),
    row("owner", |n| json!(n.owner)).since(50).sortable().written(|n, f| put(&mut n.owner, f.text())),
    row("parent_node", |n| json!(n.parent_node)).since(83).sortable().listed_last().written(|n, f| put(&mut n.parent_node, f.uuid())),
    row("power_interface", |n| interface(n, Kind::Power)).since(31).sortable().written(|n, f| set_interface(n, Kind::Power, f)),
    row("power_state", |n| json!(n.power_state.map(PowerState::name))).sortable(),
    row("properties", |n| json!(n.properties)).written(|n, f| put(&mut n.properties, f.object())),
    row("protected", |n| json!(n.protected)).since(48).sortable().patched(|n, f| put(&mut n.protected, f.flag_or(false))),
    row("protected_reason", |n| json!(n.protected_reason)).since(48).sortable().patched(|n, f| put(&mut n.protected_reason, f.text())),
    row("provision_state", |n| json!(n.provision_state.name())).sortable(),
    row("provision_updated_at", |n| timestamp::show(n.provision_updated_at)).sortable(),
    row("raid_config", |n| json!(n.raid_config)).since(12),
    row("raid_interface", |n| interface(n, Kind::Raid)).since(31).sortable().written(|n, f| set_interface(n, Kind::Raid, f)),
    row("rescue_interface", |n| interface(n, Kind::Rescue)).since(38).sortable().written(|n, f| set_interface(n, Kind::Rescue, f)),
    row("reservation", |n| json!(n.reservation)).sortable(),
    row("resource_class", |n| json!(n.resource_class)).since(21).sortable().written(|n, f| put(&mut n.resource_class, f.text_up_to(MAX_RESOURCE_CLASS))),
    row("retired", |n| json!(n.retired)).since(61).sortable().written(|n, f| put(&mut n.retired, f.flag_or(false))),
    row("retired_reason", |n| json!(n.retired_reason)).since(61).sortable().written(|n, f| put(&mut n.retired_reason, f.text())),
    row("secure_boot", |n| json!(n.secure_boot)).since(75).sortable().created(|n, f| put(&mut n.secure_boot, f.flag())),
    row("service_step", |n| json!(n.service_step)).since(87),
    row("shard", |n| json!(n.shard)).since(82).sortable().written(|n, f| put(&mut n.shard, f.text())),
    row("storage_interface", |n| interface(n, Kind::Storage)).since(33).sortable().written(|n, f| set_interface(n, Kind::Storage, f)),
    row("target_power_state", |n| json!(n.target_power_state.map(PowerState::name))).sortable(),
    row("target_provision_state", |n| json!(n.target_provision_state)).sortable(),
    row("target_raid_config", |n| json!(n.target_raid_config)).since(12),
    row("traits", |n| json!(n.traits)).since(37),
    row("vendor_interface", |n| interface(n, Kind::Vendor)).since(31).written(|n, f| set_interface(n, Kind::Vendor, f)),
    row("conductor", |_| Value::Null).since(49).after_links(),
    row("allocation_uuid", |_| Value::Null).since(52).after_links(),
    row("chassis_uuid", |n| json!(n.chassis_uuid)).sortable().after_links().written(|n, f| put(&mut n.chassis_uuid, f.uuid())),
];

/// The fields that a node can be created with.
pub static CREATABLE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| names(NODE_FIELDS, |field| field.is_creatable));

/// The fields that can be patched, in the order of Ironic's error message.
pub static PATCHABLE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| names(NODE_FIELDS, |field| field.is_patchable));

/// The fields that nodes can be sorted by, besides the order of creation.
pub static SORTABLE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| names(NODE_FIELDS, |field| field.is_sortable));

const fn row(name: &'static str, value: fn(&Node) -> Value) -> NodeField {
    NodeField::new(name, value)
}

fn interface(node: &Node, kind: Kind) -> Value {
    match node.interface(kind) {
        "" => Value::Null,
        implementation => json!(implementation),
    }
}

/// A removed interface gets its default from the conductor.
fn set_interface(node: &mut Node, kind: Kind, field: &Field<'_>) -> Result<()> {
    node.interfaces.set(kind, field.text()?.unwrap_or_default());
    Ok(())
}

fn non_empty(field: &Field<'_>) -> Result<Option<String>> {
    let text = field.text()?;
    if text.as_deref() == Some("") {
        return Err(schema_error(field.resource, "'' should be non-empty"));
    }
    Ok(text)
}

/// A config drive of a deployment may exceed the size limit for clients; it does not count as long
/// as it is unchanged.
fn set_instance_info(node: &mut Node, field: &Field<'_>) -> Result<()> {
    let after = field.unbounded_object()?;
    let drive = after.get("configdrive");
    let kept = drive.filter(|drive| node.instance_info.get("configdrive") == Some(drive));
    let kept = kept.map_or(0, value_len);
    field.check_size(object_len(&after).saturating_sub(kept))?;
    node.instance_info = after;
    Ok(())
}

/// Groups are case-insensitive; Ironic stores them in lower case.
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

/// Only checks the outline: `links`, `networks` and `services` are required.
fn network_data(field: &Field<'_>) -> Result<crate::JsonMap> {
    let data = field.object()?;
    // Creation may omit it and a patch may remove it, but an empty value cannot be written.
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
                let shown = crate::field::repr::repr(other);
                return Err(invalid(format!("{shown} is not of type 'array'")));
            }
            None => return Err(invalid(format!("'{name}' is a required property"))),
        }
    }
    Ok(data)
}
