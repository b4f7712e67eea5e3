//! Volume targets.

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::volume::VolumeTarget;
use sqlx::{QueryBuilder, SqliteConnection};

use super::error::{contended, empty_column, taken_column};
use super::list::{Conditions, Order};
use super::volume_row::{TargetRow, bind_target, target_columns};
use super::{ATTEMPTS, Db, DbError, Duplicate, Page, node};
use crate::clock;

/// A target and its node, for the `WHERE` that follows.
macro_rules! select_target {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            target_columns!(),
            " FROM volume_targets JOIN nodes ON nodes.id = volume_targets.node_id",
            $rest
        )
    };
}

impl Db {
    /// Stores a new volume target.
    pub async fn volume_target_create(&self, target: &VolumeTarget) -> Result<(), DbError> {
        bind_target(
            sqlx::query(
                "INSERT INTO volume_targets (uuid, node_id, volume_type, boot_index, volume_id, \
                 properties, extra, created_at, updated_at, revision) \
                 VALUES ($1, (SELECT id FROM nodes WHERE nodes.uuid = $2), $3, $4, $5, $6, $7, \
                 $8, $9, $10)",
            ),
            target,
            0,
        )
        .execute(&self.writer)
        .await
        .map(|_| ())
        .map_err(|error| not_saved("store a volume target", target, error))
    }

    /// The volume target with this UUID.
    pub async fn volume_target_get(
        &self,
        uuid: VolumeTargetUuid,
    ) -> Result<Option<VolumeTarget>, DbError> {
        sqlx::query_as(select_target!(" WHERE volume_targets.uuid = $1"))
            .bind(uuid.0)
            .fetch_optional(&self.readers)
            .await
            .map(|row| row.map(|row: TargetRow| row.target))
            .map_err(|error| DbError::from_sqlx("read a volume target", error))
    }

    /// The volume targets of one node, or of all, in the order and of the page asked for.
    pub async fn volume_target_list(
        &self,
        node: Option<NodeUuid>,
        page: &Page<VolumeTargetUuid>,
    ) -> Result<Vec<VolumeTarget>, DbError> {
        let order = Order {
            table: "volume_targets",
            by: sort_expression(page.sort_key)?,
            direction: page.sort_dir,
        };
        let mut sql = QueryBuilder::new(select_target!(""));
        let mut conditions = Conditions::new(&mut sql);
        conditions.equal("nodes.uuid", node.map(|uuid| uuid.0));
        if let Some(marker) = page.marker {
            order.after(&mut conditions, marker.0);
        }
        order.finish(&mut sql, page.limit);
        let rows: Vec<TargetRow> = sql
            .build_query_as()
            .fetch_all(&self.readers)
            .await
            .map_err(|error| DbError::from_sqlx("list volume targets", error))?;
        if let (true, Some(marker)) = (rows.is_empty(), page.marker) {
            self.volume_target_get(marker)
                .await?
                .ok_or(DbError::VolumeTargetMissing(marker))?;
        }
        Ok(rows.into_iter().map(|row| row.target).collect())
    }

    /// Applies `change` to the volume target as it is, until it has been saved over what was read,
    /// unless `allowed` objects to its node as that is then (and to the node it comes to).
    ///
    /// Gives the target as it is saved. Both may run several times; a fault that one of them gives
    /// ends the matter. If nothing changes, nothing is saved.
    pub async fn volume_target_change(
        &self,
        uuid: VolumeTargetUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
        mut change: impl FnMut(&mut VolumeTarget) -> Result<(), Fault> + Send,
    ) -> Result<VolumeTarget, Fault> {
        let mut writer = self.write().await?;
        for _ in 0..ATTEMPTS {
            let TargetRow {
                target: before,
                revision,
            } = current(&mut writer, uuid).await?;
            let mut after = before.clone();
            change(&mut after)?;
            after.uuid = before.uuid;
            after.created_at = before.created_at;
            after.updated_at = before.updated_at;
            let from = node::current(&mut writer, before.node_uuid).await?;
            allowed(&from)?;
            if after == before {
                return Ok(after);
            }
            let to = if after.node_uuid == before.node_uuid {
                from.revision
            } else {
                let to = node::current(&mut writer, after.node_uuid).await?;
                allowed(&to)?;
                to.revision
            };
            after.updated_at = Some(clock::now());
            let over = Over {
                revision,
                from: from.revision,
                to,
            };
            if save(&mut writer, &after, over).await? {
                return Ok(after);
            }
        }
        Err(contended())
    }

    /// Deletes the volume target if `allowed` does not object to its node as that is. Gives the
    /// node's UUID.
    pub async fn volume_target_destroy(
        &self,
        uuid: VolumeTargetUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
    ) -> Result<NodeUuid, Fault> {
        let mut writer = self.write().await?;
        for _ in 0..ATTEMPTS {
            let row = current(&mut writer, uuid).await?;
            let node = node::current(&mut writer, row.target.node_uuid).await?;
            allowed(&node)?;
            let done = sqlx::query(
                "DELETE FROM volume_targets WHERE uuid = $1 AND revision = $2 AND node_id IN \
                 (SELECT id FROM nodes WHERE nodes.uuid = $3 AND nodes.revision = $4)",
            )
            .bind(uuid.0)
            .bind(row.revision)
            .bind(node.uuid.0)
            .bind(node.revision)
            .execute(&mut *writer)
            .await
            .map_err(|error| DbError::from_sqlx("delete a volume target", error))?;
            if done.rows_affected() == 1 {
                return Ok(node.uuid);
            }
        }
        Err(contended())
    }
}

/// What must still be as it was read for a change to be saved.
#[derive(Debug, Clone, Copy)]
struct Over {
    /// The target's revision.
    revision: i64,
    /// That of the node it belongs to.
    from: i64,
    /// That of the node it comes to, which mostly is the same.
    to: i64,
}

/// The target as the writer sees it.
async fn current(
    writer: &mut SqliteConnection,
    uuid: VolumeTargetUuid,
) -> Result<TargetRow, DbError> {
    sqlx::query_as(select_target!(" WHERE volume_targets.uuid = $1"))
        .bind(uuid.0)
        .fetch_optional(writer)
        .await
        .map_err(|error| DbError::from_sqlx("read a volume target to change it", error))?
        .ok_or(DbError::VolumeTargetMissing(uuid))
}

/// Saves the target if it and its nodes are still as they were read; tells whether it was.
async fn save(
    writer: &mut SqliteConnection,
    target: &VolumeTarget,
    over: Over,
) -> Result<bool, DbError> {
    bind_target(
        sqlx::query(
            "UPDATE volume_targets SET node_id = (SELECT id FROM nodes WHERE nodes.uuid = $2), \
             volume_type = $3, boot_index = $4, volume_id = $5, properties = $6, extra = $7, \
             created_at = $8, updated_at = $9, revision = $10 \
             WHERE uuid = $1 AND revision = $11 \
             AND $12 = (SELECT nodes.revision FROM nodes WHERE nodes.id = node_id) \
             AND $13 = (SELECT nodes.revision FROM nodes WHERE nodes.uuid = $2)",
        ),
        target,
        over.revision + 1,
    )
    .bind(over.revision)
    .bind(over.from)
    .bind(over.to)
    .execute(writer)
    .await
    .map(|done| done.rows_affected() == 1)
    .map_err(|error| not_saved("change a volume target", target, error))
}

/// Which of the target's values another one has, or else what the database said.
fn not_saved(operation: &'static str, target: &VolumeTarget, error: sqlx::Error) -> DbError {
    if empty_column(&error) == Some("volume_targets.node_id") {
        return DbError::NodeMissing(target.node_uuid);
    }
    let duplicate = match taken_column(&error) {
        Some("volume_targets.uuid") => Duplicate::VolumeTargetUuid(target.uuid),
        Some("volume_targets.node_id, volume_targets.boot_index") => {
            Duplicate::VolumeBootIndex(target.boot_index)
        }
        _ => return DbError::from_sqlx(operation, error),
    };
    DbError::Duplicate(duplicate)
}

/// What to sort by, in SQL, for a field of the API.
fn sort_expression(key: Option<&'static str>) -> Result<Option<&'static str>, DbError> {
    let Some(key) = key else { return Ok(None) };
    let expression = match key {
        "id" => return Ok(None),
        "uuid" => "volume_targets.uuid",
        "volume_type" => "volume_targets.volume_type",
        "boot_index" => "volume_targets.boot_index",
        "volume_id" => "volume_targets.volume_id",
        "created_at" => "volume_targets.created_at",
        "updated_at" => "volume_targets.updated_at",
        _ => return Err(DbError::SortKey(key)),
    };
    Ok(Some(expression))
}
