//! Accepting a verb: the checks, and the changes to the node.

use serde_json::Value;
use time::OffsetDateTime;

use super::args::ProvisionArgs;
use super::event::{Facts, Request};
use super::transition::transition;
use super::verb::{RefusedBy, Verb};
use crate::boot::RamdiskFlag;
use crate::driver::agent::{OperationKind, unsupported};
use crate::driver::storage;
use crate::error::{Fault, Result};
use crate::node::Node;
use crate::provision_state::{Phase, ProvisionState, Task};

/// Rejects changes to a node that is reserved by a conductor.
pub fn refuse_if_reserved(node: &Node) -> Result<()> {
    match &node.reservation {
        Some(host) => Err(Fault::NodeLocked {
            node: node.uuid,
            host: host.clone(),
        }),
        None => Ok(()),
    }
}

/// Rejects what the node's state, reservation, fields or interfaces forbid. The remaining checks
/// are in [`super::Validates`].
pub fn refuse(node: &Node, verb: Verb, args: &ProvisionArgs, facts: &Facts<'_>) -> Result<()> {
    refuse_if_reserved(node)?;
    let row = verb.row();
    let state = node.provision_state.known();
    if state.and_then(|state| state.on(row.event)).is_none() {
        return Err(Fault::InvalidStateRequested {
            action: args.target.clone(),
            node: node.uuid,
            state: node.provision_state.name().to_owned(),
        });
    }
    let in_maintenance = |operation: &'static str| Fault::NodeInMaintenance {
        operation: operation.into(),
        node: node.uuid,
    };
    let judge = |refused_by: &RefusedBy| match *refused_by {
        RefusedBy::Protected => (node.protected, Fault::NodeProtected(node.uuid)),
        RefusedBy::Retired(operation) => (
            node.retired,
            Fault::NodeIsRetired {
                operation: operation.into(),
                node: node.uuid,
            },
        ),
        RefusedBy::Maintenance(operation) => (node.maintenance, in_maintenance(operation)),
        RefusedBy::MaintenanceUnlessAllowed(operation) => (
            node.maintenance && !facts.allow_provisioning_in_maintenance,
            in_maintenance(operation),
        ),
        RefusedBy::NoInterface(kind) => (
            OperationKind::of(node, kind) == OperationKind::Unsupported,
            unsupported(node, kind),
        ),
    };
    let mut judged = row.refused_by.iter().map(judge);
    match judged.find(|(refused, _)| *refused) {
        Some((_, fault)) => Err(fault),
        None => Ok(()),
    }
}

/// Moves the node to the verb's state, and reserves it if a task is to be started.
pub(super) fn accept(
    node: &mut Node,
    request: &Request<'_>,
    at: OffsetDateTime,
    facts: &Facts<'_>,
) -> Result<()> {
    let Request { verb, args, .. } = *request;
    refuse(node, verb, args, facts)?;
    let row = verb.row();
    let from = node.provision_state.known();
    transition(node, row.event, at)?;
    node.last_error = None;
    take_args(node, request, from);
    let phase = node.provision_state.known().map(|state| state.row().phase);
    if row.task.map(Phase::Working) == phase {
        node.reservation = Some(facts.host.to_owned());
    }
    Ok(())
}

/// Stores the verb's arguments where the task and the ramdisk read them.
fn take_args(node: &mut Node, request: &Request<'_>, from: Option<ProvisionState>) {
    let args = request.args;
    match request.verb {
        Verb::Deploy | Verb::Rebuild => {
            if let Some(configdrive) = &args.configdrive {
                node.instance_info
                    .insert("configdrive".to_owned(), configdrive.clone());
            }
            keep_steps(node, "user_deploy_steps", &args.deploy_steps);
            // An earlier deployment's step would determine what the machine boots in this one.
            node.deploy_step.clear();
            storage::set_boot_volume(node, request.boot_volume);
        }
        Verb::Provide | Verb::Undeploy => RamdiskFlag::Cleaning.set(node, false),
        Verb::Clean => {
            // Manual cleaning ends where it began.
            node.target_provision_state = Some(ProvisionState::Manageable.name().to_owned());
            RamdiskFlag::Cleaning.set(node, args.disable_ramdisk);
            keep_steps(node, "clean_steps", &args.clean_steps);
        }
        Verb::Service => {
            RamdiskFlag::Service.set(node, args.disable_ramdisk);
            keep_steps(node, "service_steps", &args.service_steps);
        }
        Verb::Rescue => {
            if let Some(password) = &args.rescue_password {
                let password = Value::String(password.clone());
                node.instance_info
                    .insert("rescue_password".to_owned(), password);
            }
        }
        Verb::Abort => {
            let task = from.and_then(|from| from.row().phase.task());
            node.last_error = Some(aborted(task).to_owned());
        }
        Verb::Manage | Verb::Inspect | Verb::Adopt | Verb::Unrescue | Verb::Unhold => {}
    }
}

fn keep_steps(node: &mut Node, key: &str, steps: &[Value]) {
    if !steps.is_empty() {
        node.driver_internal_info
            .insert(key.to_owned(), Value::Array(steps.to_vec()));
    }
}

/// The `last_error` of an aborted rescue.
pub const RESCUE_ABORTED: &str = "By request, the rescue operation was aborted.";

/// The `last_error` of an aborted task.
fn aborted(task: Option<Task>) -> &'static str {
    match task {
        Some(Task::Clean) => "By request, the clean operation was aborted",
        Some(Task::Inspect) => "Inspection was aborted by request.",
        Some(Task::Rescue) => RESCUE_ABORTED,
        Some(Task::Service) => "By request, the service operation was aborted",
        None
        | Some(Task::Verify | Task::Deploy | Task::TearDown | Task::Adopt | Task::Unrescue) => {
            "By request, the deployment was aborted."
        }
    }
}
