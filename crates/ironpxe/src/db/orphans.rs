//! Nodes reserved by a conductor that is gone, and releasing them exactly once.
//!
//! A node is released by one statement whose condition has all it depends on: the revision of the
//! node as it was read, its reservation, and the state of the conductor that holds it. So of two
//! conductors that find the same node one succeeds, and neither if the conductor came back.

use ironpxe_core::node::Node;
use ironpxe_core::node_history::NodeHistory;
use time::OffsetDateTime;

use super::node_row::{self, node_columns, read};
use super::statement::Statement;
use super::{Db, DbError, node, node_history};
use crate::clock;

/// Whose nodes are released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReservedBy<'a> {
    /// Any conductor without a heartbeat since then.
    SilentSince(OffsetDateTime),
    /// The conductor of this name, if this run of it is still the registered one.
    Run {
        /// Its name.
        hostname: &'a str,
        /// The run.
        run_id: &'a str,
    },
}

impl<'a> ReservedBy<'a> {
    /// The values to compare with; a comparison with `NULL` is never true.
    fn binds(self) -> (Option<OffsetDateTime>, Option<&'a str>, Option<&'a str>) {
        match self {
            Self::SilentSince(time) => (Some(time), None, None),
            Self::Run { hostname, run_id } => (None, Some(hostname), Some(run_id)),
        }
    }
}

impl Db {
    /// A conductor whose last heartbeat was before this time is dead.
    pub(crate) fn silent_since(&self) -> OffsetDateTime {
        self.judging_time()
            .checked_sub(
                self.heartbeat_timeout
                    .try_into()
                    .unwrap_or(time::Duration::MAX),
            )
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The nodes reserved by such a conductor.
    pub(crate) async fn node_list_reserved_by(
        &self,
        reserved_by: ReservedBy<'_>,
    ) -> Result<Vec<Node>, DbError> {
        let (since, hostname, run_id) = reserved_by.binds();
        let statement = Statement::new(
            "list nodes of dead conductors",
            concat!(
                "SELECT ",
                node_columns!(),
                " FROM nodes WHERE reservation IN (SELECT hostname FROM conductors WHERE \
                 conductors.updated_at < $1 OR (hostname = $2 AND run_id = $3)) ORDER BY nodes.id"
            ),
        )
        .bind(since)
        .bind(hostname)
        .bind(run_id);
        self.all(statement, read).await
    }

    /// Saves `after` and the event if the node is still as it was read (`before`) and its
    /// conductor is still dead. Returns whether it was saved.
    pub(crate) async fn node_reclaim(
        &self,
        before: &Node,
        after: Node,
        reserved_by: ReservedBy<'_>,
        event: Option<&NodeHistory>,
    ) -> Result<bool, DbError> {
        let (since, hostname, run_id) = reserved_by.binds();
        let mut writer = self.writer().await?;
        let (update, columns) = (&*node::UPDATE, node_row::COLUMNS.len());
        let text = format!(
            "{update} AND EXISTS (SELECT 1 FROM conductors \
             WHERE conductors.hostname = nodes.reservation \
             AND (conductors.updated_at < ${} OR (hostname = ${} AND run_id = ${})){})",
            columns + 2,
            columns + 3,
            columns + 4,
            writer.holding()
        );
        let after = Node {
            updated_at: Some(clock::now()),
            revision: before.revision + 1,
            ..after
        };
        let statement =
            Statement::assembled("release a node of a dead conductor", text, Vec::new())
                .bind_all(node_row::values(&after))
                .bind(before.revision)
                .bind(since)
                .bind(hostname)
                .bind(run_id);
        let event = event.map(node_history::insert);
        writer.execute_guarded_then(statement, event).await
    }
}
