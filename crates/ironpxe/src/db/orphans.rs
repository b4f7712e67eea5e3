//! Nodes whose conductor is gone, and giving them back exactly once.
//!
//! Whoever gives a node back does it in one statement that names all it depends on: the node as it
//! was read, its reservation, and the state of the conductor that holds it. So of two conductors
//! that find the same node one gets it, and neither gets it from a conductor that came back.

use ironpxe_core::node::Node;
use ironpxe_core::node_history::NodeHistory;
use ironpxe_core::power_state::PowerState;
use time::OffsetDateTime;

use super::node_row::{node_columns, read};
use super::statement::Statement;
use super::{Db, DbError, node_history};
use crate::clock;

/// From whom nodes may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder<'a> {
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
    pub fn silent_since(&self) -> OffsetDateTime {
        self.judging_time()
            .checked_sub(
                self.heartbeat_timeout
                    .try_into()
                    .unwrap_or(time::Duration::MAX),
            )
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// The nodes that such a conductor holds.
    pub async fn node_list_held_by(&self, holder: Holder<'_>) -> Result<Vec<Node>, DbError> {
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

    /// Saves what becomes of an abandoned node (its states, its reservation and its last error)
    /// over `before`, and with it the event, if it still is abandoned; tells whether it was.
    pub async fn node_reclaim(
        &self,
        before: &Node,
        after: &Node,
        holder: Holder<'_>,
        event: Option<&NodeHistory>,
    ) -> Result<bool, DbError> {
        let (since, hostname, run_id) = holder.terms();
        let mut writer = self.writer().await?;
        let text = format!(
            "UPDATE nodes SET provision_state = $3, target_provision_state = $4, \
             provision_updated_at = $5, target_power_state = $6, reservation = $7, \
             last_error = $8, updated_at = $9, revision = $10 \
             WHERE uuid = $1 AND revision = $2 AND EXISTS (SELECT 1 FROM conductors \
             WHERE conductors.hostname = nodes.reservation \
             AND (conductors.updated_at < $11 OR (hostname = $12 AND run_id = $13)){holding})",
            holding = writer.holding()
        );
        let statement = Statement::assembled("take an abandoned node", text, Vec::new())
            .bind(before.uuid.0)
            .bind(before.revision)
            .bind(after.provision_state.name())
            .bind(&after.target_provision_state)
            .bind(after.provision_updated_at)
            .bind(after.target_power_state.map(PowerState::name))
            .bind(&after.reservation)
            .bind(&after.last_error)
            .bind(clock::now())
            .bind(before.revision + 1)
            .bind(since)
            .bind(hostname)
            .bind(run_id);
        let event = event.map(node_history::insert);
        writer.execute_guarded_then(statement, event).await
    }
}
