//! What an operator may ask for.

use super::Event;

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
