//! Nodes whose conductor is gone, and giving them back exactly once.
//!
//! Whoever gives a node back does it in one statement that names all it depends on: the node as it
//! was read, its reservation, and the state of the conductor that holds it. So of two conductors
//! that find the same node one gets it, and neither gets it from a conductor that came back.

use ironpxe_core::node::Node;
use time::OffsetDateTime;

use super::node_row::{NodeRow, node_columns};
use super::row::Timestamp;
use super::{Db, DbError};
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

impl<'a> Holder<'a> {
    /// What the statements compare with. No time and no run compares with nothing.
    fn terms(self) -> (Option<Timestamp>, Option<&'a str>, Option<&'a str>) {
        match self {
            Self::SilentSince(time) => (Some(Timestamp(time)), None, None),
            Self::Run { hostname, run_id } => (None, Some(hostname), Some(run_id)),
        }
    }
}

impl Db {
    /// The moment before which a conductor must have been heard of last, to be dead now.
    pub fn silent_since(&self) -> OffsetDateTime {
        clock::now()
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
        let rows: Vec<NodeRow> = sqlx::query_as(concat!(
            "SELECT ",
            node_columns!(),
            " FROM nodes WHERE reservation IN (SELECT hostname FROM conductors WHERE \
             conductors.updated_at < $1 OR (hostname = $2 AND run_id = $3)) ORDER BY nodes.id"
        ))
        .bind(since)
        .bind(hostname)
        .bind(run_id)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| DbError::from_sqlx("list abandoned nodes", error))?;
        Ok(rows.into_iter().map(|NodeRow(node)| node).collect())
    }

    /// Saves what becomes of an abandoned node (its states, its reservation and its last error)
    /// over `before`, if it still is abandoned; tells whether it was.
    pub async fn node_take(
        &self,
        before: &Node,
        after: &Node,
        holder: Holder<'_>,
    ) -> Result<bool, DbError> {
        let (since, hostname, run_id) = holder.terms();
        sqlx::query(
            "UPDATE nodes SET provision_state = $3, target_provision_state = $4, \
             provision_updated_at = $5, target_power_state = $6, reservation = $7, \
             last_error = $8, updated_at = $9, revision = $10 \
             WHERE uuid = $1 AND revision = $2 AND EXISTS (SELECT 1 FROM conductors \
             WHERE conductors.hostname = nodes.reservation \
             AND (conductors.updated_at < $11 OR (hostname = $12 AND run_id = $13)))",
        )
        .bind(before.uuid.0)
        .bind(before.revision)
        .bind(after.provision_state.name())
        .bind(&after.target_provision_state)
        .bind(after.provision_updated_at.map(Timestamp))
        .bind(
            after
                .target_power_state
                .map(ironpxe_core::power_state::PowerState::name),
        )
        .bind(&after.reservation)
        .bind(&after.last_error)
        .bind(Timestamp(clock::now()))
        .bind(before.revision + 1)
        .bind(since)
        .bind(hostname)
        .bind(run_id)
        .execute(&self.writer)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| DbError::from_sqlx("take an abandoned node", error))
    }
}
