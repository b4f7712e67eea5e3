//! The provision state machine: Ironic's, whole.
//!
//! [`MACHINE`] is the one table (in `machine.rs`). The API's errors, the conductor's guards and the
//! boot decision all read it; a test compares it with what real Ironic reported. What an operator may
//! ask for, and what follows, is in [`crate::provision`].
//!
//! Source: Ironic's `common/states.py` and `common/state_machine.py` (version 39).

mod machine;

use std::fmt;

pub use machine::{MACHINE, StateRow};

/// A provision state, as Ironic names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProvisionState {
    /// An instance runs on the node.
    Active,
    /// Adoption did not succeed.
    AdoptFailed,
    /// A machine deployed by other means is being taken over.
    Adopting,
    /// Clean and ready to be deployed.
    Available,
    /// Cleaning did not succeed.
    CleanFailed,
    /// Cleaning is paused on an operator's request; the ramdisk runs.
    CleanHold,
    /// Cleaning waits for the ramdisk.
    CleanWait,
    /// The node is being cleaned.
    Cleaning,
    /// The instance is being torn down.
    Deleting,
    /// Deployment did not succeed.
    DeployFailed,
    /// Deployment is paused on an operator's request; the ramdisk runs.
    DeployHold,
    /// An instance is being deployed.
    Deploying,
    /// Known, but nothing about it is verified yet.
    Enroll,
    /// Tear-down failed; see `last_error`.
    Error,
    /// Inspection did not succeed.
    InspectFailed,
    /// Inspection waits for the ramdisk.
    InspectWait,
    /// The hardware is being inspected.
    Inspecting,
    /// Verified, and under management.
    Manageable,
    /// The rescue ramdisk runs instead of the instance.
    Rescue,
    /// Rescue did not succeed.
    RescueFailed,
    /// Rescue waits for the ramdisk.
    RescueWait,
    /// The rescue ramdisk is being booted.
    Rescuing,
    /// Servicing did not succeed.
    ServiceFailed,
    /// Servicing is paused on an operator's request; the ramdisk runs.
    ServiceHold,
    /// Servicing waits for the ramdisk.
    ServiceWait,
    /// The deployed node is being serviced.
    Servicing,
    /// Leaving rescue did not succeed.
    UnrescueFailed,
    /// The instance is being brought back from rescue.
    Unrescuing,
    /// The credentials for the machine are being verified.
    Verifying,
    /// Deployment waits for the ramdisk.
    DeployWait,
}

/// What moves a node from one provision state to another: an event of Ironic's state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FsmEvent {
    /// An operator stops what is going on.
    Abort,
    /// Take over a deployed machine.
    Adopt,
    /// Clean: on request, or after a tear-down.
    Clean,
    /// Tear the instance down.
    Delete,
    /// Deploy an instance.
    Deploy,
    /// The work succeeded.
    Done,
    /// The work failed.
    Fail,
    /// A step asks to wait for an operator.
    Hold,
    /// Inspect the hardware.
    Inspect,
    /// Bring under management.
    Manage,
    /// Make available for deployment.
    Provide,
    /// Deploy again, over the present instance.
    Rebuild,
    /// Boot the rescue ramdisk.
    Rescue,
    /// The ramdisk called back.
    Resume,
    /// Service the deployed node.
    Service,
    /// An operator lets a held node go on.
    Unhold,
    /// Leave rescue.
    Unrescue,
    /// The work now waits for the ramdisk.
    Wait,
}

/// What a conductor does with a node, or leaves to the machine's ramdisk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Verifies the credentials for the machine.
    Verify,
    /// Inspects the hardware.
    Inspect,
    /// Cleans: on request, or before the node becomes available.
    Clean,
    /// Deploys an instance.
    Deploy,
    /// Takes the instance off the node.
    TearDown,
    /// Takes over a deployed machine.
    Adopt,
    /// Boots the rescue ramdisk.
    Rescue,
    /// Brings the instance back from rescue.
    Unrescue,
    /// Services the deployed node.
    Service,
}

impl Task {
    /// The state a node is in after the task, unless the request said otherwise.
    pub fn target(self) -> ProvisionState {
        match self {
            Self::Verify | Self::Inspect => ProvisionState::Manageable,
            Self::Clean | Self::TearDown => ProvisionState::Available,
            Self::Deploy | Self::Adopt | Self::Unrescue | Self::Service => ProvisionState::Active,
            Self::Rescue => ProvisionState::Rescue,
        }
    }
}

/// What is going on in a provision state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing: the node stays as it is until it is asked for something.
    Idle,
    /// A conductor works on the node and holds its reservation. The work is lost with the conductor.
    Working(Task),
    /// The node waits for the ramdisk or the installer on the machine.
    Waiting(Task),
    /// As `Waiting`, until an operator lets the node go on.
    Held(Task),
    /// The task has failed.
    Failed(Task),
}

impl Phase {
    /// The task that goes on or has failed.
    pub fn task(self) -> Option<Task> {
        match self {
            Self::Idle => None,
            Self::Working(task) | Self::Waiting(task) | Self::Held(task) | Self::Failed(task) => {
                Some(task)
            }
        }
    }

    /// Whether an agent or an installer may run on the machine and send heartbeats.
    ///
    /// Source: Ironic's `heartbeat_allowed`.
    pub fn takes_heartbeats(self) -> bool {
        match self {
            Self::Waiting(_) | Self::Held(_) => true,
            Self::Idle | Self::Working(_) | Self::Failed(_) => false,
        }
    }
}

impl ProvisionState {
    /// Every state, in the order of [`MACHINE`].
    pub fn all() -> impl Iterator<Item = Self> {
        MACHINE.iter().map(|row| row.state)
    }

    /// The row that describes this state.
    pub fn row(self) -> &'static StateRow {
        // Rows stand in declaration order of the enum, which a test holds.
        #[expect(
            clippy::indexing_slicing,
            reason = "one row per variant, held by a test"
        )]
        &MACHINE[self as usize]
    }

    /// The name used in the API and in the database, for example `wait call-back`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The state called `name`, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        MACHINE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.state)
    }

    /// Where a node in this state is heading unless the request said otherwise; `None` in a stable
    /// state, which is left only on request.
    pub fn target(self) -> Option<Self> {
        match self.row().phase {
            // In `error`.
            Phase::Idle | Phase::Failed(Task::TearDown) => None,
            Phase::Working(task)
            | Phase::Waiting(task)
            | Phase::Held(task)
            | Phase::Failed(task) => Some(task.target()),
        }
    }

    /// Where `event` leads from here; `None` if it is not accepted here.
    pub fn on(self, event: FsmEvent) -> Option<Self> {
        self.row()
            .events
            .iter()
            .find(|(accepted, _)| *accepted == event)
            .map(|(_, next)| *next)
    }

    /// Whether a node may be deleted in this state without being in maintenance.
    ///
    /// Source: Ironic's `DELETE_ALLOWED_STATES` and `[conductor]allow_deleting_available_nodes`.
    pub fn allows_delete(self) -> bool {
        matches!(
            self,
            Self::Manageable | Self::Enroll | Self::AdoptFailed | Self::Available
        )
    }

    /// Whether work in this state is lost with the conductor that did it, so that the node must
    /// be moved to the failed state when that conductor is gone.
    ///
    /// Source: Ironic's `STUCK_STATES_TREATED_AS_FAIL`.
    pub fn fails_when_abandoned(self) -> bool {
        match self.row().phase {
            Phase::Working(_) => true,
            Phase::Idle | Phase::Waiting(_) | Phase::Held(_) | Phase::Failed(_) => false,
        }
    }
}

impl fmt::Display for ProvisionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The provision state as the database holds it: one that is known here, or a word that is not
/// (written by a newer release, or damaged).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredState {
    /// A state of [`MACHINE`].
    Known(ProvisionState),
    /// Any other word. Nothing is done with such a node, and nothing boots on it.
    Unknown(String),
}

impl StoredState {
    /// Reads the database's word.
    pub fn from_name(name: &str) -> Self {
        ProvisionState::from_name(name).map_or_else(|| Self::Unknown(name.to_owned()), Self::Known)
    }

    /// The word itself.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(state) => state.name(),
            Self::Unknown(word) => word,
        }
    }

    /// The state, if it is known.
    pub fn known(&self) -> Option<ProvisionState> {
        match self {
            Self::Known(state) => Some(*state),
            Self::Unknown(_) => None,
        }
    }
}

impl From<ProvisionState> for StoredState {
    fn from(state: ProvisionState) -> Self {
        Self::Known(state)
    }
}

impl fmt::Display for StoredState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FsmEvent {
    /// The event's name in Ironic's state machine.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Adopt => "adopt",
            Self::Clean => "clean",
            Self::Delete => "delete",
            Self::Deploy => "deploy",
            Self::Done => "done",
            Self::Fail => "fail",
            Self::Hold => "hold",
            Self::Inspect => "inspect",
            Self::Manage => "manage",
            Self::Provide => "provide",
            Self::Rebuild => "rebuild",
            Self::Rescue => "rescue",
            Self::Resume => "resume",
            Self::Service => "service",
            Self::Unhold => "unhold",
            Self::Unrescue => "unrescue",
            Self::Wait => "wait",
        }
    }
}

#[cfg(test)]
mod tests;
