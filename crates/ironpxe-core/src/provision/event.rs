//! What happens to a node, what is done about it, and what else there is to know.

use time::OffsetDateTime;

use super::args::ProvisionArgs;
use super::deadline::CallbackTimeouts;
use super::heartbeat::Heartbeat;
use super::image::ImageProperties;
use super::verb::Verb;
use crate::boot::BootSettings;
use crate::boot_device::BootDevice;
use crate::id::VolumeTargetUuid;
use crate::node::Node;
use crate::power_state::PowerState;

/// Something happens to a node.
#[derive(Clone)]
pub struct Event<'a> {
    /// When.
    pub at: OffsetDateTime,
    /// What.
    pub what: What<'a>,
}

/// What happens to a node.
#[derive(Clone)]
pub enum What<'a> {
    /// A verb is asked for, and all it needs has been validated.
    Verb(Request<'a>),
    /// The task goes on for which the conductor of [`Facts::host`] holds the node.
    Task {
        /// The node's `provision_updated_at` when it was saved last for this task.
        since: Option<OffsetDateTime>,
        /// How it goes on.
        progress: Progress,
    },
    /// An agent or an installer sends a heartbeat.
    Heartbeat(&'a Heartbeat),
    /// The node may have waited too long.
    DeadlinePassed,
    /// The conductor that holds the node is gone.
    ConductorGone,
}

/// A verb with what came with it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The verb.
    pub verb: Verb,
    /// Its arguments.
    pub args: &'a ProvisionArgs,
    /// The volume that an instance on the node would boot from, for a deployment.
    pub boot_volume: Option<VolumeTargetUuid>,
}

/// How a task goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It begins.
    Started,
    /// [`Action::CheckImage`] has ended, and this is what the image says of itself.
    ImageFound(ImageProperties),
    /// The action has ended.
    Done(Action),
    /// The action has failed, for this reason.
    Failed(Action, String),
}

/// Something that is done outside of the node's record. Each can be done twice without harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Ask what the node's image says of itself, and whether the machine can boot what the
    /// deployment needs.
    CheckImage,
    /// Tell the DHCP server how the machine gets its boot script.
    UpdateDhcp,
    /// Tell the DHCP server that the machine is not booted.
    ClearDhcp,
    /// Set the boot device; `true` is for each boot, `false` for the next one.
    SetBootDevice(BootDevice, bool),
    /// Switch the machine on or off.
    SetPower(PowerState),
}

impl Action {
    /// Whether it comes after `other` where a task does both: the DHCP server knows the machine
    /// before it is switched on.
    pub(super) fn follows(self, other: Self) -> bool {
        let position = |action| match action {
            Self::CheckImage => 1,
            Self::UpdateDhcp | Self::ClearDhcp => 2,
            Self::SetBootDevice(..) => 3,
            Self::SetPower(_) => 4,
        };
        position(self) > position(other)
    }

    /// The `last_error` when it has failed for the reason `problem`.
    pub(super) fn error(self, problem: &str) -> String {
        match self {
            Self::CheckImage => format!("The image cannot be deployed: {problem}"),
            Self::UpdateDhcp | Self::ClearDhcp => {
                format!("The machine's boot cannot be arranged: {problem}")
            }
            Self::SetBootDevice(device, _) => {
                format!("The boot device {} cannot be set: {problem}", device.name())
            }
            Self::SetPower(state) => format!("The machine cannot be set to {state}: {problem}"),
        }
    }
}

/// What there is to know besides the node: configuration, and what chance or a clock would give.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The name of the conductor that works (`[DEFAULT]host`).
    pub host: &'a str,
    /// `[conductor]automated_clean`.
    pub automated_clean: bool,
    /// `[conductor]allow_provisioning_in_maintenance`.
    pub allow_provisioning_in_maintenance: bool,
    /// How long nodes wait.
    pub callback_timeouts: &'a CallbackTimeouts,
    /// What boot decisions depend on.
    pub boot: &'a BootSettings,
    /// The request on whose behalf it happens.
    pub request_id: &'a str,
    /// A fresh secret, for an installer.
    pub agent_token: &'a str,
}

/// What becomes of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// The node as it is to be saved, before anything is done.
    pub node: Node,
    /// What is to be done then. Its result is the next event ([`What::Task`]).
    pub action: Option<Action>,
}
