//! Volume targets.

use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeUuid, VolumeTargetUuid};
use ironpxe_core::node::Node;
use ironpxe_core::volume::VolumeTarget;
use time::OffsetDateTime;
use uuid::Uuid;

use super::child::{Child, Operations, Stored};
use super::row::Fields;
use super::statement::Value;
use super::volume_target_row::{self, target_columns};
use super::{Db, DbError, Duplicate, Page};

impl Db {
    /// Stores a new volume target.
    pub(crate) async fn volume_target_create(&self, target: &VolumeTarget) -> Result<(), DbError> {
        self.child_create(target).await
    }

    /// The volume target with this UUID.
    pub(crate) async fn volume_target_get(
        &self,
        uuid: VolumeTargetUuid,
    ) -> Result<Option<VolumeTarget>, DbError> {
        self.child_get(uuid.0).await
    }

    /// The volume targets of one node, or of all, sorted and paged.
    pub(crate) async fn volume_target_list(
        &self,
        node: Option<NodeUuid>,
        page: &Page<VolumeTargetUuid>,
    ) -> Result<Vec<VolumeTarget>, DbError> {
        self.child_list(page, |query| {
            query.equal("nodes.uuid", node.map(|uuid| uuid.0));
        })
        .await
    }

    /// Applies `change` to the current volume target and saves it, with retries after concurrent
    /// changes, unless `allowed` rejects it for the current or the new node.
    ///
    /// Returns the saved target. Both functions may run several times; a fault from one of them is
    /// final. Nothing is saved if nothing changes.
    pub(crate) async fn volume_target_change(
        &self,
        uuid: VolumeTargetUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
        change: impl FnMut(&mut VolumeTarget) -> Result<(), Fault> + Send,
    ) -> Result<VolumeTarget, Fault> {
        let (target, ()) = self
            .child_change(uuid.0, move |node, _, _| allowed(node), change)
            .await?;
        Ok(target)
    }

    /// Deletes the volume target unless `allowed` rejects it for its node. Returns the node's UUID.
    pub(crate) async fn volume_target_destroy(
        &self,
        uuid: VolumeTargetUuid,
        allowed: impl Fn(&Node) -> Result<(), Fault> + Send,
    ) -> Result<NodeUuid, Fault> {
        self.child_destroy::<VolumeTarget>(uuid.0, allowed).await
    }
}

impl Child for VolumeTarget {
    const TABLE: &'static str = "volume_targets";
    const OPERATIONS: Operations = Operations {
        store: "store a volume target",
        read: "read a volume target",
        list: "list volume targets",
        change: "change a volume target",
        delete: "delete a volume target",
    };
    const SELECT: &'static str = concat!(
        "SELECT ",
        target_columns!(),
        " FROM volume_targets JOIN nodes ON nodes.id = volume_targets.node_id"
    );
    const COLUMNS: &'static [(&'static str, &'static str)] = volume_target_row::COLUMNS;

    fn read(fields: &mut Fields<'_>) -> Result<Stored<Self>, sqlx::Error> {
        let (child, revision) = volume_target_row::read(fields)?;
        Ok(Stored { child, revision })
    }

    fn values(&self) -> Vec<Value<'_>> {
        volume_target_row::values(self)
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
        DbError::VolumeTargetMissing(VolumeTargetUuid(uuid))
    }

    fn duplicate(&self, constraint: &str) -> Option<Duplicate> {
        match constraint {
            "volume_targets_uuid_key" => Some(Duplicate::VolumeTargetUuid(self.uuid)),
            "volume_targets_node_id_boot_index_key" => {
                Some(Duplicate::VolumeBootIndex(self.boot_index))
            }
            _ => None,
        }
    }
}
