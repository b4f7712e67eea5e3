//! What is done for each task, in which order, and how it ends.
//!
//! With the hardware types of this release work that an agent would do ends in the state that waits
//! for the agent, and everything else ends at once, by interfaces that are called `fake` or `noop`.
//! What a task has to do follows from the node alone, so that any conductor can tell.
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
use crate::driver::agent::{self, Worker};
use crate::driver::boot::BootInterface;
use crate::driver::deploy::DeployInterface;
use crate::driver::steps::{self, Flow};
use crate::error::Result;
use crate::interface::InterfaceKind;
use crate::node::Node;
use crate::power_state::PowerState;
use crate::provision_state::{FsmEvent, Phase, ProvisionState, Task};

/// What a task does, and how it ends if all of that succeeds.
struct Course {
    actions: Vec<Action>,
    end: End,
}

/// How a task ends.
enum End {
    /// The node waits for the ramdisk or the installer.
    Wait,
    /// This event of the state machine ends the task.
    Event(FsmEvent),
    /// The instance is gone, and the node is cleaned.
    Clean,
    /// It cannot succeed, for this reason.
    Fail(String),
}

impl Course {
    fn ends(event: FsmEvent) -> Self {
        Self {
            actions: Vec::new(),
            end: End::Event(event),
        }
    }

    fn fails(reason: String) -> Self {
        Self {
            actions: Vec::new(),
            end: End::Fail(reason),
        }
    }
}

/// Takes in how the task of a reserved node has come on, and says what is to be done next. If
/// nothing is, the node is released.
pub(super) fn go_on(
    node: &mut Node,
    progress: &Progress,
    at: OffsetDateTime,
    facts: &Facts<'_>,
) -> Result<Option<Action>> {
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
                // The task had failed before, which is the more important news.
                let before = node.last_error.take().unwrap_or_default();
                node.last_error = Some(format!("{before} {error}"));
            }
            node.reservation = None;
            return Ok(None);
        }
    };
    follow(node, last, at, facts)
}

/// What is to be done after `last`; if nothing is, the task ends.
pub(super) fn follow(
    node: &mut Node,
    mut last: Option<Action>,
    at: OffsetDateTime,
    facts: &Facts<'_>,
) -> Result<Option<Action>> {
    while let Some(task) = working_on(node) {
        let course = course(node, task, facts);
        let comes_next =
            |action: &Action| last.is_none_or(|last: Action| action.position() > last.position());
        if let Some(action) = course.actions.into_iter().find(comes_next) {
            return Ok(Some(action));
        }
        end(node, task, course.end, at, facts)?;
        // After a tear-down the node is cleaned, from the beginning.
        last = None;
    }
    node.reservation = None;
    Ok(None)
}

/// The task that a conductor works on.
fn working_on(node: &Node) -> Option<Task> {
    match node.provision_state.known()?.row().phase {
        Phase::Working(task) => Some(task),
        Phase::Idle | Phase::Waiting(_) | Phase::Held(_) | Phase::Failed(_) => None,
    }
}

fn course(node: &Node, task: Task, facts: &Facts<'_>) -> Course {
    use ProvisionState as S;
    match task {
        Task::Verify => Course::ends(FsmEvent::Done),
        Task::Inspect => match Worker::of(node, InterfaceKind::Inspect) {
            Worker::Agent => ramdisk(node, S::InspectWait, false, facts),
            Worker::Nobody | Worker::Unsupported => Course::ends(FsmEvent::Done),
        },
        Task::Clean => clean(node, facts),
        Task::Deploy => deploy(node, facts),
        Task::TearDown => tear_down(node, facts),
        // What runs already is left alone: only the DHCP server is told.
        Task::Adopt => {
            let mut actions = instance(node, facts);
            actions.retain(|action| *action == Action::UpdateDhcp);
            Course {
                actions,
                ..Course::ends(FsmEvent::Done)
            }
        }
        Task::Rescue => match Worker::of(node, InterfaceKind::Rescue) {
            Worker::Agent => ramdisk(node, S::RescueWait, false, facts),
            Worker::Nobody | Worker::Unsupported => Course::ends(FsmEvent::Done),
        },
        Task::Unrescue => Course {
            actions: instance(node, facts),
            ..Course::ends(FsmEvent::Done)
        },
        Task::Service => service(node, facts),
    }
}

fn deploy(node: &Node, facts: &Facts<'_>) -> Course {
    let Some(deploy) = DeployInterface::of(node) else {
        return unknown_deploy_interface(node);
    };
    if is_past_the_agent(node).is_some() {
        // The installer has finished.
        return Course {
            actions: vec![
                Action::SetBootDevice(BootDevice::Disk, true),
                Action::SetPower(PowerState::On),
            ],
            ..Course::ends(FsmEvent::Done)
        };
    }
    // On a volume there is nothing to write.
    let on_volume = boots_from_volume(node).is_some();
    let mut course = if deploy.deploys() == Worker::Agent && !on_volume {
        // An installer is an instance that boots over the network until it has installed.
        let persistent = deploy == DeployInterface::Anaconda;
        ramdisk(node, ProvisionState::DeployWait, persistent, facts)
    } else {
        let mut actions = instance(node, facts);
        actions.push(Action::SetPower(PowerState::On));
        Course {
            actions,
            ..Course::ends(FsmEvent::Done)
        }
    };
    if !on_volume && deploy.boots_over_network() && BootInterface::of(node).boots_over_network() {
        // First, because what the machine boots may depend on it.
        course.actions.insert(0, Action::CheckImage);
    }
    course
}

fn clean(node: &Node, facts: &Facts<'_>) -> Course {
    let Some(deploy) = DeployInterface::of(node) else {
        return unknown_deploy_interface(node);
    };
    let manual = heads_for_manageable(node);
    let wanted = manual || node.automated_clean.unwrap_or(facts.automated_clean);
    let without_ramdisk = manual && RamdiskFlag::Cleaning.is_set(node).unwrap_or_default();
    if wanted && deploy.cleans() == Worker::Agent && !without_ramdisk {
        return ramdisk(node, ProvisionState::CleanWait, false, facts);
    }
    if manual && deploy.cleans() == Worker::Nobody {
        if let Some(refused) = refused_steps(node, Flow::Clean) {
            return refused;
        }
    }
    Course::ends(if manual {
        FsmEvent::Manage
    } else {
        FsmEvent::Done
    })
}

fn service(node: &Node, facts: &Facts<'_>) -> Course {
    let Some(deploy) = DeployInterface::of(node) else {
        return unknown_deploy_interface(node);
    };
    let without_ramdisk = RamdiskFlag::Service.is_set(node).unwrap_or_default();
    let refused = match deploy.cleans() {
        Worker::Agent if !without_ramdisk => {
            return ramdisk(node, ProvisionState::ServiceWait, false, facts);
        }
        Worker::Nobody => refused_steps(node, Flow::Service),
        Worker::Agent | Worker::Unsupported => None,
    };
    refused.unwrap_or(Course::ends(FsmEvent::Done))
}

/// The instance's boot is taken back, unless the ramdisk that cleans is booted at once.
fn tear_down(node: &Node, facts: &Facts<'_>) -> Course {
    let mut without = node.clone();
    remove_instance(&mut without);
    let boots_ramdisk = matches!(clean(&without, facts).end, End::Wait);
    let mut actions = vec![Action::SetPower(PowerState::Off)];
    if BootInterface::of(node).boots_over_network() && !boots_ramdisk {
        actions.insert(0, Action::ClearDhcp);
    }
    Course {
        actions,
        end: End::Clean,
    }
}

/// The machine boots a ramdisk or (`persistent`) an installer, for which the node then waits in
/// `state`.
fn ramdisk(node: &Node, state: ProvisionState, persistent: bool, facts: &Facts<'_>) -> Course {
    let mut actions = Vec::new();
    if let Some(device) = BootInterface::of(node).network_device(node) {
        if let Err(refusal) = decide_in(node, state, None, facts.boot, facts.request_id) {
            let advice = refusal.advice(&node.label());
            return Course::fails(format!("The ramdisk cannot be booted: {refusal}; {advice}"));
        }
        actions.push(Action::UpdateDhcp);
        actions.push(Action::SetBootDevice(device, persistent));
    }
    actions.push(Action::SetPower(PowerState::On));
    Course {
        actions,
        end: End::Wait,
    }
}

/// What is done so that the machine boots its instance.
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

/// Fails work that was asked for steps that nothing on the node can do.
///
/// Source: Ironic's `conductor/cleaning.py` and `servicing.py`.
fn refused_steps(node: &Node, flow: Flow) -> Option<Course> {
    let problem = steps::refusal(node, flow)?;
    let (verb, uuid) = (flow.name(), node.uuid);
    Some(Course::fails(format!(
        "Cannot {verb} node {uuid}: {problem}"
    )))
}

fn unknown_deploy_interface(node: &Node) -> Course {
    let name = node.interface(InterfaceKind::Deploy);
    Course::fails(format!("unknown deploy interface {name:?}"))
}

/// Ends the task whose actions are done.
fn end(node: &mut Node, task: Task, end: End, at: OffsetDateTime, facts: &Facts<'_>) -> Result<()> {
    if task == Task::Inspect {
        node.inspection_started_at = Some(at);
    }
    let installs = DeployInterface::of(node) == Some(DeployInterface::Anaconda);
    if task == Task::Deploy && installs && is_past_the_agent(node).is_none() {
        // An installer cannot ask for its token: it finds it in its kickstart.
        agent::pregenerate_token(node, facts.agent_token.to_owned());
    }
    match end {
        End::Wait => transition(node, FsmEvent::Wait, at),
        End::Event(event) => {
            leave(node, task, at);
            transition(node, event, at)
        }
        End::Clean => {
            remove_instance(node);
            transition(node, FsmEvent::Clean, at)
        }
        End::Fail(reason) => fail(node, reason, at),
    }
}

/// Takes from the node what belonged to the task that has succeeded.
fn leave(node: &mut Node, task: Task, at: OffsetDateTime) {
    match task {
        Task::Inspect => node.inspection_finished_at = Some(at),
        Task::Clean => {
            node.driver_internal_info.remove("clean_steps");
            RamdiskFlag::Cleaning.set(node, false);
        }
        Task::Deploy => node.deploy_step.clear(),
        Task::Unrescue => {
            node.instance_info.remove("rescue_password");
        }
        Task::Service => RamdiskFlag::Service.set(node, false),
        Task::Verify | Task::TearDown | Task::Adopt | Task::Rescue => {}
    }
}

fn fail(node: &mut Node, error: String, at: OffsetDateTime) -> Result<()> {
    node.last_error = Some(error);
    transition(node, FsmEvent::Fail, at)
}

/// Takes the instance off the node. Source: Ironic's conductor (`_do_node_tear_down`).
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
