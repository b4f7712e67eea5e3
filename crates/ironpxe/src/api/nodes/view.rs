//! A node as JSON: the one place where nodes are shown.
//!
//! Which fields: those the client asked for, of those its API version knows. In which order: as
//! Ironic does.

use ironpxe_core::error::Fault;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::microversion::node_field_since;
use ironpxe_core::node::Node;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::ProvisionState;
use serde_json::{Map, Value, json};

use crate::api::error::{ApiError, Result};
use crate::api::nodes::conductor::Conductors;
use crate::api::nodes::mask;
use crate::api::request::Call;
use crate::api::time;

/// The fields of a short list.
pub(super) const SUMMARY: [&str; 6] = [
    "instance_uuid",
    "maintenance",
    "power_state",
    "provision_state",
    "uuid",
    "name",
];

/// What always comes first, if it is shown.
const FIRST: [&str; 3] = ["uuid", "created_at", "updated_at"];

/// All other stored fields, in Ironic's order.
const STORED: [&str; 58] = [
    "automated_clean",
    "bios_interface",
    "boot_interface",
    "boot_mode",
    "clean_step",
    "conductor_group",
    "console_enabled",
    "console_interface",
    "disable_power_off",
    "deploy_interface",
    "deploy_step",
    "description",
    "driver",
    "driver_info",
    "driver_internal_info",
    "extra",
    "fault",
    "firmware_interface",
    "health",
    "inspection_finished_at",
    "inspection_started_at",
    "inspect_interface",
    "instance_info",
    "instance_name",
    "instance_uuid",
    "last_error",
    "lessee",
    "maintenance",
    "maintenance_reason",
    "management_interface",
    "name",
    "network_data",
    "network_interface",
    "owner",
    "parent_node",
    "power_interface",
    "power_state",
    "properties",
    "protected",
    "protected_reason",
    "provision_state",
    "provision_updated_at",
    "raid_config",
    "raid_interface",
    "rescue_interface",
    "reservation",
    "resource_class",
    "retired",
    "retired_reason",
    "secure_boot",
    "service_step",
    "shard",
    "storage_interface",
    "target_power_state",
    "target_provision_state",
    "target_raid_config",
    "traits",
    "vendor_interface",
];

/// What is worked out rather than stored; it comes after the links.
const DERIVED: [&str; 3] = ["conductor", "allocation_uuid", "chassis_uuid"];

/// The links to what belongs to a node; only the full view has them.
const BELONGINGS: [&str; 4] = ["ports", "states", "portgroups", "volume"];

/// Refuses fields that no node has, and those the client's API version does not know.
pub(super) fn check_fields(call: &Call, fields: Option<&[String]>) -> Result<()> {
    let Some(fields) = fields else { return Ok(()) };
    call.accept(8)?;
    for field in fields {
        let name = field.as_str();
        let known = FIRST.contains(&name) || STORED.contains(&name) || DERIVED.contains(&name);
        if !known {
            return Err(ApiError::invalid(format!(
                "Field {name} is not a valid field."
            )));
        }
        if !call.has(node_field_since(name)) {
            return Err(Fault::NotAcceptable.into());
        }
    }
    Ok(())
}

/// The node, with all fields, or with `fields` and the links.
pub(super) fn show(
    call: &Call,
    conductors: &Conductors,
    node: &Node,
    fields: Option<&[&str]>,
) -> Value {
    let wanted = |name: &str| {
        fields.is_none_or(|fields| fields.contains(&name)) && call.has(node_field_since(name))
    };
    let stored: Vec<&str> = match fields {
        None => FIRST.iter().chain(&STORED).copied().collect(),
        Some(fields) => {
            let rest = fields.iter().filter(|name| !FIRST.contains(name));
            let rest = rest.filter(|name| !DERIVED.contains(name));
            FIRST.iter().chain(rest).copied().collect()
        }
    };
    let mut body = Map::new();
    for name in stored.into_iter().filter(|name| wanted(name)) {
        body.insert(name.to_owned(), value(call, node, name));
    }
    let path = format!("nodes/{}", node.uuid);
    body.insert("links".to_owned(), call.links.pair(&path));
    for name in DERIVED.into_iter().filter(|name| wanted(name)) {
        let value = match name {
            "conductor" => json!(conductors.of(node)),
            "chassis_uuid" => json!(node.chassis_uuid),
            // There are no allocations here.
            _ => Value::Null,
        };
        body.insert(name.to_owned(), value);
    }
    if fields.is_none() {
        for name in BELONGINGS
            .into_iter()
            .filter(|name| call.has(node_field_since(name)))
        {
            body.insert(name.to_owned(), call.links.pair(&format!("{path}/{name}")));
        }
    }
    Value::Object(body)
}

/// The provision state as the client's API version knows it.
pub(super) fn provision_state(call: &Call, node: &Node) -> Value {
    match node.provision_state.known() {
        Some(ProvisionState::Available) if !call.has(2) => Value::Null,
        Some(ProvisionState::InspectWait) if !call.has(39) => {
            json!(ProvisionState::Inspecting.name())
        }
        _ => json!(node.provision_state.name()),
    }
}

/// One stored field.
pub(super) fn value(call: &Call, node: &Node, name: &str) -> Value {
    let interface = InterfaceKind::ALL
        .into_iter()
        .find(|kind| kind.field() == name);
    if let Some(kind) = interface {
        let implementation = node.interface(kind);
        return if implementation.is_empty() {
            Value::Null
        } else {
            json!(implementation)
        };
    }
    match name {
        "uuid" => json!(node.uuid),
        "created_at" => time::show(Some(node.created_at)),
        "updated_at" => time::show(node.updated_at),
        "automated_clean" => json!(node.automated_clean),
        "boot_mode" => json!(node.boot_mode),
        "clean_step" => json!(node.clean_step),
        "conductor_group" => json!(node.conductor_group),
        "console_enabled" => json!(node.console_enabled),
        "deploy_step" => json!(node.deploy_step),
        "description" => json!(node.description),
        "disable_power_off" => json!(node.disable_power_off),
        "driver" => json!(node.driver),
        "driver_info" => json!(mask::mask(&node.driver_info)),
        "driver_internal_info" => json!(mask::mask(&node.driver_internal_info)),
        "extra" => json!(node.extra),
        "fault" => json!(node.fault),
        "inspection_finished_at" => time::show(node.inspection_finished_at),
        "inspection_started_at" => time::show(node.inspection_started_at),
        "instance_info" => json!(mask::mask_instance_info(&node.instance_info)),
        "instance_name" => json!(node.instance_name),
        "instance_uuid" => json!(node.instance_uuid),
        "last_error" => json!(node.last_error),
        "lessee" => json!(node.lessee),
        "maintenance" => json!(node.maintenance),
        "maintenance_reason" => json!(node.maintenance_reason),
        "name" => json!(node.name),
        "network_data" => json!(node.network_data),
        "owner" => json!(node.owner),
        "parent_node" => json!(node.parent_node),
        "power_state" => json!(node.power_state.map(PowerState::name)),
        "properties" => json!(node.properties),
        "protected" => json!(node.protected),
        "protected_reason" => json!(node.protected_reason),
        "provision_state" => provision_state(call, node),
        "provision_updated_at" => time::show(node.provision_updated_at),
        "raid_config" => json!(node.raid_config),
        "reservation" => json!(node.reservation),
        "resource_class" => json!(node.resource_class),
        "retired" => json!(node.retired),
        "retired_reason" => json!(node.retired_reason),
        "secure_boot" => json!(node.secure_boot),
        "service_step" => json!(node.service_step),
        "shard" => json!(node.shard),
        "target_power_state" => json!(node.target_power_state.map(PowerState::name)),
        "target_provision_state" => json!(node.target_provision_state),
        "target_raid_config" => json!(node.target_raid_config),
        "traits" => json!(node.traits),
        // `health`: nothing here watches it.
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests;
