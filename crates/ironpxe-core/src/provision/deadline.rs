//! Timeouts of nodes that wait for their ramdisk.
//!
//! They do not apply to nodes in maintenance, nor to reserved nodes.
//!
//! Source: Ironic's `conductor/manager.py` (`_check_deploy_timeouts`, `_check_cleanwait_timeouts`,
//! `_check_inspect_wait_timeouts`, `_check_rescuewait_timeouts`, `_check_servicewait_timeouts`) and
//! the error handlers in `conductor/utils.py`.

use core::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::event::{Action, CallbackTimeouts, Facts};
use super::transition::transition;
use crate::JsonMap;
use crate::driver::agent;
use crate::error::Result;
use crate::field::repr::repr;
use crate::node::Node;
use crate::power_state::PowerState;
use crate::provision_state::{FsmEvent, Phase, ProvisionState, Task};

impl CallbackTimeouts {
    /// The time limit in `state`, and its option; `None` if a node does not wait in this state or
    /// the limit is disabled.
    pub fn limit(&self, state: ProvisionState) -> Option<(Duration, &'static str)> {
        let (limit, option) = match waits_for(state)? {
            Task::Deploy => (self.deploy, "deploy_callback_timeout"),
            Task::Clean => (self.clean, "clean_callback_timeout"),
            Task::Inspect => (self.inspect, "inspect_wait_timeout"),
            Task::Rescue => (self.rescue, "rescue_callback_timeout"),
            Task::Service => (self.service, "service_callback_timeout"),
            // These have no state in which a node waits.
            Task::Verify | Task::TearDown | Task::Adopt | Task::Unrescue => return None,
        };
        Some((limit, option)).filter(|_| !limit.is_zero())
    }
}

fn waits_for(state: ProvisionState) -> Option<Task> {
    match state.row().phase {
        Phase::Waiting(task) => Some(task),
        Phase::Idle | Phase::Working(_) | Phase::Held(_) | Phase::Failed(_) => None,
    }
}

/// The task whose wait has timed out at this time. An installer's heartbeats extend the wait; an
/// inspection is timed from its start.
fn overdue(node: &Node, at: OffsetDateTime, timeouts: &CallbackTimeouts) -> Option<Task> {
    let state = node.provision_state.known()?;
    let (limit, _) = timeouts.limit(state)?;
    let task = waits_for(state)?;
    let begun = node.inspection_started_at.filter(|_| task == Task::Inspect);
    let since = begun.or(node.provision_updated_at)?;
    let is_left_alone = node.reservation.is_some() || node.maintenance;
    (!is_left_alone && at - since > limit).then_some(task)
}

/// Fails the node's task if its wait has timed out.
pub(super) fn apply(
    node: &mut Node,
    at: OffsetDateTime,
    facts: &Facts<'_>,
) -> Result<Option<Action>> {
    let Some(task) = overdue(node, at, facts.callback_timeouts) else {
        return Ok(None);
    };
    let last_error = last_error(node, task);
    transition(node, FsmEvent::Fail, at)?;
    // An interrupted step may have left the machine in any condition.
    let fault = match task {
        Task::Clean => interrupted(&mut node.clean_step).then_some("clean failure"),
        Task::Service => interrupted(&mut node.service_step).then_some("service failure"),
        Task::Deploy => {
            node.deploy_step.clear();
            None
        }
        Task::Inspect
        | Task::Rescue
        | Task::Verify
        | Task::TearDown
        | Task::Adopt
        | Task::Unrescue => None,
    };
    if let Some(fault) = fault {
        node.fault = Some(fault.to_owned());
        node.maintenance = true;
        if node.maintenance_reason.is_none() {
            node.maintenance_reason = Some(last_error.clone());
        }
    }
    agent::forget(node);
    node.last_error = Some(last_error);
    // After a deployment the machine stays on, so that its console can be inspected.
    if task == Task::Deploy || fault.is_some() || node.disable_power_off {
        return Ok(None);
    }
    node.reservation = Some(facts.host.to_owned());
    Ok(Some(Action::SetPower(PowerState::Off)))
}

/// The `last_error`, in Ironic's wording, and the last heartbeat, if there was one: it shows that
/// the ramdisk booted but did not finish.
fn last_error(node: &Node, task: Task) -> String {
    let step = |step: &JsonMap| repr(&Value::Object(step.clone()));
    let words = match task {
        Task::Clean => format!(
            "Timeout reached while cleaning the node. Please check if the ramdisk responsible for \
             the cleaning is running on the node. Failed on step {}.",
            step(&node.clean_step)
        ),
        Task::Inspect => "Timeout reached while inspecting the node. Please check if the ramdisk \
                          responsible for the inspection is running on the node."
            .to_owned(),
        Task::Rescue => {
            "Timeout reached while waiting for rescue ramdisk callback for node".to_owned()
        }
        Task::Service => format!(
            "Timeout reached while servicing the node. Please check if the ramdisk responsible for \
             the servicing is running on the node. Failed on step {}.",
            step(&node.service_step)
        ),
        Task::Deploy | Task::Verify | Task::TearDown | Task::Adopt | Task::Unrescue => format!(
            "Timeout reached while waiting for callback for node {}",
            node.uuid
        ),
    };
    match agent::last_heartbeat(node) {
        Some(at) => format!(
            "{words} The last heartbeat from the machine was at {at} (UTC): its installer has \
             not finished, or it runs an agent, whose steps are not supported yet."
        ),
        None => words,
    }
}

/// Whether a step was being executed; clears it.
fn interrupted(step: &mut JsonMap) -> bool {
    let any = !step.is_empty();
    step.clear();
    any
}
