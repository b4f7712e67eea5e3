//! The history of a node: what happened to it, and when.
//!
//! Source: Ironic's `objects/node_history.py` and `conductor/utils.py` (`node_history_record`).

use time::OffsetDateTime;

use crate::id::{NodeHistoryUuid, NodeUuid};
use crate::mask::mask_text;

/// How bad an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something failed.
    Error,
    /// Something is worth knowing.
    Info,
}

impl Severity {
    /// Ironic's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Info => "INFO",
        }
    }
}

/// An entry of a node's history. It is never changed.
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
    /// What the node was in the middle of, in Ironic's words: `deploying`, `cleaning`,
    /// `introspection` and others.
    pub event_type: String,
    /// What happened.
    pub event: String,
    /// The conductor that says so.
    pub conductor: Option<String>,
    /// The ID of the user whose request led to it.
    pub user: Option<String>,
    /// The ID of the project of that user.
    pub project: Option<String>,
    /// The provision state in which it happened.
    pub state: Option<String>,
    /// The provision state that the node was heading for.
    pub target_provision_state: Option<String>,
    /// How long the node had been in that state, in seconds.
    pub duration_seconds: Option<i64>,
}

impl NodeHistory {
    /// An event that happened `now`, of which nothing more is known. Secrets in the text are
    /// masked.
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
