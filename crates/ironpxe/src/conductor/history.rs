//! What went wrong with a node is kept in its history, and the history is kept short.
//!
//! Whatever becomes a node's `last_error` becomes an event, in the same transaction.
//!
//! Source: Ironic's `conductor/utils.py` (`node_history_record`, and who calls it) and
//! `conductor/manager.py` (`_manage_node_history`).

use std::time::Duration;

use ironpxe_core::error::Result;
use ironpxe_core::id::{NodeHistoryUuid, NodeUuid};
use ironpxe_core::node::Node;
use ironpxe_core::node_history::{NodeHistory, Severity};
use ironpxe_core::provision::RESCUE_ABORTED;
use ironpxe_core::provision_state::Task;
use tracing::{info, warn};

use super::LocalConductor;
use crate::db::Excess;
use crate::{clock, ident};

/// `event_type` of what happened in no stage that Ironic has a word for.
const UNKNOWN: &str = "UNKNOWN";

/// What is kept of the history of nodes.
#[derive(Debug, Clone)]
pub struct HistorySettings {
    /// `[conductor]node_history`: whether events are recorded.
    pub record: bool,
    /// `[conductor]node_history_max_entries`: of each node.
    pub max_entries: u32,
    /// `[conductor]node_history_minimum_days`: for so many days all entries are kept.
    pub minimum_days: u32,
    /// `[conductor]node_history_cleanup_interval`; zero is never.
    pub cleanup_interval: Duration,
    /// `[conductor]node_history_cleanup_batch_count`: how many entries are deleted at a time.
    pub cleanup_batch: u32,
}

impl Default for HistorySettings {
    fn default() -> Self {
        Self {
            record: true,
            max_entries: 300,
            minimum_days: 0,
            cleanup_interval: Duration::from_hours(24),
            cleanup_batch: 1000,
        }
    }
}

impl LocalConductor {
    /// As `Db::node_change`; what becomes the node's `last_error` is an event of its history.
    pub(super) async fn change_node<T>(
        &self,
        uuid: NodeUuid,
        change: impl FnMut(&mut Node) -> Result<T> + Send,
    ) -> Result<(Node, T)> {
        let event = |before: &Node, after: &Node| self.event_of(before, after);
        self.db.node_change_recorded(uuid, change, event).await
    }

    /// The event of a change, if there is one to be recorded.
    pub(super) fn event_of(&self, before: &Node, after: &Node) -> Option<NodeHistory> {
        if !self.settings.history.record {
            return None;
        }
        let error = after.last_error.as_deref()?;
        if after.last_error == before.last_error && after.provision_state == before.provision_state
        {
            return None;
        }
        let now = clock::now();
        let stage = event_type(after).or_else(|| event_type(before));
        let duration = before.provision_updated_at.map(|since| now - since);
        Some(NodeHistory {
            conductor: Some(self.settings.host.clone()),
            state: Some(before.provision_state.name().to_owned()),
            target_provision_state: before.target_provision_state.clone(),
            duration_seconds: duration.map(|duration| duration.whole_seconds().max(0)),
            ..NodeHistory::new(
                NodeHistoryUuid(ident::uuid()),
                after.uuid,
                now,
                severity(error),
                stage.unwrap_or(UNKNOWN),
                error,
            )
        })
    }

    /// Deletes entries that are too many, of all nodes.
    pub(super) async fn purge_history(&self) {
        let settings = &self.settings.history;
        if settings.cleanup_batch == 0 {
            return;
        }
        let kept = time::Duration::days(settings.minimum_days.into());
        let Some(before) = clock::now().checked_sub(kept) else {
            return;
        };
        let excess = Excess {
            before,
            max_entries: settings.max_entries,
            batch: settings.cleanup_batch,
        };
        match self.db.node_history_purge(&excess).await {
            Ok(0) => {}
            Ok(deleted) if deleted >= u64::from(settings.cleanup_batch) => warn!(
                "{deleted} entries of the history of nodes were deleted, as many as \
                 [conductor]node_history_cleanup_batch_count allows: if this is said again and \
                 again, raise it or lower [conductor]node_history_cleanup_interval"
            ),
            Ok(deleted) => info!("{deleted} entries of the history of nodes were deleted"),
            Err(problem) => warn!("the history of nodes is not cleaned up: {problem}"),
        }
    }
}

/// By request, as Ironic sees it, is no error where a rescue is aborted.
fn severity(error: &str) -> Severity {
    if error == RESCUE_ABORTED {
        Severity::Info
    } else {
        Severity::Error
    }
}

/// What a node in this state is in the middle of, or failed in the middle of.
fn event_type(node: &Node) -> Option<&'static str> {
    let stage = match node.provision_state.known()?.row().phase.task()? {
        Task::Verify => "verifying",
        Task::Inspect => "introspection",
        Task::Clean => "cleaning",
        Task::Deploy => "deploying",
        Task::Rescue | Task::Unrescue => "rescue",
        Task::Service => "servicing",
        Task::Adopt => "adoption",
        Task::TearDown => "unprovision",
    };
    Some(stage)
}
