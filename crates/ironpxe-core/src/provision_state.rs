//! Ironic's complete provision state machine.
//!
//! [`MACHINE`] (in `machine.rs`) is the only table: the API's errors, the conductor's checks and
//! the boot decision read it, and a test compares it with recordings of real Ironic. The verbs of
//! the API are in [`crate::provision`].
//!
//! Source: Ironic's `common/states.py` and `common/state_machine.py` (version 39).

mod machine;

use std::fmt;

pub use machine::{Change, MACHINE, StateRow};

/// A provision state, as Ironic names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProvisionState {
    /// An instance runs on the node.
    Active,
    /// Adoption failed.
    AdoptFailed,
    /// A machine that was deployed by other means is being adopted.
    Adopting,
    /// Clean and ready to be deployed.
    Available,
    /// Cleaning failed.
    CleanFailed,
    /// Cleaning is paused on an operator's request; the ramdisk runs.
    CleanHold,
    /// Cleaning waits for the ramdisk.
    CleanWait,
    /// The node is being cleaned.
    Cleaning,
    /// The instance is being torn down.
    Deleting,
    /// Deployment failed.
    DeployFailed,
    /// Deployment is paused on an operator's request; the ramdisk runs.
    DeployHold,
    /// An instance is being deployed.
    Deploying,
    /// Enrolled, but not verified yet.
    Enroll,
    /// Tear-down failed; see `last_error`.
    Error,
    /// Inspection failed.
    InspectFailed,
    /// Inspection waits for the ramdisk.
    InspectWait,
    /// The hardware is being inspected.
    Inspecting,
    /// Verified and managed.
    Manageable,
    /// The rescue ramdisk runs instead of the instance.
    Rescue,
    /// Rescue failed.
    RescueFailed,
    /// Rescue waits for the ramdisk.
    RescueWait,
    /// The rescue ramdisk is being booted.
    Rescuing,
    /// Servicing failed.
    ServiceFailed,
    /// Servicing is paused on an operator's request; the ramdisk runs.
    ServiceHold,
    /// Servicing waits for the ramdisk.
    ServiceWait,
    /// The deployed node is being serviced.
    Servicing,
    /// Unrescue failed.
    UnrescueFailed,
    /// The instance is being restored after rescue.
    Unrescuing,
    /// The credentials for the machine are being verified.
    Verifying,
    /// Deployment waits for the ramdisk.
    DeployWait,
}

/// An event of Ironic's state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FsmEvent {
    /// Abort the task, on request.
    Abort,
    /// Take over a deployed machine.
    Adopt,
    /// Clean: on request, or after a tear-down.
    Clean,
    /// Tear the instance down.
    Delete,
    /// Deploy an instance.
    Deploy,
    /// The task succeeded.
    Done,
    /// The task failed.
    Fail,
    /// A step pauses the task until an operator resumes it.
    Hold,
    /// Inspect the hardware.
    Inspect,
    /// Manage the node.
    Manage,
    /// Make available for deployment.
    Provide,
    /// Deploy again over the current instance.
    Rebuild,
    /// Boot the rescue ramdisk.
    Rescue,
    /// The ramdisk called back.
    Resume,
    /// Service the deployed node.
    Service,
    /// Resume a task that is on hold.
    Unhold,
    /// Leave rescue.
    Unrescue,
    /// The task waits for the ramdisk.
    Wait,
}

/// A long-running operation on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Verify the credentials for the machine.
    Verify,
    /// Inspect the hardware.
    Inspect,
    /// Clean, on request or before the node becomes available.
    Clean,
    /// Deploy an instance.
    Deploy,
    /// Remove the instance from the node.
    TearDown,
    /// Adopt a deployed machine.
    Adopt,
    /// Boot the rescue ramdisk.
    Rescue,
    /// Restore the instance after rescue.
    Unrescue,
    /// Service the deployed node.
    Service,
}

impl Task {
    /// The provision state after the task, unless the request determines another one.
    pub fn target(self) -> ProvisionState {
        match self {
            Self::Verify | Self::Inspect => ProvisionState::Manageable,
            Self::Clean | Self::TearDown => ProvisionState::Available,
            Self::Deploy | Self::Adopt | Self::Unrescue | Self::Service => ProvisionState::Active,
            Self::Rescue => ProvisionState::Rescue,
        }
    }
}

/// What a node in a provision state is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No task: the node stays in this state until a request.
    Idle,
    /// A conductor executes the task and holds the node's reservation. If the conductor dies, the
    /// task is lost.
    Working(Task),
    /// The node waits for the ramdisk or the installer on the machine.
    Waiting(Task),
    /// As `Waiting`, until an operator resumes the task.
    Held(Task),
    /// The task has failed.
    Failed(Task),
}

impl Phase {
    /// The task that is in progress or has failed.
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
        // Rows are in declaration order of the enum, as a test checks.
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

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        MACHINE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.state)
    }

    /// The default target of a node in this state; `None` in a stable state, which is only left on
    /// request.
    pub fn target(self) -> Option<Self> {
        match self.row().phase {
            // The state `error`.
            Phase::Idle | Phase::Failed(Task::TearDown) => None,
            Phase::Working(task)
            | Phase::Waiting(task)
            | Phase::Held(task)
            | Phase::Failed(task) => Some(task.target()),
        }
    }

    /// The state that `event` leads to; `None` if it is not accepted in this state.
    pub fn on(self, event: FsmEvent) -> Option<Self> {
        self.row()
            .events
            .iter()
            .find(|(accepted, _)| *accepted == event)
            .map(|(_, next)| *next)
    }

    /// Whether the change is allowed in this state.
    pub fn allows(self, change: Change) -> bool {
        self.row().allows.contains(&change)
    }

    /// Whether a task in this state is lost with its conductor, so that the node must be moved to
    /// the failed state.
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

/// The provision state as stored in the database: a known one, or an unknown name (written by a
/// newer release, or damaged).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredState {
    /// A state of [`MACHINE`].
    Known(ProvisionState),
    /// Any other name. No task is started for such a node, and it is not booted.
    Unknown(String),
}

impl StoredState {
    /// Parses the name in the database.
    pub fn from_name(name: &str) -> Self {
        ProvisionState::from_name(name).map_or_else(|| Self::Unknown(name.to_owned()), Self::Known)
    }

    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::Known(state) => state.name(),
            Self::Unknown(word) => word,
        }
    }

    /// Whether the change is allowed in this state; no change is in an unknown one.
    pub fn allows(&self, change: Change) -> bool {
        self.known().is_some_and(|state| state.allows(change))
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
