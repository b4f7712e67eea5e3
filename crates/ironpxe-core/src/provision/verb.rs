//! What an operator may ask for: one row per verb.
//!
//! The API's checks, the conductor, the documentation and the tests read the row. In which states a
//! verb is accepted is said by the state machine: where it has the verb's event.
//!
//! Source: Ironic's `VERBS`, `MIN_VERB_VERSIONS` and `check_allow_*` (`api/controllers/v1/`), and
//! `do_provisioning_action`, `do_node_deploy` and others (`conductor/manager.py`).

use super::args::Argument;
use crate::interface::InterfaceKind;
use crate::provision_state::{FsmEvent, ProvisionState, Task};

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

/// All that is to be known about a verb.
#[derive(Debug)]
pub struct VerbRow {
    /// The words of the API, the oldest first.
    pub words: &'static [Word],
    /// The event of the state machine: the verb is accepted in the states that have it.
    pub event: FsmEvent,
    /// States in which the verb is accepted only since a later microversion (1.x) than its word.
    pub since_in: &'static [(ProvisionState, u16)],
    /// What may be sent with it.
    pub arguments: &'static [Takes],
    /// What of the node refuses it, whatever state it is in; the first that applies is named.
    pub refused_by: &'static [RefusedBy],
    /// An interface without which it is refused: one whose implementation is called `no-…`.
    pub interface: Option<InterfaceKind>,
    /// What is validated before it is accepted.
    pub validates: Validates,
    /// Where the node is heading, where the state that it gets into heads elsewhere.
    pub target: Option<ProvisionState>,
    /// The task that is started, if the verb leads into a state in which a conductor works.
    pub task: Option<Task>,
}

/// A word of the API for a verb.
#[derive(Debug)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// The microversion (1.x) that brought it.
    pub since: u16,
    /// Whether a node in maintenance is refused as such before its state is looked at.
    pub checks_maintenance: bool,
}

/// An argument that a verb takes.
#[derive(Debug)]
pub struct Takes {
    /// Which.
    pub argument: Argument,
    /// The microversion (1.x) that brought it; 1 if it came with the verb.
    pub since: u16,
    /// Whether the verb is refused without it.
    pub required: bool,
}

/// A field of the node by which a verb is refused. The text is the operation's name in the refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// `protected`.
    Protected,
    /// `retired`.
    Retired(&'static str),
    /// `maintenance`.
    Maintenance(&'static str),
    /// `maintenance`, unless `[conductor]allow_provisioning_in_maintenance`.
    MaintenanceUnlessAllowed(&'static str),
}

/// What is validated before a verb is accepted, so that who asks hears what cannot succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validates {
    /// Nothing. (A node must be able to leave its instance, so that `undeploy` and `provide` are
    /// accepted, as by Ironic, and the cleaning may fail.)
    Nothing,
    /// All that a deployment needs.
    Deployment,
    /// If an agent does the work of this interface: that the machine can boot its ramdisk in the
    /// state in which the node waits for it. A request with `disable_ramdisk` needs none.
    Ramdisk(InterfaceKind, ProvisionState),
    /// That the machine can boot its instance.
    Instance,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 13] = [
        Self::Deploy,
        Self::Rebuild,
        Self::Undeploy,
        Self::Manage,
        Self::Provide,
        Self::Inspect,
        Self::Abort,
        Self::Clean,
        Self::Adopt,
        Self::Rescue,
        Self::Unrescue,
        Self::Unhold,
        Self::Service,
    ];

    /// The verb's row. Each field is written out in each row, so that a new verb, and a new question
    /// about verbs, does not compile until it is answered.
    pub fn row(self) -> &'static VerbRow {
        use Argument as A;
        use InterfaceKind as I;
        use ProvisionState as S;
        match self {
            Self::Deploy => {
                const {
                    &VerbRow {
                        words: &[word_then_maintenance("active", 1), word("deploy", 73)],
                        event: FsmEvent::Deploy,
                        since_in: &[],
                        arguments: &[takes(A::ConfigDrive, 1), takes(A::DeploySteps, 69)],
                        refused_by: &[RefusedBy::Maintenance("provisioning")],
                        interface: None,
                        validates: Validates::Deployment,
                        target: None,
                        task: Some(Task::Deploy),
                    }
                }
            }
            Self::Rebuild => {
                const {
                    &VerbRow {
                        words: &[word_then_maintenance("rebuild", 1)],
                        event: FsmEvent::Rebuild,
                        since_in: &[],
                        arguments: &[takes(A::ConfigDrive, 35), takes(A::DeploySteps, 69)],
                        refused_by: &[RefusedBy::Protected, RefusedBy::Maintenance("provisioning")],
                        interface: None,
                        validates: Validates::Deployment,
                        target: None,
                        task: Some(Task::Deploy),
                    }
                }
            }
            Self::Undeploy => {
                const {
                    &VerbRow {
                        words: &[word("deleted", 1), word("undeploy", 73)],
                        event: FsmEvent::Delete,
                        since_in: &[],
                        arguments: &[],
                        refused_by: &[RefusedBy::Protected],
                        interface: None,
                        validates: Validates::Nothing,
                        target: None,
                        task: Some(Task::TearDown),
                    }
                }
            }
            Self::Manage => {
                const {
                    &VerbRow {
                        words: &[word("manage", 4)],
                        event: FsmEvent::Manage,
                        since_in: &[],
                        arguments: &[],
                        refused_by: &[],
                        interface: None,
                        validates: Validates::Nothing,
                        target: None,
                        task: Some(Task::Verify),
                    }
                }
            }
            Self::Provide => {
                const {
                    &VerbRow {
                        words: &[word("provide", 4)],
                        event: FsmEvent::Provide,
                        since_in: &[],
                        arguments: &[],
                        refused_by: &[
                            RefusedBy::Retired("providing"),
                            RefusedBy::MaintenanceUnlessAllowed("providing"),
                        ],
                        interface: None,
                        validates: Validates::Nothing,
                        target: None,
                        task: Some(Task::Clean),
                    }
                }
            }
            Self::Inspect => {
                const {
                    &VerbRow {
                        words: &[word("inspect", 6)],
                        event: FsmEvent::Inspect,
                        since_in: &[],
                        arguments: &[],
                        refused_by: &[RefusedBy::MaintenanceUnlessAllowed("inspecting")],
                        interface: Some(I::Inspect),
                        validates: Validates::Ramdisk(I::Inspect, S::InspectWait),
                        target: None,
                        task: Some(Task::Inspect),
                    }
                }
            }
            Self::Abort => {
                const {
                    &VerbRow {
                        words: &[word("abort", 13)],
                        event: FsmEvent::Abort,
                        since_in: &[(S::InspectWait, 41), (S::DeployWait, 110)],
                        arguments: &[],
                        refused_by: &[],
                        interface: None,
                        validates: Validates::Nothing,
                        target: None,
                        task: None,
                    }
                }
            }
            Self::Clean => {
                const {
                    &VerbRow {
                        words: &[word("clean", 15)],
                        event: FsmEvent::Clean,
                        since_in: &[],
                        arguments: &[requires(A::CleanSteps), takes(A::DisableRamdisk, 70)],
                        refused_by: &[RefusedBy::MaintenanceUnlessAllowed("cleaning")],
                        interface: None,
                        validates: Validates::Ramdisk(I::Deploy, S::CleanWait),
                        target: Some(S::Manageable),
                        task: Some(Task::Clean),
                    }
                }
            }
            Self::Adopt => {
                const {
                    &VerbRow {
                        words: &[word("adopt", 17)],
                        event: FsmEvent::Adopt,
                        since_in: &[],
                        arguments: &[],
                        refused_by: &[],
                        interface: None,
                        validates: Validates::Instance,
                        target: None,
                        task: Some(Task::Adopt),
                    }
                }
            }
            Self::Rescue => {
                const {
                    &VerbRow {
                        words: &[word("rescue", 38)],
                        event: FsmEvent::Rescue,
                        since_in: &[],
                        arguments: &[requires(A::RescuePassword)],
                        refused_by: &[RefusedBy::MaintenanceUnlessAllowed("rescuing")],
                        interface: Some(I::Rescue),
                        validates: Validates::Ramdisk(I::Rescue, S::RescueWait),
                        target: None,
                        task: Some(Task::Rescue),
                    }
                }
            }
            Self::Unrescue => {
                const {
                    &VerbRow {
                        words: &[word("unrescue", 38)],
                        event: FsmEvent::Unrescue,
                        since_in: &[],
                        arguments: &[],
                        refused_by: &[RefusedBy::MaintenanceUnlessAllowed("unrescuing")],
                        interface: Some(I::Rescue),
                        validates: Validates::Nothing,
                        target: None,
                        task: Some(Task::Unrescue),
                    }
                }
            }
            Self::Unhold => {
                const {
                    &VerbRow {
                        words: &[word("unhold", 85)],
                        event: FsmEvent::Unhold,
                        since_in: &[],
                        arguments: &[],
                        refused_by: &[],
                        interface: None,
                        validates: Validates::Nothing,
                        target: None,
                        task: None,
                    }
                }
            }
            Self::Service => {
                const {
                    &VerbRow {
                        words: &[word("service", 87)],
                        event: FsmEvent::Service,
                        since_in: &[],
                        arguments: &[requires(A::ServiceSteps), takes(A::DisableRamdisk, 108)],
                        refused_by: &[RefusedBy::MaintenanceUnlessAllowed("servicing")],
                        interface: None,
                        validates: Validates::Ramdisk(I::Deploy, S::ServiceWait),
                        target: None,
                        task: Some(Task::Service),
                    }
                }
            }
        }
    }

    /// The verb for a word of the API, and the word.
    pub fn from_word(name: &str) -> Option<(Self, &'static Word)> {
        Self::ALL.into_iter().find_map(|verb| {
            let word = verb.row().words.iter().find(|word| word.name == name)?;
            Some((verb, word))
        })
    }

    /// The oldest word of the API for the verb, which is the one Ironic's conductors know.
    pub fn name(self) -> &'static str {
        self.row().words.first().map_or("", |word| word.name)
    }

    /// How the verb takes `argument`; `None` if it does not.
    pub fn takes(self, argument: Argument) -> Option<&'static Takes> {
        let arguments = self.row().arguments;
        arguments.iter().find(|takes| takes.argument == argument)
    }
}

const fn word(name: &'static str, since: u16) -> Word {
    Word {
        name,
        since,
        checks_maintenance: false,
    }
}

const fn word_then_maintenance(name: &'static str, since: u16) -> Word {
    Word {
        checks_maintenance: true,
        ..word(name, since)
    }
}

const fn takes(argument: Argument, since: u16) -> Takes {
    Takes {
        argument,
        since,
        required: false,
    }
}

const fn requires(argument: Argument) -> Takes {
    Takes {
        required: true,
        ..takes(argument, 1)
    }
}
