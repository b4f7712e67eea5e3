//! Provision verbs: accepted here, carried out in `work.rs`.
//!
//! A verb is accepted by one guarded statement that moves the node along the state machine and,
//! where work follows, takes its reservation. Of two operators who ask at once, one wins.

mod network_boot;
mod transition;
mod work;

use ironpxe_core::boot::RamdiskFlag;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::{NodeUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::provision::{RefusedBy, Verb};
use ironpxe_core::provision_state::{ProvisionState, Task};
use serde_json::Value;
use tracing::info;

pub(super) use network_boot::DhcpProblem;
pub(super) use transition::transition;
use work::Work;

use super::history::RESCUE_ABORTED;
use super::validate::unsupported;
use super::{LocalConductor, refuse_if_reserved};
use crate::clock;
use crate::drivers::agent::Worker;
use crate::drivers::storage;
use crate::rpc::{Context, ProvisionArgs};

impl LocalConductor {
    pub(super) async fn start_provision(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        verb: Verb,
        args: ProvisionArgs,
    ) -> Result<()> {
        let mut boot_volume = None;
        let node = self.node(uuid).await?;
        // What the state machine or a reservation refuses is the better answer.
        self.accept(&mut node.clone(), verb, &args, None)?;
        self.validate_verb(ctx, &node, verb, &args).await?;
        if matches!(verb, Verb::Deploy | Verb::Rebuild) {
            let volumes = self.db.node_volumes(uuid).await?;
            boot_volume = storage::boot_volume(&node, &volumes).map(|target| target.uuid);
        }
        let accept = |node: &mut Node| self.accept(node, verb, &args, boot_volume);
        let (node, work) = self.change_node(uuid, accept).await?;
        info!(
            req.id = ctx.request_id,
            node.uuid = %uuid,
            node.name = node.name,
            node.state = %node.provision_state,
            "accepted: {}",
            args.target,
        );
        if let Some(work) = work {
            self.start_work(ctx.clone(), &node, work);
        }
        Ok(())
    }

    /// Moves the node where `verb` leads, and says which work follows.
    fn accept(
        &self,
        node: &mut Node,
        verb: Verb,
        args: &ProvisionArgs,
        boot_volume: Option<VolumeTargetUuid>,
    ) -> Result<Option<Work>> {
        let cannot = |node: &Node| Fault::InvalidStateRequested {
            action: args.target.clone(),
            node: node.uuid,
            state: node.provision_state.name().to_owned(),
        };
        refuse_if_reserved(node)?;
        let from = node.provision_state.known().ok_or_else(|| cannot(node))?;
        if from.on(verb.row().event).is_none() {
            return Err(cannot(node));
        }
        self.refuse_for_flags(node, verb)?;
        refuse_unsupported(node, verb)?;

        transition(node, verb.row().event, clock::now())?;
        node.last_error = None;
        take_args(node, verb, args);
        let work = match verb {
            Verb::Deploy | Verb::Rebuild => Some(Work::Deploy { boot_volume }),
            Verb::Undeploy => Some(Work::TearDown),
            // From `enroll` the credentials are verified; from a failed state nothing is left to do.
            Verb::Manage => (from == ProvisionState::Enroll).then_some(Work::Verify),
            Verb::Provide => Some(Work::Clean {
                automated: true,
                disable_ramdisk: false,
            }),
            Verb::Clean => {
                node.target_provision_state = Some(ProvisionState::Manageable.name().to_owned());
                Some(Work::Clean {
                    automated: false,
                    disable_ramdisk: args.disable_ramdisk,
                })
            }
            Verb::Inspect => Some(Work::Inspect),
            Verb::Adopt => Some(Work::Adopt),
            Verb::Rescue => Some(Work::Rescue),
            Verb::Unrescue => Some(Work::Unrescue),
            Verb::Service => Some(Work::Service {
                disable_ramdisk: args.disable_ramdisk,
            }),
            Verb::Abort => {
                node.last_error = Some(aborted(from).to_owned());
                None
            }
            Verb::Unhold => None,
        };
        if work.is_some() {
            node.reservation = Some(self.settings.host.clone());
        }
        Ok(work)
    }

    fn refuse_for_flags(&self, node: &Node, verb: Verb) -> Result<()> {
        let in_maintenance = |operation: &'static str| Fault::NodeInMaintenance {
            operation: operation.into(),
            node: node.uuid,
        };
        let unless_allowed = !self.settings.allow_provisioning_in_maintenance;
        for refused_by in verb.row().refused_by {
            match *refused_by {
                RefusedBy::Protected if node.protected => {
                    return Err(Fault::NodeProtected(node.uuid));
                }
                RefusedBy::Retired(operation) if node.retired => {
                    return Err(Fault::NodeIsRetired {
                        operation: operation.into(),
                        node: node.uuid,
                    });
                }
                RefusedBy::Maintenance(operation) if node.maintenance => {
                    return Err(in_maintenance(operation));
                }
                RefusedBy::MaintenanceUnlessAllowed(operation)
                    if node.maintenance && unless_allowed =>
                {
                    return Err(in_maintenance(operation));
                }
                RefusedBy::Protected
                | RefusedBy::Retired(_)
                | RefusedBy::Maintenance(_)
                | RefusedBy::MaintenanceUnlessAllowed(_) => {}
            }
        }
        Ok(())
    }
}

fn refuse_unsupported(node: &Node, verb: Verb) -> Result<()> {
    let Some(kind) = verb.row().interface else {
        return Ok(());
    };
    match Worker::of_interface(node.interface(kind)) {
        Worker::Unsupported => Err(unsupported(node, kind)),
        Worker::Agent | Worker::Nobody => Ok(()),
    }
}

/// Keeps what came with the verb where the ramdisk will look for it.
fn take_args(node: &mut Node, verb: Verb, args: &ProvisionArgs) {
    match verb {
        Verb::Deploy | Verb::Rebuild => {
            if let Some(configdrive) = &args.configdrive {
                node.instance_info
                    .insert("configdrive".to_owned(), configdrive.clone());
            }
            keep_steps(node, "user_deploy_steps", &args.deploy_steps);
            // What is left of an earlier deployment would decide what the machine boots in this one.
            node.deploy_step.clear();
        }
        Verb::Provide | Verb::Undeploy => RamdiskFlag::Cleaning.set(node, false),
        Verb::Clean => {
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
        Verb::Manage
        | Verb::Inspect
        | Verb::Abort
        | Verb::Adopt
        | Verb::Unrescue
        | Verb::Unhold => {}
    }
}

fn keep_steps(node: &mut Node, key: &str, steps: &[Value]) {
    if !steps.is_empty() {
        node.driver_internal_info
            .insert(key.to_owned(), Value::Array(steps.to_vec()));
    }
}

/// The `last_error` of aborted work.
fn aborted(from: ProvisionState) -> &'static str {
    match from.row().phase.task() {
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
