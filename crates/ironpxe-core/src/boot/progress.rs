//! The progress of a task, as far as it affects what the machine boots: the step of a deployment,
//! and whether cleaning or service runs without a ramdisk.
//!
//! The names are Ironic's: `deploy_step`, and `cleaning_disable_ramdisk` and
//! `service_disable_ramdisk` in `driver_internal_info`. They are stored in the node's row, so every
//! change increments the node's revision.

use serde_json::Value;

use super::fields::Fields;
use super::refusal::Refusal;
use crate::node::Node;
use crate::power_state::PowerState;

/// The deploy steps after the agent, in their order: the machine is powered off, and on again as
/// the instance, all in state `deploying`. Source: Ironic's `drivers/modules/agent_base.py`.
pub(super) const AFTER_THE_AGENT: [&str; 3] = [
    "tear_down_agent",
    "switch_to_tenant_network",
    "boot_instance",
];

/// The priority of `tear_down_agent`. Steps run by decreasing priority, so steps with a lower one
/// run without the agent.
const TEAR_DOWN_AGENT: f64 = 40.0;

/// Why the deployment no longer needs its agent; `None` if it does.
pub(crate) fn is_past_the_agent(node: &Node) -> Result<Option<String>, Refusal> {
    let fields = Fields::deploy_step(node);
    let Some(step) = fields.string_if_any("step")? else {
        return Ok(None);
    };
    if AFTER_THE_AGENT.contains(&step) {
        return Ok(Some(format!(
            "deploy_step is \"{step}\": the agent has finished"
        )));
    }
    let priority = fields.get("priority")?.and_then(Value::as_f64);
    let low = priority.filter(|priority| *priority < TEAR_DOWN_AGENT);
    Ok(low.map(|priority| {
        format!(
            "deploy_step \"{step}\" has priority {priority}, below the {TEAR_DOWN_AGENT} of \
             tear_down_agent: the agent has finished"
        )
    }))
}

/// Whether a deployment by Ironic has done all its steps, although its state is `deploying` still.
///
/// Ironic clears `deploy_step` and sets `deploy_steps` to `null`, and changes the state only when
/// the console is started. The same is there before the first step of a later deployment, when the
/// machine is powered off, or still runs the instance of before.
///
/// Source: Ironic's `conductor/deployments.py` (`do_next_deploy_step`), `conductor/utils.py`
/// (`wipe_deploy_internal_info`).
pub(super) fn has_done_all_steps(node: &Node) -> Result<bool, Refusal> {
    let is_between_steps = Fields::deploy_step(node).get("step")?.is_none();
    if !is_between_steps || node.power_state != Some(PowerState::On) {
        return Ok(false);
    }
    let steps = Fields::driver_internal_info(node).get("deploy_steps")?;
    Ok(steps == Some(&Value::Null))
}

/// Clears the progress of an earlier task.
pub(super) fn forget_progress(node: &mut Node) {
    node.deploy_step.clear();
    RamdiskFlag::Cleaning.set(node, false);
    RamdiskFlag::Service.set(node, false);
}

/// Tasks that can run without a ramdisk, by their flag in `driver_internal_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RamdiskFlag {
    /// Manual cleaning, by the operator's `disable_ramdisk`.
    Cleaning,
    /// Servicing, by the operator's `disable_ramdisk`, or because no step needs it.
    Service,
}

impl RamdiskFlag {
    /// The field's name for people.
    pub(super) fn field(self) -> String {
        format!("driver_internal_info.{}", self.key())
    }

    fn key(self) -> &'static str {
        match self {
            Self::Cleaning => "cleaning_disable_ramdisk",
            Self::Service => "service_disable_ramdisk",
        }
    }

    /// Records whether the task runs without a ramdisk.
    pub fn set(self, node: &mut Node, disabled: bool) {
        let info = &mut node.driver_internal_info;
        if disabled {
            info.insert(self.key().to_owned(), Value::Bool(true));
        } else {
            info.remove(self.key());
        }
    }

    /// Whether the task runs without a ramdisk. Ironic writes `null` for unset.
    pub(crate) fn is_set(self, node: &Node) -> Result<bool, Refusal> {
        match Fields::driver_internal_info(node).get(self.key())? {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(disabled)) => Ok(*disabled),
            Some(_) => Err(Refusal::BadValue {
                field: self.field(),
                problem: "must be true or false".to_owned(),
            }),
        }
    }
}
