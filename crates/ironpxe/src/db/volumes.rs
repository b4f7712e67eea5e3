//! All volumes of a node, for boots.

use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::volume::{VolumeConnector, VolumeTarget, Volumes};

use super::row::Fields;
use super::statement::Statement;
use super::{Db, DbError};

impl Db {
    /// The connectors of a node in the order of creation, and its targets by boot index, from a
    /// single snapshot. Empty if the node does not exist.
    pub(crate) async fn node_volumes(&self, node: NodeUuid) -> Result<Volumes, DbError> {
        // Both kinds of row in one shape: only targets have a boot index and properties.
        let statement = Statement::new(
            "read the volumes of a node",
            "SELECT NULL AS boot_index, volume_connectors.id AS id, volume_connectors.uuid, \
             nodes.uuid, volume_connectors.type, volume_connectors.connector_id, NULL, \
             volume_connectors.extra, volume_connectors.created_at, \
             volume_connectors.updated_at FROM volume_connectors \
             JOIN nodes ON nodes.id = volume_connectors.node_id WHERE nodes.uuid = $1 \
             UNION ALL SELECT volume_targets.boot_index, volume_targets.id, volume_targets.uuid, \
             nodes.uuid, volume_targets.volume_type, volume_targets.volume_id, \
             volume_targets.properties, volume_targets.extra, volume_targets.created_at, \
             volume_targets.updated_at FROM volume_targets \
             JOIN nodes ON nodes.id = volume_targets.node_id WHERE nodes.uuid = $1 \
             ORDER BY boot_index, id",
        );
        let rows = self.all(statement.bind(node.0), read).await?;
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

/// A row of either kind.
enum VolumeRow {
    Connector(VolumeConnector),
    Target(VolumeTarget),
}

fn read(fields: &mut Fields<'_>) -> Result<VolumeRow, sqlx::Error> {
    let boot_index: Option<i64> = fields.take()?;
    fields.id()?;
    let uuid = fields.take()?;
    let node_uuid = NodeUuid(fields.take()?);
    let kind = fields.take()?;
    let name = fields.take()?;
    let Some(boot_index) = boot_index else {
        fields.skip();
        return Ok(VolumeRow::Connector(VolumeConnector {
            uuid: VolumeConnectorUuid(uuid),
            node_uuid,
            kind,
            connector_id: name,
            extra: fields.map()?,
            created_at: fields.time()?,
            updated_at: fields.optional_time()?,
        }));
    };
    Ok(VolumeRow::Target(VolumeTarget {
        uuid: VolumeTargetUuid(uuid),
        node_uuid,
        volume_type: kind,
        boot_index,
        volume_id: name,
        properties: fields.map()?,
        extra: fields.map()?,
        created_at: fields.time()?,
        updated_at: fields.optional_time()?,
    }))
}
