//! The provision state machine: Ironic's, whole.
//!
//! [`MACHINE`] is the one table. The API's errors, the conductor's guards, the boot decision and
//! the documentation all read it; a test compares it with what real Ironic reported.
//!
//! Source: Ironic's `common/states.py` and `common/state_machine.py` (version 39).

use std::fmt;

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

/// What moves a node from one provision state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
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

/// One row of the state machine.
#[derive(Debug)]
pub struct StateRow {
    /// The state this row is about.
    pub state: ProvisionState,
    /// Its name in the API and in the database.
    pub name: &'static str,
    /// Where a node in this state is heading unless the request said otherwise.
    pub target: Option<ProvisionState>,
    /// A stable state is left only on request.
    pub stable: bool,
    /// Which events are accepted, and where they lead.
    pub events: &'static [(Event, ProvisionState)],
}

/// The whole machine, one row per state, in alphabetical order of the names.
pub const MACHINE: [StateRow; 30] = {
    use Event as E;
    use ProvisionState as S;
    [
        StateRow {
            state: S::Active,
            name: "active",
            target: None,
            stable: true,
            events: &[
                (E::Delete, S::Deleting),
                (E::Rebuild, S::Deploying),
                (E::Rescue, S::Rescuing),
                (E::Service, S::Servicing),
            ],
        },
        StateRow {
            state: S::AdoptFailed,
            name: "adopt failed",
            target: Some(S::Active),
            stable: false,
            events: &[(E::Adopt, S::Adopting), (E::Manage, S::Manageable)],
        },
        StateRow {
            state: S::Adopting,
            name: "adopting",
            target: Some(S::Active),
            stable: false,
            events: &[(E::Done, S::Active), (E::Fail, S::AdoptFailed)],
        },
        StateRow {
            state: S::Available,
            name: "available",
            target: None,
            stable: true,
            events: &[(E::Deploy, S::Deploying), (E::Manage, S::Manageable)],
        },
        StateRow {
            state: S::CleanFailed,
            name: "clean failed",
            target: Some(S::Available),
            stable: false,
            events: &[(E::Manage, S::Manageable)],
        },
        StateRow {
            state: S::CleanHold,
            name: "clean hold",
            target: Some(S::Available),
            stable: false,
            events: &[(E::Abort, S::CleanFailed), (E::Unhold, S::CleanWait)],
        },
        StateRow {
            state: S::CleanWait,
            name: "clean wait",
            target: Some(S::Available),
            stable: false,
            events: &[
                (E::Abort, S::CleanFailed),
                (E::Fail, S::CleanFailed),
                (E::Hold, S::CleanHold),
                (E::Resume, S::Cleaning),
            ],
        },
        StateRow {
            state: S::Cleaning,
            name: "cleaning",
            target: Some(S::Available),
            stable: false,
            events: &[
                (E::Done, S::Available),
                (E::Fail, S::CleanFailed),
                (E::Hold, S::CleanHold),
                (E::Manage, S::Manageable),
                (E::Wait, S::CleanWait),
            ],
        },
        StateRow {
            state: S::Deleting,
            name: "deleting",
            target: Some(S::Available),
            stable: false,
            events: &[(E::Clean, S::Cleaning), (E::Fail, S::Error)],
        },
        StateRow {
            state: S::DeployFailed,
            name: "deploy failed",
            target: Some(S::Active),
            stable: false,
            events: &[
                (E::Delete, S::Deleting),
                (E::Deploy, S::Deploying),
                (E::Rebuild, S::Deploying),
            ],
        },
        StateRow {
            state: S::DeployHold,
            name: "deploy hold",
            target: Some(S::Active),
            stable: false,
            events: &[(E::Abort, S::DeployFailed), (E::Unhold, S::DeployWait)],
        },
        StateRow {
            state: S::Deploying,
            name: "deploying",
            target: Some(S::Active),
            stable: false,
            events: &[
                (E::Done, S::Active),
                (E::Fail, S::DeployFailed),
                (E::Hold, S::DeployHold),
                (E::Wait, S::DeployWait),
            ],
        },
        StateRow {
            state: S::Enroll,
            name: "enroll",
            target: None,
            stable: true,
            events: &[(E::Manage, S::Verifying)],
        },
        StateRow {
            state: S::Error,
            name: "error",
            target: None,
            stable: true,
            events: &[(E::Delete, S::Deleting), (E::Rebuild, S::Deploying)],
        },
        StateRow {
            state: S::InspectFailed,
            name: "inspect failed",
            target: Some(S::Manageable),
            stable: false,
            events: &[(E::Inspect, S::Inspecting), (E::Manage, S::Manageable)],
        },
        StateRow {
            state: S::InspectWait,
            name: "inspect wait",
            target: Some(S::Manageable),
            stable: false,
            events: &[
                (E::Abort, S::InspectFailed),
                (E::Done, S::Manageable),
                (E::Fail, S::InspectFailed),
                (E::Resume, S::Inspecting),
            ],
        },
        StateRow {
            state: S::Inspecting,
            name: "inspecting",
            target: Some(S::Manageable),
            stable: false,
            events: &[
                (E::Done, S::Manageable),
                (E::Fail, S::InspectFailed),
                (E::Wait, S::InspectWait),
            ],
        },
        StateRow {
            state: S::Manageable,
            name: "manageable",
            target: None,
            stable: true,
            events: &[
                (E::Adopt, S::Adopting),
                (E::Clean, S::Cleaning),
                (E::Inspect, S::Inspecting),
                (E::Provide, S::Cleaning),
            ],
        },
        StateRow {
            state: S::Rescue,
            name: "rescue",
            target: None,
            stable: true,
            events: &[
                (E::Delete, S::Deleting),
                (E::Rescue, S::Rescuing),
                (E::Unrescue, S::Unrescuing),
            ],
        },
        StateRow {
            state: S::RescueFailed,
            name: "rescue failed",
            target: Some(S::Rescue),
            stable: false,
            events: &[
                (E::Delete, S::Deleting),
                (E::Rescue, S::Rescuing),
                (E::Unrescue, S::Unrescuing),
            ],
        },
        StateRow {
            state: S::RescueWait,
            name: "rescue wait",
            target: Some(S::Rescue),
            stable: false,
            events: &[
                (E::Abort, S::RescueFailed),
                (E::Delete, S::Deleting),
                (E::Fail, S::RescueFailed),
                (E::Resume, S::Rescuing),
            ],
        },
        StateRow {
            state: S::Rescuing,
            name: "rescuing",
            target: Some(S::Rescue),
            stable: false,
            events: &[
                (E::Done, S::Rescue),
                (E::Fail, S::RescueFailed),
                (E::Wait, S::RescueWait),
            ],
        },
        StateRow {
            state: S::ServiceFailed,
            name: "service failed",
            target: Some(S::Active),
            stable: false,
            events: &[
                (E::Abort, S::Active),
                (E::Delete, S::Deleting),
                (E::Hold, S::ServiceHold),
                (E::Rescue, S::Rescuing),
                (E::Service, S::Servicing),
                (E::Wait, S::ServiceWait),
            ],
        },
        StateRow {
            state: S::ServiceHold,
            name: "service hold",
            target: Some(S::Active),
            stable: false,
            events: &[
                (E::Abort, S::ServiceFailed),
                (E::Fail, S::ServiceFailed),
                (E::Service, S::Servicing),
                (E::Unhold, S::ServiceWait),
            ],
        },
        StateRow {
            state: S::ServiceWait,
            name: "service wait",
            target: Some(S::Active),
            stable: false,
            events: &[
                (E::Abort, S::ServiceFailed),
                (E::Delete, S::Deleting),
                (E::Fail, S::ServiceFailed),
                (E::Hold, S::ServiceHold),
                (E::Resume, S::Servicing),
            ],
        },
        StateRow {
            state: S::Servicing,
            name: "servicing",
            target: Some(S::Active),
            stable: false,
            events: &[
                (E::Done, S::Active),
                (E::Fail, S::ServiceFailed),
                (E::Hold, S::ServiceHold),
                (E::Wait, S::ServiceWait),
            ],
        },
        StateRow {
            state: S::UnrescueFailed,
            name: "unrescue failed",
            target: Some(S::Active),
            stable: false,
            events: &[
                (E::Delete, S::Deleting),
                (E::Rescue, S::Rescuing),
                (E::Unrescue, S::Unrescuing),
            ],
        },
        StateRow {
            state: S::Unrescuing,
            name: "unrescuing",
            target: Some(S::Active),
            stable: false,
            events: &[(E::Done, S::Active), (E::Fail, S::UnrescueFailed)],
        },
        StateRow {
            state: S::Verifying,
            name: "verifying",
            target: Some(S::Manageable),
            stable: false,
            events: &[(E::Done, S::Manageable), (E::Fail, S::Enroll)],
        },
        StateRow {
            state: S::DeployWait,
            name: "wait call-back",
            target: Some(S::Active),
            stable: false,
            events: &[
                (E::Abort, S::DeployFailed),
                (E::Delete, S::Deleting),
                (E::Fail, S::DeployFailed),
                (E::Hold, S::DeployHold),
                (E::Resume, S::Deploying),
            ],
        },
    ]
};

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

    /// Whether the state is left only on request.
    pub fn is_stable(self) -> bool {
        self.row().stable
    }

    /// Where `event` leads from here; `None` if it is not accepted here.
    pub fn on(self, event: Event) -> Option<Self> {
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
        matches!(
            self,
            Self::Deploying
                | Self::Cleaning
                | Self::Verifying
                | Self::Inspecting
                | Self::Adopting
                | Self::Rescuing
                | Self::Unrescuing
                | Self::Deleting
                | Self::Servicing
        )
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

/// What an operator may ask for with `PUT /v1/nodes/<node>/states/provision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Deploy an instance (`active` or `deploy`).
    Deploy,
    /// Deploy again over the present instance.
    Rebuild,
    /// Tear the instance down (`deleted` or `undeploy`).
    Undeploy,
    /// Bring under management.
    Manage,
    /// Make available.
    Provide,
    /// Inspect the hardware.
    Inspect,
    /// Stop what waits.
    Abort,
    /// Run the given clean steps.
    Clean,
    /// Take over a deployed machine.
    Adopt,
    /// Boot the rescue ramdisk.
    Rescue,
    /// Leave rescue.
    Unrescue,
    /// Let a held node go on.
    Unhold,
    /// Run the given service steps.
    Service,
}

/// The words of the API for [`Verb`]s, with the microversion (1.x) each word came in.
///
/// Source: Ironic's `VERBS` and `MIN_VERB_VERSIONS`; `unhold` and `service` by its REST history.
pub const VERBS: [(&str, Verb, u16); 15] = [
    ("active", Verb::Deploy, 1),
    ("deploy", Verb::Deploy, 73),
    ("rebuild", Verb::Rebuild, 1),
    ("deleted", Verb::Undeploy, 1),
    ("undeploy", Verb::Undeploy, 73),
    ("manage", Verb::Manage, 4),
    ("provide", Verb::Provide, 4),
    ("inspect", Verb::Inspect, 6),
    ("abort", Verb::Abort, 13),
    ("clean", Verb::Clean, 15),
    ("adopt", Verb::Adopt, 17),
    ("rescue", Verb::Rescue, 38),
    ("unrescue", Verb::Unrescue, 38),
    ("unhold", Verb::Unhold, 85),
    ("service", Verb::Service, 87),
];

impl Verb {
    /// The verb for a word of the API, and the microversion (1.x) that brought the word.
    pub fn from_word(word: &str) -> Option<(Self, u16)> {
        VERBS
            .iter()
            .find(|(known, _, _)| *known == word)
            .map(|(_, verb, since)| (*verb, *since))
    }

    /// The event this verb raises in the state machine.
    pub fn event(self) -> Event {
        match self {
            Self::Deploy => Event::Deploy,
            Self::Rebuild => Event::Rebuild,
            Self::Undeploy => Event::Delete,
            Self::Manage => Event::Manage,
            Self::Provide => Event::Provide,
            Self::Inspect => Event::Inspect,
            Self::Abort => Event::Abort,
            Self::Clean => Event::Clean,
            Self::Adopt => Event::Adopt,
            Self::Rescue => Event::Rescue,
            Self::Unrescue => Event::Unrescue,
            Self::Unhold => Event::Unhold,
            Self::Service => Event::Service,
        }
    }
}

impl Event {
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
