//! The history of nodes: entries are written in the transaction of their change, read, and purged.

use ironpxe_core::id::{NodeHistoryUuid, NodeUuid};
use ironpxe_core::node_history::NodeHistory;
use time::OffsetDateTime;

use super::list::{ListQuery, Order};
use super::row::Fields;
use super::statement::{Statement, Value};
use super::{Db, DbError, Page};

const TABLE: &str = "node_history";

/// The columns for [`read`], of an entry joined with its node.
macro_rules! select {
    () => {
        "SELECT node_history.id, node_history.uuid, nodes.uuid, node_history.created_at, \
         node_history.severity, node_history.event_type, node_history.event, \
         node_history.conductor, node_history.\"user\", node_history.project, \
         node_history.state, node_history.target_provision_state, \
         node_history.duration_seconds FROM node_history \
         JOIN nodes ON nodes.id = node_history.node_id"
    };
}

/// How many entries one statement deletes.
const MAX_DELETED_PER_STATEMENT: usize = 500;

/// Which entries to purge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Excess {
    /// Entries since then are kept and not counted.
    pub before: OffsetDateTime,
    /// The maximum number of older entries per node; the newest are kept.
    pub max_entries: u32,
    /// The maximum number of deleted entries, oldest first.
    pub batch: u32,
}

impl Db {
    /// The entry with this UUID, if it belongs to the node.
    pub(crate) async fn node_history_get(
        &self,
        node: NodeUuid,
        uuid: NodeHistoryUuid,
    ) -> Result<Option<NodeHistory>, DbError> {
        let statement = Statement::new(
            "read a node history entry",
            concat!(
                select!(),
                " WHERE node_history.uuid = $1 AND nodes.uuid = $2"
            ),
        )
        .bind(uuid.0)
        .bind(node.0);
        self.first(statement, read).await
    }

    /// The history of a node, sorted and paged.
    pub(crate) async fn node_history_list(
        &self,
        node: NodeUuid,
        page: &Page<NodeHistoryUuid>,
    ) -> Result<Vec<NodeHistory>, DbError> {
        let by = match page.sort_key {
            None | Some("id") => None,
            Some(key) => Some(sort_expression(key).ok_or(DbError::SortKey(key))?),
        };
        let order = Order {
            table: TABLE,
            by,
            direction: page.sort_dir,
        };
        let mut query = ListQuery::new(select!());
        query.equal("nodes.uuid", Some(node.0));
        if let Some(marker) = page.marker {
            order.after(&mut query, marker.0);
        }
        let statement = query.finish("list the history of a node", order, page.limit);
        let found = self.all(statement, read).await?;
        // An empty page may also mean that the marker was deleted concurrently.
        if let (true, Some(marker)) = (found.is_empty(), page.marker) {
            let there = self.node_history_get(node, marker).await?;
            there.ok_or(DbError::NodeHistoryMissing(marker))?;
        }
        Ok(found)
    }

    /// Deletes excess entries; returns their number. Boots do not depend on them, so
    /// [`Db::commit_version`] stays unchanged.
    pub(crate) async fn node_history_purge(&self, excess: &Excess) -> Result<u64, DbError> {
        let entries = self.excess_entries(excess).await?;
        let mut deleted = 0;
        for some in entries.chunks(MAX_DELETED_PER_STATEMENT) {
            let mut query = ListQuery::new("DELETE FROM node_history WHERE id IN (");
            for (index, id) in some.iter().enumerate() {
                query
                    .push(if index == 0 { "" } else { ", " })
                    .push_bind(*id);
            }
            query.push(")");
            let statement = query.assemble("delete excess history entries");
            deleted += self.execute_without_version(statement).await?;
        }
        Ok(deleted)
    }

    async fn excess_entries(&self, excess: &Excess) -> Result<Vec<i64>, DbError> {
        let statement = Statement::new(
            "list excess history entries",
            "SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY node_id \
             ORDER BY created_at DESC, id DESC) AS place FROM node_history \
             WHERE created_at < $1 AND node_id IN (SELECT node_id FROM node_history \
             WHERE created_at < $1 GROUP BY node_id HAVING COUNT(*) > $2)) AS ranked \
             WHERE place > $2 ORDER BY id LIMIT $3",
        )
        .bind(excess.before)
        .bind(i64::from(excess.max_entries))
        .bind(i64::from(excess.batch));
        self.all(statement, id).await
    }
}

/// Stores an entry; to be executed in the transaction of its change.
pub(super) fn insert(entry: &NodeHistory) -> Statement<'_> {
    let values: [Value<'_>; 12] = [
        entry.uuid.0.into(),
        entry.node_uuid.0.into(),
        entry.created_at.into(),
        (&entry.severity).into(),
        (&entry.event_type).into(),
        (&entry.event).into(),
        (&entry.conductor).into(),
        (&entry.user).into(),
        (&entry.project).into(),
        (&entry.state).into(),
        (&entry.target_provision_state).into(),
        entry.duration_seconds.into(),
    ];
    Statement::new(
        "store a node history entry",
        "INSERT INTO node_history (uuid, node_id, created_at, severity, event_type, event, \
         conductor, \"user\", project, state, target_provision_state, duration_seconds) \
         VALUES ($1, (SELECT id FROM nodes WHERE nodes.uuid = $2), $3, $4, $5, $6, $7, $8, $9, \
         $10, $11, $12)",
    )
    .bind_all(values)
}

fn id(fields: &mut Fields<'_>) -> Result<i64, sqlx::Error> {
    fields.take()
}

fn read(fields: &mut Fields<'_>) -> Result<NodeHistory, sqlx::Error> {
    fields.id()?;
    Ok(NodeHistory {
        uuid: NodeHistoryUuid(fields.take()?),
        node_uuid: NodeUuid(fields.take()?),
        created_at: fields.time()?,
        severity: fields.take()?,
        event_type: fields.take()?,
        event: fields.take()?,
        conductor: fields.take()?,
        user: fields.take()?,
        project: fields.take()?,
        state: fields.take()?,
        target_provision_state: fields.take()?,
        duration_seconds: fields.take()?,
    })
}

fn sort_expression(key: &'static str) -> Option<&'static str> {
    let expression = match key {
        "uuid" => "node_history.uuid",
        "created_at" => "node_history.created_at",
        "severity" => "node_history.severity",
        "event_type" => "node_history.event_type",
        "event" => "node_history.event",
        "conductor" => "node_history.conductor",
        "user" => "node_history.\"user\"",
        "project" => "node_history.project",
        "state" => "node_history.state",
        "target_provision_state" => "node_history.target_provision_state",
        "duration_seconds" => "node_history.duration_seconds",
        _ => return None,
    };
    Some(expression)
}
