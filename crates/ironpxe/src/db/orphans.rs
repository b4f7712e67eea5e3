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

/// From whom nodes may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder<'a> {
    /// From any conductor that has not been heard of since then.
    SilentSince(OffsetDateTime),
    /// From the conductor of this name, while this is the run of it that is registered.
    Run {
        /// Its name.
        hostname: &'a str,
        /// The run.
        run_id: &'a str,
    },
}

/// What the statements compare with. No time and no run compares with nothing.
type Terms<'a> = (Option<OffsetDateTime>, Option<&'a str>, Option<&'a str>);

impl<'a> Holder<'a> {
    fn terms(self) -> Terms<'a> {
        match self {
            Self::SilentSince(time) => (Some(time), None, None),
            Self::Run { hostname, run_id } => (None, Some(hostname), Some(run_id)),
        }
    }
}

impl Db {
    /// The moment before which a conductor must have been heard of last, to be dead now.
    pub(crate) fn silent_since(&self) -> OffsetDateTime {
        self.judging_time()
            .checked_sub(
                self.heartbeat_timeout
                    .try_into()
                    .unwrap_or(time::Duration::MAX),
            )
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The nodes that such a conductor holds.
    pub(crate) async fn node_list_held_by(&self, holder: Holder<'_>) -> Result<Vec<Node>, DbError> {
        let (since, hostname, run_id) = holder.terms();
        let statement = Statement::new(
            "list abandoned nodes",
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

    /// Saves `after` over the abandoned node `before`, and with it the event, if the node is still as it
    /// was read and still abandoned; tells whether it was.
    pub(crate) async fn node_reclaim(
        &self,
        before: &Node,
        after: Node,
        holder: Holder<'_>,
        event: Option<&NodeHistory>,
    ) -> Result<bool, DbError> {
        let (since, hostname, run_id) = holder.terms();
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
        let statement = Statement::assembled("take an abandoned node", text, Vec::new())
            .bind_all(node_row::values(&after))
            .bind(before.revision)
            .bind(since)
            .bind(hostname)
            .bind(run_id);
        let event = event.map(node_history::insert);
        writer.execute_guarded_then(statement, event).await
    }
}
