//! Volume connectors.

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid};
use ironpxe_core::node::Node;
use ironpxe_core::volume::VolumeConnector;
use sqlx::{QueryBuilder, SqliteConnection};

use super::error::{contended, empty_column, taken_column};
use super::list::{Conditions, Order};
use super::volume_row::{ConnectorRow, bind_connector, connector_columns};
use super::{ATTEMPTS, Db, DbError, Duplicate, Page, node};
use crate::clock;

/// A connector and its node, for the `WHERE` that follows.
macro_rules! select_connector {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            connector_columns!(),
            " FROM volume_connectors JOIN nodes ON nodes.id = volume_connectors.node_id",
            $rest
        )
    };
}

impl Db {
    /// Stores a new volume connector.
    pub async fn volume_connector_create(
        &self,
        connector: &VolumeConnector,
    ) -> Result<(), DbError> {
        bind_connector(
            sqlx::query(
                "INSERT INTO volume_connectors (uuid, node_id, type, connector_id, extra, \
                 created_at, updated_at, revision) \
                 VALUES ($1, (SELECT id FROM nodes WHERE nodes.uuid = $2), $3, $4, $5, $6, $7, $8)",
            ),
            connector,
            0,
        )
        .execute(&self.writer)
        .await
        .map(|_| ())
        .map_err(|error| not_saved("store a volume connector", connector, error))
    }

    /// The volume connector with this UUID.
    pub async fn volume_connector_get(
        &self,
        uuid: VolumeConnectorUuid,
    ) -> Result<Option<VolumeConnector>, DbError> {
        sqlx::query_as(select_connector!(" WHERE volume_connectors.uuid = $1"))
            .bind(uuid.0)
            .fetch_optional(&self.readers)
            .await
            .map(|row| row.map(|row: ConnectorRow| row.connector))
            .map_err(|error| DbError::from_sqlx("read a volume connector", error))
    }

    /// The volume connectors of one node, or of all, in the order and of the page asked for.
    pub async fn volume_connector_list(
        &self,
        node: Option<NodeUuid>,
        page: &Page<VolumeConnectorUuid>,
    ) -> Result<Vec<VolumeConnector>, DbError> {
        let order = Order {
            table: "volume_connectors",
            by: sort_expression(page.sort_key)?,
            direction: page.sort_dir,
        };
        let mut sql = QueryBuilder::new(select_connector!(""));
        let mut conditions = Conditions::new(&mut sql);
        conditions.equal("nodes.uuid", node.map(|uuid| uuid.0));
        if let Some(marker) = page.marker {
            order.after(&mut conditions, marker.0);
        }
        order.finish(&mut sql, page.limit);
        let rows: Vec<ConnectorRow> = sql
            .build_query_as()
            .fetch_all(&self.readers)
            .await
            .map_err(|error| DbError::from_sqlx("list volume connectors", error))?;
        if let (true, Some(marker)) = (rows.is_empty(), page.marker) {
            self.volume_connector_get(marker)
                .await?
                .ok_or(DbError::VolumeConnectorMissing(marker))?;
        }
        Ok(rows.into_iter().map(|row| row.connector).collect())
    }

    /// Applies `change` to the volume connector as it is, until it has been saved over what was read,
    /// unless `allowed` objects to its node as that is then (and to the node it comes to).
    ///
    /// Gives the connector as it is saved. Both may run several times; a fault that one of them gives
    /// ends the matter. If nothing changes, nothing is saved.
    pub async fn volume_connector_change(
        &self,
        uuid: VolumeConnectorUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
        mut change: impl FnMut(&mut VolumeConnector) -> Result<(), Fault> + Send,
    ) -> Result<VolumeConnector, Fault> {
        let mut writer = self.write().await?;
        for _ in 0..ATTEMPTS {
            let ConnectorRow {
                connector: before,
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

    /// Deletes the volume connector if `allowed` does not object to its node as that is. Gives the
    /// node's UUID.
    pub async fn volume_connector_destroy(
        &self,
        uuid: VolumeConnectorUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
    ) -> Result<NodeUuid, Fault> {
        let mut writer = self.write().await?;
        for _ in 0..ATTEMPTS {
            let row = current(&mut writer, uuid).await?;
            let node = node::current(&mut writer, row.connector.node_uuid).await?;
            allowed(&node)?;
            let done = sqlx::query(
                "DELETE FROM volume_connectors WHERE uuid = $1 AND revision = $2 AND node_id IN \
                 (SELECT id FROM nodes WHERE nodes.uuid = $3 AND nodes.revision = $4)",
            )
            .bind(uuid.0)
            .bind(row.revision)
            .bind(node.uuid.0)
            .bind(node.revision)
            .execute(&mut *writer)
            .await
            .map_err(|error| DbError::from_sqlx("delete a volume connector", error))?;
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
    /// The connector's revision.
    revision: i64,
    /// That of the node it belongs to.
    from: i64,
    /// That of the node it comes to, which mostly is the same.
    to: i64,
}

/// The connector as the writer sees it.
async fn current(
    writer: &mut SqliteConnection,
    uuid: VolumeConnectorUuid,
) -> Result<ConnectorRow, DbError> {
    sqlx::query_as(select_connector!(" WHERE volume_connectors.uuid = $1"))
        .bind(uuid.0)
        .fetch_optional(writer)
        .await
        .map_err(|error| DbError::from_sqlx("read a volume connector to change it", error))?
        .ok_or(DbError::VolumeConnectorMissing(uuid))
}

/// Saves the connector if it and its nodes are still as they were read; tells whether it was.
async fn save(
    writer: &mut SqliteConnection,
    connector: &VolumeConnector,
    over: Over,
) -> Result<bool, DbError> {
    bind_connector(
        sqlx::query(
            "UPDATE volume_connectors SET node_id = (SELECT id FROM nodes WHERE nodes.uuid = $2), \
             type = $3, connector_id = $4, extra = $5, created_at = $6, updated_at = $7, \
             revision = $8 \
             WHERE uuid = $1 AND revision = $9 \
             AND $10 = (SELECT nodes.revision FROM nodes WHERE nodes.id = node_id) \
             AND $11 = (SELECT nodes.revision FROM nodes WHERE nodes.uuid = $2)",
        ),
        connector,
        over.revision + 1,
    )
    .bind(over.revision)
    .bind(over.from)
    .bind(over.to)
    .execute(writer)
    .await
    .map(|done| done.rows_affected() == 1)
    .map_err(|error| not_saved("change a volume connector", connector, error))
}

/// Which of the connector's values another one has, or else what the database said.
fn not_saved(operation: &'static str, connector: &VolumeConnector, error: sqlx::Error) -> DbError {
    if empty_column(&error) == Some("volume_connectors.node_id") {
        return DbError::NodeMissing(connector.node_uuid);
    }
    let duplicate = match taken_column(&error) {
        Some("volume_connectors.uuid") => Duplicate::VolumeConnectorUuid(connector.uuid),
        Some("volume_connectors.type, volume_connectors.connector_id") => {
            Duplicate::VolumeConnector {
                kind: connector.kind.clone(),
                connector_id: connector.connector_id.clone(),
            }
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
        "uuid" => "volume_connectors.uuid",
        "type" => "volume_connectors.type",
        "connector_id" => "volume_connectors.connector_id",
        "created_at" => "volume_connectors.created_at",
        "updated_at" => "volume_connectors.updated_at",
        _ => return Err(DbError::SortKey(key)),
    };
    Ok(Some(expression))
}
