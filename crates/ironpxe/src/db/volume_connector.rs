//! Volume connectors.

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeConnectorUuid};
use ironpxe_core::node::Node;
use ironpxe_core::volume::VolumeConnector;
use time::OffsetDateTime;
use uuid::Uuid;

use super::child::{Child, Operations, Stored};
use super::row::Fields;
use super::statement::Value;
use super::volume_connector_row::{self, connector_columns};
use super::{Db, DbError, Duplicate, Page};

impl Db {
    /// Stores a new volume connector.
    pub(crate) async fn volume_connector_create(
        &self,
        connector: &VolumeConnector,
    ) -> Result<(), DbError> {
        self.child_create(connector).await
    }

    /// The volume connector with this UUID.
    pub(crate) async fn volume_connector_get(
        &self,
        uuid: VolumeConnectorUuid,
    ) -> Result<Option<VolumeConnector>, DbError> {
        self.child_get(uuid.0).await
    }

    /// The volume connectors of one node, or of all, sorted and paged.
    pub(crate) async fn volume_connector_list(
        &self,
        node: Option<NodeUuid>,
        page: &Page<VolumeConnectorUuid>,
    ) -> Result<Vec<VolumeConnector>, DbError> {
        self.child_list(page, |query| {
            query.equal("nodes.uuid", node.map(|uuid| uuid.0));
        })
        .await
    }

    /// Applies `change` to the current volume connector and saves it, with retries after concurrent
    /// changes, unless `allowed` rejects it for the current or the new node.
    ///
    /// Returns the saved connector. Both functions may run several times; a fault from one of them
    /// is final. Nothing is saved if nothing changes.
    pub(crate) async fn volume_connector_change(
        &self,
        uuid: VolumeConnectorUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
        change: impl FnMut(&mut VolumeConnector) -> Result<(), Fault> + Send,
    ) -> Result<VolumeConnector, Fault> {
        let (connector, ()) = self
            .child_change(uuid.0, move |node, _, _| allowed(node), change)
            .await?;
        Ok(connector)
    }

    /// Deletes the volume connector unless `allowed` rejects it for its node. Returns the node's
    /// UUID.
    pub(crate) async fn volume_connector_destroy(
        &self,
        uuid: VolumeConnectorUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
    ) -> Result<NodeUuid, Fault> {
        self.child_destroy::<VolumeConnector>(uuid.0, allowed).await
    }
}

impl Child for VolumeConnector {
    const TABLE: &'static str = "volume_connectors";
    const OPERATIONS: Operations = Operations {
        store: "store a volume connector",
        read: "read a volume connector",
        list: "list volume connectors",
        change: "change a volume connector",
        delete: "delete a volume connector",
    };
    const SELECT: &'static str = concat!(
        "SELECT ",
        connector_columns!(),
        " FROM volume_connectors JOIN nodes ON nodes.id = volume_connectors.node_id"
    );
    const COLUMNS: &'static [(&'static str, &'static str)] = volume_connector_row::COLUMNS;

    fn read(fields: &mut Fields<'_>) -> Result<Stored<Self>, sqlx::Error> {
        let (child, revision) = volume_connector_row::read(fields)?;
        Ok(Stored { child, revision })
    }

    fn values(&self) -> Vec<Value<'_>> {
        volume_connector_row::values(self)
    }

    fn node(&self) -> NodeUuid {
        self.node_uuid
    }

    fn updated_at(&mut self) -> &mut Option<OffsetDateTime> {
        &mut self.updated_at
    }

    fn keep_identity(&mut self, before: &Self) {
        self.uuid = before.uuid;
        self.created_at = before.created_at;
        self.updated_at = before.updated_at;
    }

    fn missing(uuid: Uuid) -> DbError {
        DbError::VolumeConnectorMissing(VolumeConnectorUuid(uuid))
    }

    fn duplicate(&self, constraint: &str) -> Option<Duplicate> {
        match constraint {
            "volume_connectors_uuid_key" => Some(Duplicate::VolumeConnectorUuid(self.uuid)),
            "volume_connectors_type_connector_id_key" => Some(Duplicate::VolumeConnector {
                kind: self.kind.clone(),
                connector_id: self.connector_id.clone(),
            }),
            _ => None,
        }
    }
}
