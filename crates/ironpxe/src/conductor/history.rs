//! The history of nodes: recording errors, and purging old entries.
//!
//! Every new `last_error` is recorded as an event, in the same transaction.
//!
//! Source: Ironic's `conductor/utils.py` (`node_history_record` and its callers) and
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

/// `event_type` in states without a type in Ironic.
const UNKNOWN: &str = "UNKNOWN";

/// The settings of the node history.
#[derive(Debug, Clone)]
pub(crate) struct HistorySettings {
    /// `[conductor]node_history`: whether events are recorded.
    pub record: bool,
    /// `[conductor]node_history_max_entries`, per node.
    pub max_entries: u32,
    /// `[conductor]node_history_minimum_days`: entries are kept at least this long.
    pub minimum_days: u32,
    /// `[conductor]node_history_cleanup_interval`; zero disables it.
    pub cleanup_interval: Duration,
    /// `[conductor]node_history_cleanup_batch_count`: entries deleted per run.
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
    /// As `Db::node_change`; also records a new `last_error` in the node's history.
    pub(super) async fn change_node<T>(
        &self,
        uuid: NodeUuid,
        change: impl FnMut(&mut Node) -> Result<T> + Send,
    ) -> Result<(Node, T)> {
        let event = |before: &Node, after: &Node| self.event_of(before, after);
        self.db.node_change_recorded(uuid, change, event).await
    }

    /// The event of a change, if there is one to record.
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

    /// Deletes excess entries of all nodes.
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
                "{deleted} node history entries deleted, the limit of \
                 [conductor]node_history_cleanup_batch_count: if this message repeats, \
                 raise it or lower [conductor]node_history_cleanup_interval"
            ),
            Ok(deleted) => info!("{deleted} node history entries deleted"),
            Err(problem) => warn!("cannot purge the node history: {problem}"),
        }
    }
}

/// Like Ironic, reports an abort on request as an error, except for a rescue.
fn severity(error: &str) -> Severity {
    if error == RESCUE_ABORTED {
        Severity::Info
    } else {
        Severity::Error
    }
}

/// The task that a node in this state executes, or in which it failed.
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
