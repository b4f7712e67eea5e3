//! How long a node waits for its ramdisk to call back, and how such a wait ends.
//!
//! Every conductor looks at all waiting nodes now and then. Which of them ends a wait is decided
//! by the statement that saves the node: whoever comes second finds a node that waits no longer.
//! A node in maintenance is left alone, and so is one that somebody is working on.
//!
//! Source: Ironic's `conductor/manager.py` (`_check_deploy_timeouts`, `_check_cleanwait_timeouts`,
//! `_check_inspect_wait_timeouts`, `_check_rescuewait_timeouts`, `_check_servicewait_timeouts`) and
//! the error handlers in `conductor/utils.py`.

use std::time::Duration;

use ironpxe_core::JsonMap;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::patch::repr::repr;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::{FsmEvent, ProvisionState};
use serde_json::Value;
use time::OffsetDateTime;
use tracing::{error, warn};

use super::LocalConductor;
use super::provision::transition;
use crate::clock;
use crate::db::Waiting;
use crate::drivers::agent;

/// How long a node waits, by what for; nothing waits for ever by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackTimeouts {
    /// `[conductor]deploy_callback_timeout`; zero for no limit, as for the others.
    pub deploy: Duration,
    /// `[conductor]clean_callback_timeout`.
    pub clean: Duration,
    /// `[conductor]inspect_wait_timeout`.
    pub inspect: Duration,
    /// `[conductor]rescue_callback_timeout`.
    pub rescue: Duration,
    /// `[conductor]service_callback_timeout`.
    pub service: Duration,
}

impl Default for CallbackTimeouts {
    fn default() -> Self {
        let half_an_hour = Duration::from_mins(30);
        Self {
            deploy: half_an_hour,
            clean: half_an_hour,
            inspect: half_an_hour,
            rescue: half_an_hour,
            service: half_an_hour,
        }
    }
}

/// A wait that can last too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Deploy,
    Clean,
    Inspect,
    Rescue,
    Service,
}

impl Wait {
    const ALL: [Self; 5] = [
        Self::Deploy,
        Self::Clean,
        Self::Inspect,
        Self::Rescue,
        Self::Service,
    ];

    fn state(self) -> ProvisionState {
        match self {
            Self::Deploy => ProvisionState::DeployWait,
            Self::Clean => ProvisionState::CleanWait,
            Self::Inspect => ProvisionState::InspectWait,
            Self::Rescue => ProvisionState::RescueWait,
            Self::Service => ProvisionState::ServiceWait,
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Deploy => "deploy_callback_timeout",
            Self::Clean => "clean_callback_timeout",
            Self::Inspect => "inspect_wait_timeout",
            Self::Rescue => "rescue_callback_timeout",
            Self::Service => "service_callback_timeout",
        }
    }

    fn limit(self, timeouts: &CallbackTimeouts) -> Option<Duration> {
        let limit = match self {
            Self::Deploy => timeouts.deploy,
            Self::Clean => timeouts.clean,
            Self::Inspect => timeouts.inspect,
            Self::Rescue => timeouts.rescue,
            Self::Service => timeouts.service,
        };
        Some(limit).filter(|limit| !limit.is_zero())
    }

    /// Since when the node waits. An installer that reports puts the end off.
    fn since(self, node: &Node) -> Option<OffsetDateTime> {
        match self {
            Self::Inspect => node.inspection_started_at.or(node.provision_updated_at),
            Self::Deploy | Self::Clean | Self::Rescue | Self::Service => node.provision_updated_at,
        }
    }

    /// The `last_error`, in Ironic's words, and what is known of whoever has called after all: it
    /// works no further, so that its calls do not put the end off.
    fn last_error(self, node: &Node) -> String {
        let words = self.words(node);
        match agent::last_heartbeat(node) {
            Some(at) => format!(
                "{words} The last heartbeat from the machine came at {at} (UTC): what runs there \
                 has not finished, or is an agent, whose steps are not carried out yet."
            ),
            None => words,
        }
    }

    fn words(self, node: &Node) -> String {
        let step = |step: &JsonMap| repr(&Value::Object(step.clone()));
        match self {
            Self::Deploy => format!(
                "Timeout reached while waiting for callback for node {}",
                node.uuid
            ),
            Self::Clean => format!(
                "Timeout reached while cleaning the node. Please check if the ramdisk responsible \
                 for the cleaning is running on the node. Failed on step {}.",
                step(&node.clean_step)
            ),
            Self::Inspect => "Timeout reached while inspecting the node. Please check if the \
                              ramdisk responsible for the inspection is running on the node."
                .to_owned(),
            Self::Rescue => {
                "Timeout reached while waiting for rescue ramdisk callback for node".to_owned()
            }
            Self::Service => format!(
                "Timeout reached while servicing the node. Please check if the ramdisk \
                 responsible for the servicing is running on the node. Failed on step {}.",
                step(&node.service_step)
            ),
        }
    }

    /// Ends the wait of the node.
    fn end(self, node: &mut Node) -> Result<()> {
        let last_error = self.last_error(node);
        transition(node, FsmEvent::Fail, clock::now())?;
        // What a step has begun may have left the machine in any condition.
        let broken = match self {
            Self::Clean => interrupted(&mut node.clean_step).then_some("clean failure"),
            Self::Service => interrupted(&mut node.service_step).then_some("service failure"),
            Self::Deploy => {
                node.deploy_step.clear();
                None
            }
            Self::Inspect | Self::Rescue => None,
        };
        if let Some(fault) = broken {
            node.fault = Some(fault.to_owned());
            node.maintenance = true;
            if node.maintenance_reason.is_none() {
                node.maintenance_reason = Some(last_error.clone());
            }
        }
        // A deployment leaves the machine as it is, so that its console can be looked at.
        if self != Self::Deploy && broken.is_none() && !node.disable_power_off {
            node.power_state = Some(PowerState::Off);
        }
        agent::forget(node);
        node.last_error = Some(last_error);
        Ok(())
    }
}

impl LocalConductor {
    /// Ends every wait that has lasted too long.
    pub(super) async fn end_overdue_waits(&self) {
        for wait in Wait::ALL {
            let Some(limit) = wait.limit(&self.settings.callback_timeouts) else {
                continue;
            };
            let waiting = Waiting {
                state: wait.state(),
                before: ago(limit),
                by_inspection: wait == Wait::Inspect,
            };
            match self.db.node_list_waiting(&waiting).await {
                Ok(nodes) => {
                    for uuid in nodes {
                        self.end_wait(wait, uuid, &waiting).await;
                    }
                }
                Err(problem) => error!("cannot look for nodes in {}: {problem}", wait.state()),
            }
        }
    }

    /// Ends the wait of a node that was found a moment ago, if it still waits.
    pub(super) async fn end_wait(&self, wait: Wait, uuid: NodeUuid, waiting: &Waiting) {
        let end = |node: &mut Node| {
            let overdue = node.provision_state.known() == Some(waiting.state)
                && node.reservation.is_none()
                && !node.maintenance
                && wait.since(node).is_some_and(|since| since < waiting.before);
            if overdue {
                wait.end(node)?;
            }
            Ok(overdue)
        };
        match self.change_node(uuid, end).await {
            Ok((node, true)) => warn!(
                node.uuid = %uuid,
                node.name = node.name,
                node.state = %node.provision_state,
                error = node.last_error,
                "not finished in state \"{}\" within [conductor]{}",
                waiting.state,
                wait.option(),
            ),
            // Another conductor was faster, or the ramdisk has called.
            Ok((_, false)) | Err(Fault::NodeNotFound(_)) => {}
            Err(fault) => error!(
                node.uuid = %uuid,
                "the wait in state \"{}\" cannot be ended: {fault}", waiting.state
            ),
        }
    }
}

/// Whether a step was being executed; it is no longer.
fn interrupted(step: &mut JsonMap) -> bool {
    let any = !step.is_empty();
    step.clear();
    any
}

fn ago(time: Duration) -> OffsetDateTime {
    time.try_into()
        .ok()
        .and_then(|time: time::Duration| clock::now().checked_sub(time))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
