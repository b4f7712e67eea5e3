//! What boots are decided by, and where it comes from: this service's own database.
//!
//! Everything a boot request reads goes through [`BootFacts`], so that nodes which live elsewhere need
//! a second source here and nothing else.

use std::sync::Arc;

use ironpxe_core::boot::{Machine, boots_from_volume};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::Result;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::volume::Volumes;

use crate::db::{AsOf, BootRows, CommitVersion, Db, Revisions};

/// A machine as the source has it.
#[derive(Debug)]
pub(super) struct MachineFacts {
    pub(super) rows: Arc<BootRows>,
    /// Only if it boots from one.
    pub(super) volumes: Option<Volumes>,
}

impl MachineFacts {
    pub(super) fn machine(&self) -> Machine<'_> {
        Machine {
            node: &self.rows.node,
            port: self.rows.port.as_ref(),
            volumes: self.volumes.as_ref(),
        }
    }
}

/// Where nodes, ports and volumes come from. Clones are the same source.
#[derive(Debug, Clone)]
pub(super) struct BootFacts {
    db: Db,
}

impl BootFacts {
    /// This service's own database.
    pub(super) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// As of which commit the source is now, if that is known without a query. What is read after this
    /// is not older.
    pub(super) fn version(&self) -> Option<CommitVersion> {
        self.db.commit_version()
    }

    /// The same, asked where it must be: of the source at some moment after this was called.
    pub(super) async fn fetch_version(&self) -> Result<Option<CommitVersion>> {
        Ok(self.db.fetch_commit_version().await?)
    }

    /// Node and port of each machine that is known, in one query.
    pub(super) async fn rows(&self, machines: &[BootIdent]) -> Result<AsOf<BootRows>> {
        Ok(self.db.boot_rows(machines).await?)
    }

    /// The revisions of the same rows alone.
    pub(super) async fn revisions(&self, machines: &[BootIdent]) -> Result<AsOf<Revisions>> {
        Ok(self.db.boot_revisions(machines).await?)
    }

    /// The machine of these rows.
    pub(super) async fn complete(&self, rows: Arc<BootRows>) -> Result<MachineFacts> {
        let volumes = match boots_from_volume(&rows.node) {
            Some(_) => Some(self.db.node_volumes(rows.node.uuid).await?),
            None => None,
        };
        Ok(MachineFacts { rows, volumes })
    }

    /// A node alone, for what an installer reads and for images.
    pub(super) async fn node(&self, uuid: NodeUuid) -> Result<Option<Node>> {
        Ok(self.db.node_get(uuid).await?)
    }
}
