//! Heartbeats of an agent or an installer on the machine.
//!
//! A heartbeat is authenticated by the node's agent token. An installer's heartbeat ends a
//! deployment by `anaconda`; an agent's is only recorded.
//!
//! Source: Ironic's conductor (`heartbeat`), `drivers/modules/agent_base.py` (`HeartbeatMixin`)
//! and `drivers/modules/pxe.py` (`PXEAnacondaDeploy`).

use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;

use super::accept::refuse_if_reserved;
use super::event::{Action, AgentStatus, Facts, Heartbeat};
use super::task;
use super::transition::transition;
use crate::driver::agent;
use crate::driver::deploy::DeployInterface;
use crate::error::{Fault, Result};
use crate::node::Node;
use crate::provision_state::{FsmEvent, ProvisionState};

/// The longest stored message of an agent, in characters.
const MESSAGE: usize = 4096;

/// Applies a heartbeat. It is ignored if the node is not in a state in which an agent runs.
pub(super) fn apply(
    node: &mut Node,
    heartbeat: &Heartbeat,
    at: OffsetDateTime,
    facts: &Facts<'_>,
) -> Result<Option<Action>> {
    // Checked first, so that a client without the token learns nothing about the node.
    if !agent::is_token_valid(node, &heartbeat.agent_token) {
        return Err(Fault::InvalidParameterValue(
            "Invalid or missing agent token received.".to_owned(),
        ));
    }
    refuse_if_reserved(node)?;
    let state = node.provision_state.known();
    if !state.is_some_and(|state| state.row().phase.takes_heartbeats()) {
        return Ok(None);
    }
    if agent::url(node).is_some_and(|known| known != heartbeat.callback_url) {
        return Err(Fault::InvalidParameterValue(
            "Detected change in ramdisk provided \"callback_url\"".to_owned(),
        ));
    }
    let installs = state == Some(ProvisionState::DeployWait)
        && DeployInterface::of(node) == Some(DeployInterface::Anaconda);
    let status = heartbeat.agent_status.filter(|_| installs);
    if status.is_some() && node.maintenance && !facts.allow_provisioning_in_maintenance {
        // An installer that gets this error stops before it erases anything.
        return Err(Fault::NodeInMaintenance {
            operation: "provisioning".into(),
            node: node.uuid,
        });
    }
    note(node, heartbeat, at);
    match status {
        None => Ok(None),
        Some(AgentStatus::Start) => {
            node.provision_updated_at = Some(at);
            Ok(None)
        }
        Some(AgentStatus::End) => {
            transition(node, FsmEvent::Resume, at)?;
            node.reservation = Some(facts.host.to_owned());
            node.last_error = None;
            // From here on the machine boots its instance and is not installed again.
            node.deploy_step
                .extend([("step".to_owned(), json!("boot_instance"))]);
            task::follow(node, None, at, facts)
        }
        Some(AgentStatus::Error) => {
            let message = heartbeat.agent_status_message.as_deref();
            let message = match message.unwrap_or_default().trim() {
                "" => "The installer failed without a message.".to_owned(),
                text => shortened(text),
            };
            transition(node, FsmEvent::Fail, at)?;
            node.last_error = Some(message);
            Ok(None)
        }
    }
}

fn note(node: &mut Node, heartbeat: &Heartbeat, at: OffsetDateTime) {
    // An installer has no callback URL.
    if !heartbeat.callback_url.is_empty() {
        agent::set_url(node, &heartbeat.callback_url);
    }
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");
    if let Ok(at) = at.format(format) {
        agent::note(node, "agent_last_heartbeat", &at);
    }
    if let Some(version) = &heartbeat.agent_version {
        agent::note(node, "agent_version", &shortened(version));
    }
    if let Some(status) = heartbeat.agent_status {
        agent::note(node, "agent_status", status.name());
    }
    if let Some(message) = &heartbeat.agent_status_message {
        agent::note(node, "agent_status_message", &shortened(message));
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MESSAGE).collect()
}
