//! The actions of each task, their order, and how the task ends.
//!
//! With the hardware types of this release, a task for an agent ends in the state that waits for
//! the agent, and all others end immediately by `fake` or `noop` interfaces. The actions follow
//! from the node alone, so any conductor can continue the task.
//!
//! Source: Ironic's `conductor/deployments.py`, `cleaning.py`, `inspection.py`, `servicing.py`,
//! `manager.py` (`_do_node_tear_down`), and `drivers/modules/pxe_base.py` (`prepare_ramdisk`,
//! `prepare_instance`).

use time::OffsetDateTime;

use super::event::{Action, Facts, Progress};
use super::transition::{heads_for_manageable, transition};
use crate::boot::{
    BootPlan, Machine, RamdiskFlag, boots_from_volume, decide, decide_in, is_past_the_agent,
};
use crate::boot_device::BootDevice;
use crate::driver::agent::{self, OperationKind};
use crate::driver::boot::BootInterface;
use crate::driver::deploy::DeployInterface;
use crate::driver::steps::{self, StepKind};
use crate::error;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::power_state::PowerState;
use crate::provision_state::{FsmEvent, Phase, ProvisionState, Task};

/// The actions of a task, and the event of the state machine after all of them succeeded. An error
/// says why the task cannot succeed.
type Actions = Result<(Vec<Action>, FsmEvent), String>;

/// Records the progress of a reserved node's task, and returns the next action. If there is none,
/// the reservation is removed.
pub(super) fn continue_task(
    node: &mut Node,
    progress: &Progress,
    at: OffsetDateTime,
    facts: &Facts<'_>,
) -> error::Result<Option<Action>> {
    let last = match progress {
        Progress::Started => None,
        Progress::ImageFound(properties) => {
            properties.apply(node);
            Some(Action::CheckImage)
        }
        Progress::Done(action) => {
            if let Action::SetPower(state) = action {
                node.power_state = Some(*state);
            }
            Some(*action)
        }
        Progress::Failed(action, problem) => {
            let error = action.error(problem);
            if working_on(node).is_some() {
                fail(node, error, at)?;
            } else {
                // The task failed earlier, which is the more important error.
                let before = node.last_error.take().unwrap_or_default();
                node.last_error = Some(format!("{before} {error}"));
            }
            node.reservation = None;
            return Ok(None);
        }
    };
    follow(node, last, at, facts)
}

/// The action after `last`; if there is none, the task ends.
pub(super) fn follow(
    node: &mut Node,
    mut last: Option<Action>,
    at: OffsetDateTime,
    facts: &Facts<'_>,
) -> error::Result<Option<Action>> {
    while let Some(task) = working_on(node) {
        let course = actions_of(node, task, last, facts);
        if let Ok((actions, _)) = &course {
            let comes_next = |action: &&Action| last.is_none_or(|last| action.follows(last));
            if let Some(action) = actions.iter().find(comes_next) {
                return Ok(Some(*action));
            }
        }
        end(node, task, course, at, facts)?;
        // After a tear-down the node is cleaned, from the first action.
        last = None;
    }
    node.reservation = None;
    Ok(None)
}

/// The task that a conductor is executing.
fn working_on(node: &Node) -> Option<Task> {
    match node.provision_state.known()?.row().phase {
        Phase::Working(task) => Some(task),
        Phase::Idle | Phase::Waiting(_) | Phase::Held(_) | Phase::Failed(_) => None,
    }
}

/// The actions of a task after the action `last`.
fn actions_of(node: &Node, task: Task, last: Option<Action>, facts: &Facts<'_>) -> Actions {
    use ProvisionState as S;
    match task {
        Task::Inspect if by_agent(node, InterfaceKind::Inspect) => {
            ramdisk(node, S::InspectWait, false, facts)
        }
        Task::Rescue if by_agent(node, InterfaceKind::Rescue) => {
            ramdisk(node, S::RescueWait, false, facts)
        }
        Task::Verify | Task::Inspect | Task::Rescue => Ok((Vec::new(), FsmEvent::Done)),
        Task::Clean => clean(node, facts),
        Task::Deploy => deploy(node, last, facts),
        Task::TearDown => Ok((tear_down(node, facts), FsmEvent::Clean)),
        Task::Adopt => {
            // A running machine is left alone.
            let mut actions = instance(node, facts);
            actions.retain(|action| *action == Action::UpdateDhcp);
            Ok((actions, FsmEvent::Done))
        }
        Task::Unrescue => Ok((instance(node, facts), FsmEvent::Done)),
        Task::Service => service(node, facts),
    }
}

fn by_agent(node: &Node, kind: InterfaceKind) -> bool {
    OperationKind::of(node, kind) == OperationKind::Agent
}

fn deploy(node: &Node, last: Option<Action>, facts: &Facts<'_>) -> Actions {
    let deploy = deploy_interface(node)?;
    let on = Action::SetPower(PowerState::On);
    if is_past_the_agent(node).unwrap_or_default().is_some() {
        // The installer has finished.
        let from_disk = Action::SetBootDevice(BootDevice::Disk, true);
        return Ok((vec![from_disk, on], FsmEvent::Done));
    }
    // Nothing is written when the instance boots from a volume.
    let on_volume = boots_from_volume(node).is_some();
    let boots_over_network = BootInterface::of(node).boots_over_network();
    if last.is_none() && !on_volume && deploy.boots_over_network() && boots_over_network {
        // The image decides what the machine boots.
        return Ok((vec![Action::CheckImage], FsmEvent::Done));
    }
    if deploy.deploys() == OperationKind::Agent && !on_volume {
        // The installer boots over the network until it has finished.
        let persistent = deploy == DeployInterface::Anaconda;
        return ramdisk(node, ProvisionState::DeployWait, persistent, facts);
    }
    let mut actions = instance(node, facts);
    actions.push(on);
    Ok((actions, FsmEvent::Done))
}

fn clean(node: &Node, facts: &Facts<'_>) -> Actions {
    let worker = deploy_interface(node)?.cleans();
    let manual = heads_for_manageable(node);
    let wanted = manual || node.automated_clean.unwrap_or(facts.automated_clean);
    let without_ramdisk = manual && RamdiskFlag::Cleaning.is_set(node).unwrap_or_default();
    if wanted && worker == OperationKind::Agent && !without_ramdisk {
        return ramdisk(node, ProvisionState::CleanWait, false, facts);
    }
    if manual && worker == OperationKind::Noop {
        refuse_steps(node, StepKind::Clean)?;
    }
    let event = if manual {
        FsmEvent::Manage
    } else {
        FsmEvent::Done
    };
    Ok((Vec::new(), event))
}

fn service(node: &Node, facts: &Facts<'_>) -> Actions {
    let worker = deploy_interface(node)?.cleans();
    let without_ramdisk = RamdiskFlag::Service.is_set(node).unwrap_or_default();
    if worker == OperationKind::Agent && !without_ramdisk {
        return ramdisk(node, ProvisionState::ServiceWait, false, facts);
    }
    if worker == OperationKind::Noop {
        refuse_steps(node, StepKind::Service)?;
    }
    Ok((Vec::new(), FsmEvent::Done))
}

/// Removes the instance's boot options, unless the machine immediately boots a ramdisk for
/// cleaning.
fn tear_down(node: &Node, facts: &Facts<'_>) -> Vec<Action> {
    let mut without = node.clone();
    remove_instance(&mut without);
    let boots_ramdisk = matches!(clean(&without, facts), Ok((_, FsmEvent::Wait)));
    let off = Action::SetPower(PowerState::Off);
    if BootInterface::of(node).boots_over_network() && !boots_ramdisk {
        vec![Action::ClearDhcp, off]
    } else {
        vec![off]
    }
}

/// Boots a ramdisk or (`persistent`) an installer, for which the node then waits in `state`.
fn ramdisk(node: &Node, state: ProvisionState, persistent: bool, facts: &Facts<'_>) -> Actions {
    let on = Action::SetPower(PowerState::On);
    let Some(device) = BootInterface::of(node).network_device(node) else {
        return Ok((vec![on], FsmEvent::Wait));
    };
    decide_in(node, state, None, facts.boot, facts.request_id).map_err(|refusal| {
        let advice = refusal.advice(&node.label());
        format!("Cannot boot the ramdisk: {refusal}; {advice}")
    })?;
    let boot = Action::SetBootDevice(device, persistent);
    Ok((vec![Action::UpdateDhcp, boot, on], FsmEvent::Wait))
}

/// The actions to boot the instance.
fn instance(node: &Node, facts: &Facts<'_>) -> Vec<Action> {
    let Some(device) = BootInterface::of(node).network_device(node) else {
        return Vec::new();
    };
    let mut active = node.clone();
    active.provision_state = ProvisionState::Active.into();
    match decide(Machine::of(&active), facts.boot, facts.request_id) {
        BootPlan::LocalDisk(_) => vec![Action::SetBootDevice(BootDevice::Disk, true)],
        BootPlan::Linux(_) | BootPlan::Volume(_) | BootPlan::Iso(_) | BootPlan::Refuse(_) => {
            vec![Action::UpdateDhcp, Action::SetBootDevice(device, true)]
        }
    }
}

/// Rejects steps that the node's interfaces do not have.
///
/// Source: Ironic's `conductor/cleaning.py` and `servicing.py`.
fn refuse_steps(node: &Node, flow: StepKind) -> Result<(), String> {
    let Some(problem) = steps::refusal(node, flow) else {
        return Ok(());
    };
    let (verb, uuid) = (flow.name(), node.uuid);
    Err(format!("Cannot {verb} node {uuid}: {problem}"))
}

fn deploy_interface(node: &Node) -> Result<DeployInterface, String> {
    let name = node.interface(InterfaceKind::Deploy);
    DeployInterface::of(node).ok_or_else(|| format!("unknown deploy interface {name:?}"))
}

/// Ends a task whose actions are complete.
fn end(
    node: &mut Node,
    task: Task,
    course: Actions,
    at: OffsetDateTime,
    facts: &Facts<'_>,
) -> error::Result<()> {
    if task == Task::Inspect {
        node.inspection_started_at = Some(at);
    }
    let installs = DeployInterface::of(node) == Some(DeployInterface::Anaconda);
    if task == Task::Deploy && installs && is_past_the_agent(node).unwrap_or_default().is_none() {
        // An installer cannot request its token: it is in its kickstart.
        agent::pregenerate_token(node, facts.agent_token.to_owned());
    }
    match course {
        Ok((_, event)) => {
            if event != FsmEvent::Wait {
                leave(node, task, at);
            }
            transition(node, event, at)
        }
        Err(reason) => fail(node, reason, at),
    }
}

/// Clears the data of a task that has succeeded.
fn leave(node: &mut Node, task: Task, at: OffsetDateTime) {
    match task {
        Task::Inspect => node.inspection_finished_at = Some(at),
        Task::Clean => {
            node.driver_internal_info.remove("clean_steps");
            RamdiskFlag::Cleaning.set(node, false);
        }
        Task::Deploy => node.deploy_step.clear(),
        Task::TearDown => remove_instance(node),
        Task::Unrescue => {
            node.instance_info.remove("rescue_password");
        }
        Task::Service => RamdiskFlag::Service.set(node, false),
        Task::Verify | Task::Adopt | Task::Rescue => {}
    }
}

fn fail(node: &mut Node, error: String, at: OffsetDateTime) -> error::Result<()> {
    node.last_error = Some(error);
    transition(node, FsmEvent::Fail, at)
}

/// Removes the instance from the node. Source: Ironic's conductor (`_do_node_tear_down`).
fn remove_instance(node: &mut Node) {
    node.instance_info.clear();
    node.instance_uuid = None;
    node.instance_name = None;
    node.deploy_step.clear();
    agent::forget(node);
    for key in agent::LAST_SEEN.into_iter().chain([
        "boot_from_volume",
        "image_properties",
        "deploy_steps",
        "instance",
        "is_source_a_path",
        "is_whole_disk_image",
        "root_uuid_or_disk_id",
        "user_deploy_steps",
    ]) {
        node.driver_internal_info.remove(key);
    }
}
