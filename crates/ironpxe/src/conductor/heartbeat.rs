//! Heartbeats: what an agent, or an installer, says of itself from inside the machine.
//!
//! Whoever has the node's agent token is believed. An installer's word moves the node: with it a
//! deployment by `anaconda` ends. What an agent in a ramdisk says is noted.
//!
//! Source: Ironic's conductor (`heartbeat`), `drivers/modules/agent_base.py` (`HeartbeatMixin`)
//! and `drivers/modules/pxe.py` (`PXEAnacondaDeploy`).

use ironpxe_core::boot_device::BootDevice;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::power_state::PowerState;
use ironpxe_core::provision_state::{FsmEvent, ProvisionState};
use time::macros::format_description;
use tracing::{info, warn};

use super::provision::transition;
use super::{LocalConductor, refuse_if_reserved};
use crate::clock;
use crate::drivers::agent;
use crate::drivers::deploy::DeployInterface;
use crate::drivers::management;
use crate::rpc::{AgentStatus, Context, Heartbeat};

/// How much of an agent's message is kept, in characters.
const MESSAGE: usize = 4096;

/// What came of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// The node does not wait for anybody.
    Ignored,
    /// It was noted.
    Noted,
    /// The installer works.
    Installing,
    /// The installer has finished, and so has the deployment.
    Installed,
    /// The installer failed, and so did the deployment.
    Failed,
}

impl LocalConductor {
    /// Hears an agent out.
    pub(super) async fn hear(&self, ctx: &Context, uuid: NodeUuid, beat: Heartbeat) -> Result<()> {
        let hear = |node: &mut Node| self.take_in(node, &beat);
        let heard = self.change_node(uuid, hear).await;
        let (node, heard) = heard.inspect_err(|fault| {
            let is_unknown = matches!(fault, Fault::NodeNotFound(_));
            if is_unknown && !self.boot.note_unknown(BootIdent::Node(uuid)) {
                return;
            }
            warn!(req.id = ctx.request_id, node.uuid = %uuid, "heartbeat refused: {fault}");
        })?;
        let what = match heard {
            Heard::Ignored => {
                warn!(
                    req.id = ctx.request_id,
                    node.uuid = %uuid,
                    node.name = node.name,
                    node.state = %node.provision_state,
                    "heartbeat ignored: in this state nobody is waited for"
                );
                return Ok(());
            }
            Heard::Noted => "agent heartbeat",
            Heard::Installing => "the installer works",
            Heard::Installed => "the installer has finished",
            Heard::Failed => "the installer failed",
        };
        info!(
            req.id = ctx.request_id,
            node.uuid = %uuid,
            node.name = node.name,
            node.state = %node.provision_state,
            error = node.last_error,
            "{what}"
        );
        Ok(())
    }

    fn take_in(&self, node: &mut Node, beat: &Heartbeat) -> Result<Heard> {
        // First of all, so that a stranger learns nothing about the node.
        if !agent::is_token_valid(node, &beat.agent_token) {
            return Err(Fault::InvalidParameterValue(
                "Invalid or missing agent token received.".to_owned(),
            ));
        }
        refuse_if_reserved(node)?;
        if !is_waited_for(node) {
            return Ok(Heard::Ignored);
        }
        if agent::url(node).is_some_and(|known| known != beat.callback_url) {
            return Err(Fault::InvalidParameterValue(
                "Detected change in ramdisk provided \"callback_url\"".to_owned(),
            ));
        }
        let status = beat.agent_status.filter(|_| is_being_installed(node));
        if status.is_some() && node.maintenance && !self.settings.allow_provisioning_in_maintenance
        {
            // An installer that is told so stops before it erases anything.
            return Err(Fault::NodeInMaintenance {
                operation: "provisioning".into(),
                node: node.uuid,
            });
        }
        note(node, beat);
        let Some(status) = status else {
            return Ok(Heard::Noted);
        };
        match status {
            AgentStatus::Start => {
                node.provision_updated_at = Some(clock::now());
                Ok(Heard::Installing)
            }
            AgentStatus::End => {
                transition(node, FsmEvent::Resume, clock::now())?;
                management::set(node, BootDevice::Disk, true);
                node.power_state = Some(PowerState::On);
                node.last_error = None;
                transition(node, FsmEvent::Done, clock::now())?;
                Ok(Heard::Installed)
            }
            AgentStatus::Error => {
                let message = beat.agent_status_message.as_deref().unwrap_or_default();
                let message = match message.trim() {
                    "" => "The installer failed, and did not say why.".to_owned(),
                    text => shortened(text),
                };
                transition(node, FsmEvent::Fail, clock::now())?;
                node.last_error = Some(message);
                Ok(Heard::Failed)
            }
        }
    }
}

/// Whether the node is in a state in which an agent or installer runs. Source: Ironic's
/// `heartbeat_allowed`.
fn is_waited_for(node: &Node) -> bool {
    use ProvisionState as S;
    matches!(
        node.provision_state.known(),
        Some(
            S::DeployWait
                | S::DeployHold
                | S::CleanWait
                | S::CleanHold
                | S::InspectWait
                | S::RescueWait
                | S::ServiceWait
                | S::ServiceHold
        )
    )
}

fn is_being_installed(node: &Node) -> bool {
    let deploy = DeployInterface::from_name(node.interface(InterfaceKind::Deploy));
    node.provision_state.known() == Some(ProvisionState::DeployWait)
        && deploy == Some(DeployInterface::Anaconda)
}

fn note(node: &mut Node, beat: &Heartbeat) {
    // An installer cannot be called back.
    if !beat.callback_url.is_empty() {
        agent::set_url(node, &beat.callback_url);
    }
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]");
    if let Ok(now) = clock::now().format(format) {
        agent::note(node, "agent_last_heartbeat", &now);
    }
    if let Some(version) = &beat.agent_version {
        agent::note(node, "agent_version", &shortened(version));
    }
    if let Some(status) = beat.agent_status {
        agent::note(node, "agent_status", status.name());
    }
    if let Some(message) = &beat.agent_status_message {
        agent::note(node, "agent_status_message", &shortened(message));
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MESSAGE).collect()
}
