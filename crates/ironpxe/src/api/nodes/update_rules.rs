//! Which rules a patch of a node needs.

use ironpxe_core::node::Node;
use ironpxe_core::policy::Rule;
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use crate::api::call::Call;
use crate::api::error::Result;
use crate::api::patch;

/// The rule of each field that has one; the others have [`Rule::NodeUpdate`].
///
/// Source: Ironic's `get_patch_policies`, which compares the beginnings of paths.
const FIELDS: [(&str, Rule); 16] = [
    ("chassis_uuid", Rule::NodeUpdateChassisUuid),
    ("conductor_group", Rule::NodeUpdateConductorGroup),
    ("disable_power_off", Rule::NodeUpdateDisablePowerOff),
    ("driver", Rule::NodeUpdateDriverInterfaces),
    ("driver_info", Rule::NodeUpdateDriverInfo),
    ("extra", Rule::NodeUpdateExtra),
    ("instance_info", Rule::NodeUpdateInstanceInfo),
    ("instance_name", Rule::NodeUpdateInstanceInfo),
    ("instance_uuid", Rule::NodeUpdateInstanceUuid),
    ("lessee", Rule::NodeUpdateLessee),
    ("name", Rule::NodeUpdateName),
    ("network_data", Rule::NodeUpdateNetworkData),
    ("owner", Rule::NodeUpdateOwner),
    ("parent_node", Rule::NodeUpdateParentNode),
    ("properties", Rule::NodeUpdateProperties),
    ("shard", Rule::NodeUpdateShard),
];

/// Refuses a patch with an operation that the policy does not allow.
pub(super) fn authorize(call: &Call, node: &Node, patch: &Patch) -> Result<()> {
    if patch.0.is_empty() {
        return call.authorize_node(Rule::NodeUpdate, node);
    }
    let mut rules = patch.0.iter().map(rule);
    rules.try_for_each(|rule| call.authorize_node(rule, node))
}

fn rule(operation: &PatchOperation) -> Rule {
    let field = patch::field(operation);
    if let Some((_, rule)) = FIELDS.iter().find(|(name, _)| *name == field) {
        return *rule;
    }
    match field.as_str() {
        "retired" | "retired_reason" => Rule::NodeUpdateRetired,
        "automated_clean" if disables(operation) => Rule::NodeDisableCleaning,
        interface if interface.ends_with("_interface") => Rule::NodeUpdateDriverInterfaces,
        _ => Rule::NodeUpdate,
    }
}

/// Whether the operation writes `false`, in whatever spelling it is accepted.
fn disables(operation: &PatchOperation) -> bool {
    let value = match operation {
        PatchOperation::Add(add) => &add.value,
        PatchOperation::Replace(replace) => &replace.value,
        _ => return false,
    };
    !matches!(value, Value::Bool(true) | Value::Null)
}
