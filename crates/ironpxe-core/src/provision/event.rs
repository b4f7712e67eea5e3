//! Events of a node, the actions that follow, and the context of both.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::args::ProvisionArgs;
use super::image::ImageProperties;
use super::verb::Verb;
use crate::boot::BootSettings;
use crate::boot_device::BootDevice;
use crate::id::VolumeTargetUuid;
use crate::node::Node;
use crate::power_state::PowerState;

/// An event of a node.
#[derive(Clone)]
pub struct Event<'a> {
    /// The time.
    pub at: OffsetDateTime,
    /// The event.
    pub kind: EventKind<'a>,
}

/// The kind of event.
#[derive(Clone)]
pub enum EventKind<'a> {
    /// A verb was requested and has been validated.
    Verb(Request<'a>),
    /// Progress of the task for which the conductor [`Facts::host`] reserved the node.
    Task {
        /// The node's `provision_updated_at` when it was last saved for this task.
        since: Option<OffsetDateTime>,
        /// The progress.
        progress: Progress,
    },
    /// An agent or an installer sent a heartbeat.
    Heartbeat(&'a Heartbeat),
    /// The node may have exceeded its timeout.
    DeadlinePassed,
    /// The conductor that reserved the node is gone.
    ConductorGone,
}

/// A verb with its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The verb.
    pub verb: Verb,
    /// Its arguments.
    pub args: &'a ProvisionArgs,
    /// For a deployment, the volume that an instance on the node boots from.
    pub boot_volume: Option<VolumeTargetUuid>,
}

/// Progress of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The task starts.
    Started,
    /// [`Action::CheckImage`] is complete, with the image's properties.
    ImageFound(ImageProperties),
    /// The action is complete.
    Done(Action),
    /// The action failed, for this reason.
    Failed(Action, String),
}

/// A side effect outside of the node's record. All actions are idempotent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read the image's properties, and check that the machine can boot what the deployment needs.
    CheckImage,
    /// Configure the DHCP server to boot the machine.
    UpdateDhcp,
    /// Remove the machine's boot options from the DHCP server.
    ClearDhcp,
    /// Set the boot device; `true` makes it persistent, `false` is for the next boot only.
    SetBootDevice(BootDevice, bool),
    /// Switch the machine on or off.
    SetPower(PowerState),
}

impl Action {
    /// Whether it comes after `other` in a task with both: the DHCP server must be configured
    /// before the machine is switched on.
    pub(super) fn follows(self, other: Self) -> bool {
        let position = |action| match action {
            Self::CheckImage => 1,
            Self::UpdateDhcp | Self::ClearDhcp => 2,
            Self::SetBootDevice(..) => 3,
            Self::SetPower(_) => 4,
        };
        position(self) > position(other)
    }

    /// The `last_error` after it failed for the reason `problem`.
    pub(super) fn error(self, problem: &str) -> String {
        match self {
            Self::CheckImage => format!("Cannot deploy the image: {problem}"),
            Self::UpdateDhcp | Self::ClearDhcp => {
                format!("Cannot configure DHCP for the machine's boot: {problem}")
            }
            Self::SetBootDevice(device, _) => {
                format!("Cannot set the boot device to {}: {problem}", device.name())
            }
            Self::SetPower(state) => {
                format!("Cannot set the machine's power state to {state}: {problem}")
            }
        }
    }
}

/// Context of an event besides the node: configuration, and random or time-dependent values.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The name of the conductor that handles the event (`[DEFAULT]host`).
    pub host: &'a str,
    /// `[conductor]automated_clean`.
    pub automated_clean: bool,
    /// `[conductor]allow_provisioning_in_maintenance`.
    pub allow_provisioning_in_maintenance: bool,
    /// Timeouts of waiting nodes.
    pub callback_timeouts: &'a CallbackTimeouts,
    /// The settings of boot decisions.
    pub boot: &'a BootSettings,
    /// The ID of the request that caused the event.
    pub request_id: &'a str,
    /// A fresh token for an installer.
    pub agent_token: &'a str,
}

/// The result of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The node, to be saved before the action is executed.
    pub node: Node,
    /// The action to execute. Its result is the next event ([`EventKind::Task`]).
    pub action: Option<Action>,
}

/// The content of a heartbeat. It has the agent token, so it is not `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The agent's URL; empty if it has none.
    pub callback_url: String,
    /// Its version.
    pub agent_version: Option<String>,
    /// The agent token.
    pub agent_token: String,
    /// The installer's status.
    pub agent_status: Option<AgentStatus>,
    /// Details of the status, for people.
    pub agent_status_message: Option<String>,
}

/// The status of an installer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// It started.
    Start,
    /// It has finished.
    End,
    /// It failed.
    Error,
}

impl AgentStatus {
    /// Parses the status in the heartbeat.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Start, Self::End, Self::Error]
            .into_iter()
            .find(|status| status.name() == name)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Error => "error",
        }
    }
}

/// How long a node waits, by task; all waits are limited by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackTimeouts {
    /// `[conductor]deploy_callback_timeout`; zero means no limit, as in the others.
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
