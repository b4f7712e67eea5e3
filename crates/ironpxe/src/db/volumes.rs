//! All volumes of one node, for who boots it.

use ironpxe_core::id::NodeUuid;
use ironpxe_core::volume::{VolumeConnector, VolumeTarget, Volumes};
use sqlx::FromRow;
use sqlx::sqlite::SqliteRow;

use super::row::Fields;
use super::volume_row::{connector_columns, read_connector, read_target, target_columns};
use super::{Db, DbError};

impl Db {
    /// What the node with this UUID attaches, and who it is to its storage, as both were at one
    /// moment: the connectors in the order of their creation, the targets by boot index. A node
    /// that is not there has none.
    pub async fn node_volumes(&self, node: NodeUuid) -> Result<Volumes, DbError> {
        let rows: Vec<VolumeRow> = sqlx::query_as(concat!(
            "SELECT 0, 0, ",
            connector_columns!(),
            ", NULL, NULL FROM volume_connectors \
             JOIN nodes ON nodes.id = volume_connectors.node_id WHERE nodes.uuid = $1 \
             UNION ALL SELECT 1, volume_targets.boot_index, ",
            target_columns!(),
            " FROM volume_targets \
             JOIN nodes ON nodes.id = volume_targets.node_id WHERE nodes.uuid = $1 \
             ORDER BY 1, 2, 3"
        ))
        .bind(node.0)
        .fetch_all(&self.readers)
        .await
        .map_err(|error| DbError::from_sqlx("read the volumes of a node", error))?;
        let mut volumes = Volumes::default();
        for row in rows {
            match row {
                VolumeRow::Connector(connector) => volumes.connectors.push(connector),
                VolumeRow::Target(target) => volumes.targets.push(target),
            }
        }
        Ok(volumes)
    }
}

/// Which of the two a row is, its place in the order, and then the columns of that one.
enum VolumeRow {
    Connector(VolumeConnector),
    Target(VolumeTarget),
}

impl FromRow<'_, SqliteRow> for VolumeRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let fields = &mut Fields::new(row);
        let is_target: bool = fields.take()?;
        let _boot_index: i64 = fields.take()?;
        if is_target {
            Ok(Self::Target(read_target(fields)?.0))
        } else {
            Ok(Self::Connector(read_connector(fields)?.0))
        }
    }
}
