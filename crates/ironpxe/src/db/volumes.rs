//! Volume connectors and targets, and all of them of a node for boots.

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::volume::{Volume, VolumeConnector, VolumeTarget, Volumes};

use super::child::Child;
use super::node_list::of_project;
use super::row::Fields;
use super::statement::Statement;
use super::{Db, DbError, Page};

impl Db {
    /// Stores a new volume connector or target.
    pub(crate) async fn volume_create<V: Volume + Child>(&self, volume: &V) -> Result<(), DbError> {
        self.child_create(volume).await
    }

    /// The volume connector or target with this UUID.
    pub(crate) async fn volume_get<V: Volume + Child>(
        &self,
        uuid: V::Uuid,
    ) -> Result<Option<V>, DbError> {
        self.child_get(uuid.into()).await
    }

    /// The volume connectors or targets of one node, or of all, of a project (as the node's owner or
    /// lessee) or of all, sorted and paged.
    pub(crate) async fn volume_list<V: Volume + Child>(
        &self,
        project: Option<&str>,
        node: Option<NodeUuid>,
        page: &Page<V::Uuid>,
    ) -> Result<Vec<V>, DbError> {
        self.child_list(page, |query| {
            query.equal("nodes.uuid", node.map(|uuid| uuid.0));
            of_project(query, project);
        })
        .await
    }

    /// Applies `change` to the current volume and saves it, with retries after concurrent changes,
    /// unless `allowed` rejects it for the current or the new node.
    ///
    /// Returns the saved volume. Both functions may run several times; a fault from one of them is
    /// final. Nothing is saved if nothing changes.
    pub(crate) async fn volume_change<V: Volume + Child>(
        &self,
        uuid: V::Uuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
        change: impl FnMut(&mut V) -> Result<(), Fault> + Send,
    ) -> Result<V, Fault> {
        let allowed = move |node: &Node, _: &V, _: &V| allowed(node);
        let (volume, ()) = self.child_change(uuid.into(), allowed, change).await?;
        Ok(volume)
    }

    /// Deletes the volume unless `allowed` rejects it for its node. Returns the node's UUID.
    pub(crate) async fn volume_destroy<V: Volume + Child>(
        &self,
        uuid: V::Uuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
    ) -> Result<NodeUuid, Fault> {
        self.child_destroy::<V>(uuid.into(), allowed).await
    }

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
