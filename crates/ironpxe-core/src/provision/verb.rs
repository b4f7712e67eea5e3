//! The provision verbs: one row each.
//!
//! The API's checks, the conductor, the documentation and the tests use the row. The state machine
//! decides in which states a verb is accepted: those with the verb's event.
//!
//! Source: Ironic's `VERBS`, `MIN_VERB_VERSIONS` and `check_allow_*` (`api/controllers/v1/`), and
//! `do_provisioning_action`, `do_node_deploy` and others (`conductor/manager.py`).

use super::args::Argument;
use crate::interface::InterfaceKind;
use crate::provision_state::{FsmEvent, ProvisionState, Task};

/// A target of `PUT /v1/nodes/<node>/states/provision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::VariantArray)]
pub enum Verb {
    /// Deploy an instance (`active` or `deploy`).
    Deploy,
    /// Deploy again over the current instance.
    Rebuild,
    /// Tear the instance down (`deleted` or `undeploy`).
    Undeploy,
    /// Manage the node.
    Manage,
    /// Make available.
    Provide,
    /// Inspect the hardware.
    Inspect,
    /// Abort a task that waits.
    Abort,
    /// Run the given clean steps.
    Clean,
    /// Adopt a deployed machine.
    Adopt,
    /// Boot the rescue ramdisk.
    Rescue,
    /// Leave rescue.
    Unrescue,
    /// Resume a task that is on hold.
    Unhold,
    /// Run the given service steps.
    Service,
}

/// The definition of a verb.
#[derive(Debug)]
pub struct VerbRow {
    /// Its names in the API, oldest first, with the microversion (1.x) that introduced each.
    pub words: &'static [(&'static str, u16)],
    /// The event of the state machine: the verb is accepted in the states with this event.
    pub event: FsmEvent,
    /// States in which the verb is only accepted since a later microversion.
    pub since_in: &'static [(ProvisionState, u16)],
    /// Its arguments, with the microversion that introduced each; 1 if it came with the verb.
    pub takes: &'static [(Argument, u16)],
    /// Flags and interfaces of the node that refuse it in any state; the first that applies is
    /// reported.
    pub refused_by: &'static [RefusedBy],
    /// What is validated before it is accepted.
    pub validates: Validates,
    /// The task to start, if the verb leads to a state in which a conductor works.
    pub task: Option<Task>,
}

/// A reason to refuse a verb. The text is the operation's name in the message.
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
    /// An interface of this kind that does nothing (`no-inspect`, `no-rescue`).
    NoInterface(InterfaceKind),
}

/// What is validated before a verb is accepted, so that the client gets the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validates {
    /// Nothing. (It must always be possible to remove an instance: as in Ironic, `undeploy` and
    /// `provide` are accepted and the cleaning may fail.)
    Nothing,
    /// Everything that a deployment needs.
    Deployment,
    /// If the worker of this interface is an agent: that the machine can boot its ramdisk in the
    /// state in which the node waits for it. Not needed with `disable_ramdisk`.
    Ramdisk(InterfaceKind, ProvisionState),
    /// That the machine can boot its instance.
    Instance,
}

impl Verb {
    /// Every verb.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The verb's row. All fields are written out, so that a new verb or a new field does not
    /// compile until every row has it.
    #[rustfmt::skip]
    pub fn row(self) -> &'static VerbRow {
        use Argument as A;
        use FsmEvent as E;
        use InterfaceKind as I;
        use ProvisionState as S;
        use RefusedBy as R;
        use Task as T;
        use Validates as V;
        match self {
            Self::Deploy => &VerbRow {
                words: &[("active", 1), ("deploy", 73)], event: E::Deploy, task: Some(T::Deploy),
                since_in: &[], takes: &[(A::ConfigDrive, 1), (A::DeploySteps, 69)],
                refused_by: &[R::Maintenance("provisioning")],
                validates: V::Deployment,
            },
            Self::Rebuild => &VerbRow {
                words: &[("rebuild", 1)], event: E::Rebuild, task: Some(T::Deploy),
                since_in: &[], takes: &[(A::ConfigDrive, 35), (A::DeploySteps, 69)],
                refused_by: &[R::Protected, R::Maintenance("provisioning")],
                validates: V::Deployment,
            },
            Self::Undeploy => &VerbRow {
                words: &[("deleted", 1), ("undeploy", 73)], event: E::Delete, task: Some(T::TearDown),
                since_in: &[], takes: &[],
                refused_by: &[R::Protected],
                validates: V::Nothing,
            },
            Self::Manage => &VerbRow {
                words: &[("manage", 4)], event: E::Manage, task: Some(T::Verify),
                since_in: &[], takes: &[],
                refused_by: &[],
                validates: V::Nothing,
            },
            Self::Provide => &VerbRow {
                words: &[("provide", 4)], event: E::Provide, task: Some(T::Clean),
                since_in: &[], takes: &[],
                refused_by: &[R::Retired("providing"), R::MaintenanceUnlessAllowed("providing")],
                validates: V::Nothing,
            },
            Self::Inspect => &VerbRow {
                words: &[("inspect", 6)], event: E::Inspect, task: Some(T::Inspect),
                since_in: &[], takes: &[],
                refused_by: &[R::MaintenanceUnlessAllowed("inspecting"), R::NoInterface(I::Inspect)],
                validates: V::Ramdisk(I::Inspect, S::InspectWait),
            },
            Self::Abort => &VerbRow {
                words: &[("abort", 13)], event: E::Abort, task: None,
                since_in: &[(S::InspectWait, 41), (S::DeployWait, 110)], takes: &[],
                refused_by: &[],
                validates: V::Nothing,
            },
            Self::Clean => &VerbRow {
                words: &[("clean", 15)], event: E::Clean, task: Some(T::Clean),
                since_in: &[], takes: &[(A::CleanSteps, 1), (A::DisableRamdisk, 70)],
                refused_by: &[R::MaintenanceUnlessAllowed("cleaning")],
                validates: V::Ramdisk(I::Deploy, S::CleanWait),
            },
            Self::Adopt => &VerbRow {
                words: &[("adopt", 17)], event: E::Adopt, task: Some(T::Adopt),
                since_in: &[], takes: &[],
                refused_by: &[],
                validates: V::Instance,
            },
            Self::Rescue => &VerbRow {
                words: &[("rescue", 38)], event: E::Rescue, task: Some(T::Rescue),
                since_in: &[], takes: &[(A::RescuePassword, 1)],
                refused_by: &[R::MaintenanceUnlessAllowed("rescuing"), R::NoInterface(I::Rescue)],
                validates: V::Ramdisk(I::Rescue, S::RescueWait),
            },
            Self::Unrescue => &VerbRow {
                words: &[("unrescue", 38)], event: E::Unrescue, task: Some(T::Unrescue),
                since_in: &[], takes: &[],
                refused_by: &[R::MaintenanceUnlessAllowed("unrescuing"), R::NoInterface(I::Rescue)],
                validates: V::Nothing,
            },
            Self::Unhold => &VerbRow {
                words: &[("unhold", 85)], event: E::Unhold, task: None,
                since_in: &[], takes: &[],
                refused_by: &[],
                validates: V::Nothing,
            },
            Self::Service => &VerbRow {
                words: &[("service", 87)], event: E::Service, task: Some(T::Service),
                since_in: &[], takes: &[(A::ServiceSteps, 1), (A::DisableRamdisk, 108)],
                refused_by: &[R::MaintenanceUnlessAllowed("servicing")],
                validates: V::Ramdisk(I::Deploy, S::ServiceWait),
            },
        }
    }

    /// The verb with this name in the API, and the microversion (1.x) that introduced the name.
    pub fn from_word(name: &str) -> Option<(Self, u16)> {
        Self::ALL.iter().copied().find_map(|verb| {
            let mut words = verb.row().words.iter();
            let (_, since) = words.find(|(word, _)| *word == name)?;
            Some((verb, *since))
        })
    }

    /// The verb's oldest name, which Ironic's conductors use.
    pub fn name(self) -> &'static str {
        self.row().words.first().map_or("", |(word, _)| word)
    }

    /// The microversion (1.x) since which the verb has `argument`; `None` if it does not.
    pub fn takes(self, argument: Argument) -> Option<u16> {
        let mut takes = self.row().takes.iter();
        takes
            .find(|(taken, _)| *taken == argument)
            .map(|(_, since)| *since)
    }
}

impl Argument {
    /// The names of the verbs that accept it from a client of microversion 1.`minor`.
    pub fn taken_by(self, minor: u16) -> Vec<&'static str> {
        let takes = |verb: &Verb| verb.takes(self).is_some_and(|since| since <= minor);
        let verbs = Verb::ALL.iter().copied().filter(takes);
        verbs.map(Verb::name).collect()
    }

    /// The microversion (1.x) that introduced it; 1 if it came with a verb.
    pub fn since(self) -> u16 {
        let verbs = Verb::ALL.iter().copied();
        verbs.filter_map(|verb| verb.takes(self)).min().unwrap_or(1)
    }
}
