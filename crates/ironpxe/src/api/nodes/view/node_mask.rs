//! What of a node its viewer does not see: fields that a rule withholds, and secrets in the others.
//!
//! Source: Ironic's `node_sanitize`.

use ironpxe_core::field::Mask;
use ironpxe_core::node::Node;
use ironpxe_core::node::fields::NodeField;
use ironpxe_core::policy::Rule;
use serde_json::{Value, json};

use super::state;
use crate::api::access::of_node;
use crate::api::call::Call;

/// The fields with a rule, and what is shown instead of their value. The differences in spelling are
/// Ironic's.
const FIELDS: [(&str, Rule, Instead); 4] = [
    (
        "last_error",
        Rule::NodeGetLastError,
        Instead::Text("** Value Redacted - Requires baremetal:node:get:last_error permission. **"),
    ),
    (
        "reservation",
        Rule::NodeGetReservation,
        Instead::Text("** Redacted - requires baremetal:node:get:reservation permission. **"),
    ),
    (
        "driver_internal_info",
        Rule::NodeGetDriverInternalInfo,
        Instead::Content(
            "** Redacted - Requires baremetal:node:get:driver_internal_info permission. **",
        ),
    ),
    (
        "driver_info",
        Rule::NodeGetDriverInfo,
        Instead::Content("** Redacted - requires baremetal:node:get:driver_info permission. **"),
    ),
];

#[derive(Debug, Clone, Copy)]
enum Instead {
    Text(&'static str),
    /// An object with this text.
    Content(&'static str),
}

/// What the caller does not see of a node.
pub(super) struct NodeMask {
    withholds: bool,
    shows_passwords: bool,
    shows_instance_secrets: bool,
}

impl NodeMask {
    pub(super) fn of(call: &Call, node: &Node) -> Self {
        Self {
            withholds: !call.may(Rule::NodeGetFilterThreshold, &of_node(node)),
            shows_passwords: call.sees_secrets(Rule::ShowPassword, &of_node(node)),
            shows_instance_secrets: call.sees_secrets(Rule::ShowInstanceSecrets, &of_node(node)),
        }
    }

    /// A field as the caller sees it.
    pub(super) fn value(&self, call: &Call, node: &Node, field: &NodeField) -> Value {
        if self.withholds
            && let Some((_, rule, instead)) = FIELDS.iter().find(|(name, ..)| *name == field.name)
            && !call.may(*rule, &of_node(node))
        {
            return match instead {
                Instead::Text(text) => json!(text),
                Instead::Content(text) => json!({ "content": text }),
            };
        }
        let is_shown = match field.mask {
            Mask::Secrets => self.shows_passwords,
            Mask::InstanceInfo => self.shows_instance_secrets,
            Mask::Nothing => true,
        };
        if is_shown && field.name != "provision_state" {
            return (field.value)(node);
        }
        state(call, node, field)
    }
}
