//! The history of a node.
//!
//! Source: Ironic's `objects/node_history.py` and `conductor/utils.py` (`node_history_record`).

use time::OffsetDateTime;

use crate::id::{NodeHistoryUuid, NodeUuid};
use crate::mask::mask_text;

/// The severity of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A failure.
    Error,
    /// Information.
    Info,
}

impl Severity {
    /// Ironic's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Info => "INFO",
        }
    }
}

/// An entry of a node's history; immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHistory {
    /// Identifies the entry.
    pub uuid: NodeHistoryUuid,
    /// The node it is about.
    pub node_uuid: NodeUuid,
    /// When it happened.
    pub created_at: OffsetDateTime,
    /// `ERROR` or `INFO`.
    pub severity: String,
    /// The task during which it happened, as Ironic names it: `deploying`, `cleaning`,
    /// `introspection` and others.
    pub event_type: String,
    /// What happened.
    pub event: String,
    /// The conductor that recorded it.
    pub conductor: Option<String>,
    /// The ID of the user whose request led to it.
    pub user: Option<String>,
    /// The ID of the project of that user.
    pub project: Option<String>,
    /// The provision state at that time.
    pub state: Option<String>,
    /// The target provision state at that time.
    pub target_provision_state: Option<String>,
    /// How long the node had been in that state, in seconds.
    pub duration_seconds: Option<i64>,
}

impl NodeHistory {
    /// An event that happened `now`, without optional details. Masks secrets in the text.
    pub fn new(
        uuid: NodeHistoryUuid,
        node_uuid: NodeUuid,
        now: OffsetDateTime,
        severity: Severity,
        event_type: &str,
        event: &str,
    ) -> Self {
        Self {
            uuid,
            node_uuid,
            created_at: now,
            severity: severity.name().to_owned(),
            event_type: event_type.to_owned(),
            event: mask_text(event).into_owned(),
            conductor: None,
            user: None,
            project: None,
            state: None,
            target_provision_state: None,
            duration_seconds: None,
        }
    }
}
